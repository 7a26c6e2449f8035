import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestHex, digestOf, isDigest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { canonicalBytes, type Fields, fieldsOf, listOf, textOf, textsOf } from '../core/json.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../core/limits.ts';
import { counted, quoted } from '../core/text.ts';
import { listMembers, type TarMember } from '../io/tar-members.ts';
import { type Asked, malformed, parseRemote } from '../net/http-response.ts';
import { localFailure, wrongKind } from './local.ts';
import { type Origin, wholeOf } from './origin.ts';
import { parseReference, repositoryName } from './reference.ts';
import { stableOrigin } from './stable-file.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';
const REF_NAME = 'org.opencontainers.image.ref.name';
const FULL_NAME = 'io.containerd.image.name';

/** The content of an image in local files. */
export interface Content {
  /** What a name refers to. */
  readonly root: { readonly digest: Digest; readonly name?: string };
  blob(digest: Digest): Promise<LocalBlob | undefined>;
}

interface LocalBlob {
  readonly size: number;
  readonly origin: Origin;
}

/** Files of a folder or of an archive, by their path. */
export type Files = (path: string) => Promise<LocalBlob | undefined>;

/** @throws StowageError `file-missing`, `file-kind` */
export async function filesInFolder(folder: string): Promise<Files> {
  try {
    if (!(await stat(folder)).isDirectory()) throw wrongKind(folder, 'a folder');
  } catch (error) {
    throw localFailure(folder, error);
  }
  return async (path) => {
    const there = await stat(join(folder, path)).catch(() => undefined);
    if (there?.isFile() !== true) return undefined;
    return { size: there.size, origin: stableOrigin(join(folder, path)) };
  };
}

/** @throws StowageError `file-missing`, `file-kind`, `source-malformed` */
export async function filesInArchive(archive: string, asked: Asked): Promise<Files> {
  const members = new Map<string, TarMember>();
  for (const each of await membersOf(archive, asked)) members.set(each.path, each);
  return async (path) => {
    const found = members.get(path);
    if (found === undefined) return undefined;
    if (found.kind !== 'file')
      throw malformed(asked, { expected: `a file ${path}`, found: 'a link, a folder or a device' });
    const { offset, size } = found;
    return { size, origin: stableOrigin(archive, { window: { offset, size } }) };
  };
}

async function membersOf(archive: string, asked: Asked): Promise<TarMember[]> {
  try {
    const handle = await open(archive);
    try {
      const status = await handle.stat();
      if (!status.isFile()) throw wrongKind(archive, 'a regular file');
      const read = async (offset: number, length: number): Promise<Buffer> => {
        const buffer = Buffer.alloc(length);
        const { bytesRead } = await handle.read(buffer, 0, length, offset);
        return buffer.subarray(0, bytesRead);
      };
      return await listMembers({ size: status.size, read }, (found) =>
        malformed(asked, { expected: 'an uncompressed tar', found }),
      );
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw localFailure(archive, error);
  }
}

/** An image layout (image-spec, "Image Layout"). */
export async function layoutContent(
  files: Files,
  asked: Asked,
  name: string | undefined,
): Promise<Content> {
  const index = await json(files, 'index.json', asked);
  const entries = listOf(index['manifests']).flatMap((entry) => {
    const { digest } = entry;
    const annotations = fieldsOf(entry['annotations']);
    const names = [annotations[FULL_NAME], annotations[REF_NAME]].flatMap(
      (each) => textOf(each, 512) ?? [],
    );
    return typeof digest === 'string' && isDigest(digest) ? [{ digest, names }] : [];
  });
  const matching =
    name === undefined ? entries : entries.filter(({ names }) => isNamed(names, name));
  const [found, ...more] = matching;
  const digests = new Set(matching.map(({ digest }) => digest));
  if (found === undefined || (more.length > 0 && digests.size > 1))
    throw notOne(
      asked,
      name,
      entries.flatMap(({ names }) => names[0] ?? 'an image without a name'),
    );
  const [known] = found.names;
  return {
    root: { digest: found.digest, ...(known === undefined ? {} : { name: known }) },
    blob: (digest) => files(`blobs/sha256/${digestHex(digest)}`),
  };
}

function isNamed(names: readonly string[], wanted: string): boolean {
  return names.some((each) => each === wanted || each.endsWith(`:${wanted}`) || same(each, wanted));
}

/** Whether two full names mean one image: `app:1` is `docker.io/library/app:1`. */
function same(a: string, b: string): boolean {
  try {
    const [one, other] = [parseReference(a), parseReference(b)];
    return repositoryName(one) === repositoryName(other) && one.tag === other.tag;
  } catch {
    return false;
  }
}

/**
 * What `docker save` writes without a layout: a config and uncompressed layers, whose digests are in the config. The manifest
 * is made here, always the same.
 */
export async function savedContent(
  files: Files,
  asked: Asked,
  name: string | undefined,
): Promise<Content> {
  const images = await json(files, 'manifest.json', asked);
  const entries = listOf(Object.values(images));
  const matching =
    name === undefined
      ? entries
      : entries.filter(({ RepoTags: tags }) => isNamed(textsOf(tags), name));
  const [found, ...more] = matching;
  if (found === undefined || more.length > 0)
    throw notOne(
      asked,
      name,
      entries.flatMap(({ RepoTags: tags }) => textsOf(tags)),
    );
  const path = textOf(found['Config']) ?? '';
  const config = await whole(files, path, asked);
  const about = fieldsOf(fieldsOf(parseRemote(config, asked))['rootfs']);
  const layers = textsOf(found['Layers']);
  const diffs = textsOf(about['diff_ids']);
  if (layers.length !== diffs.length || !diffs.every(isDigest))
    throw malformed(asked, {
      expected: 'a digest in the config for each layer',
      found: `${counted(diffs.length, 'digest')} and ${counted(layers.length, 'layer')}`,
    });
  const blobs = new Map<Digest, LocalBlob>();
  const described: { mediaType: string; digest: Digest; size: number }[] = [];
  for (const [at, layer] of layers.entries()) {
    const file = await files(layer);
    const digest = diffs[at];
    if (file === undefined || digest === undefined || !isDigest(digest))
      throw malformed(asked, { expected: `a file ${quoted(layer)}`, found: 'none' });
    blobs.set(digest, file);
    described.push({ mediaType: LAYER, digest, size: file.size });
  }
  const made = canonicalBytes({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: digestOf(config), size: config.length },
    layers: described,
  });
  for (const bytes of [config, made]) blobs.set(digestOf(bytes), inMemory(path, bytes));
  const [known] = textsOf(found['RepoTags']);
  return {
    root: { digest: digestOf(made), ...(known === undefined ? {} : { name: known }) },
    blob: async (digest) => blobs.get(digest),
  };
}

function notOne({ what }: Asked, name: string | undefined, has: readonly string[]): StowageError {
  const names = has.slice(0, 16).join(', ') || 'no images';
  return new StowageError(
    'source-not-found',
    name === undefined ? `${what} has several images, or none` : `${what} has no image ${name}`,
    {
      expected: name ?? 'one image',
      found: names,
      hint: 'add a colon and the name of the image to the source, as skopeo does',
    },
  );
}

async function json(files: Files, path: string, asked: Asked): Promise<Fields> {
  const value = parseRemote(await whole(files, path, asked), asked);
  return Array.isArray(value) ? Object.fromEntries(value.entries()) : fieldsOf(value);
}

async function whole(files: Files, path: string, asked: Asked): Promise<Buffer> {
  const file = await files(path);
  if (file === undefined)
    throw malformed(asked, { expected: `an image, with the file ${quoted(path)}`, found: 'none' });
  return wholeOf(file.origin, MAX_OCI_MANIFEST_BYTES, new AbortController().signal);
}

function inMemory(description: string, bytes: Buffer): LocalBlob {
  const open: Origin['open'] = async (offset) => once(bytes.subarray(offset));
  return { size: bytes.length, origin: { description, open } };
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
