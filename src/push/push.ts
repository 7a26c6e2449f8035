import type { Context } from '../core/context.ts';
import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { isIncludedTag } from '../core/repository-name.ts';
import { counted } from '../core/text.ts';
import { oneLine } from '../net/address.ts';
import type { HttpResponse } from '../net/http.ts';
import { type PushedBlob, pushBlob, type Sessions } from './push-blob.ts';
import { type RegistryWriter, refused, unlessRefused } from './registry-writer.ts';

export interface PushedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** What goes into one repository. */
export interface PushedRepository {
  readonly repository: string;
  readonly tags: Readonly<Record<string, Digest>>;
  readonly manifests: readonly PushedManifest[];
  readonly blobs: readonly PushedBlob[];
}

export interface PushOptions extends Omit<Context, 'now'> {
  readonly writer: RegistryWriter;
  readonly chunkBytes: number;
  /** The largest blob that the registry accepts, in bytes. */
  readonly maxBlobBytes?: number | undefined;
  readonly sessions: Sessions;
}

export interface Pushed {
  readonly repository: string;
  readonly tags: readonly string[];
  readonly uploaded: number;
  readonly mounted: number;
  readonly present: number;
  /** What the registry did not accept as it was, in words. */
  readonly notes: readonly string[];
}

/**
 * Copies repositories into a registry, digests unchanged: blobs, then manifests, then indexes, then tags. A blob is
 * sent once and mounted in the other repositories that need it.
 * @throws StowageError `registry-refused` before the first byte for a blob above the limit; later that of an answer,
 * `registry-unreachable`, `registry-denied`
 */
export async function push(
  repositories: readonly PushedRepository[],
  options: PushOptions,
): Promise<Pushed[]> {
  requireSmall(repositories, options.maxBlobBytes);
  const total = repositories.flatMap(({ blobs }) => blobs).reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const onBytes = (bytes: number): void => {
    done += bytes;
    options.emit({ type: 'progress', task: 'push', done, total, unit: 'bytes' });
  };
  const homes = new Map<Digest, string>();
  const pushed: Pushed[] = [];
  for (const each of repositories) {
    options.emit({ type: 'step', step: 'push', subject: each.repository });
    const counts = { uploaded: 0, mounted: 0, present: 0 };
    for (const blob of each.blobs) {
      const mountFrom = homes.get(blob.digest);
      const { repository } = each;
      counts[await pushBlob(blob, { ...options, repository, mountFrom, onBytes })] += 1;
      homes.set(blob.digest, repository);
    }
    const notes: string[] = [];
    const tags = await pushManifests(each, options.writer, notes);
    pushed.push({ repository: each.repository, tags, ...counts, notes });
  }
  return pushed;
}

function requireSmall(repositories: readonly PushedRepository[], limit: number | undefined): void {
  if (limit === undefined) return;
  const large = repositories.flatMap(({ repository, blobs }) =>
    blobs
      .filter(({ size }) => size > limit)
      .map(({ digest, size }) => `${repository}: ${digest} has ${counted(size, 'byte')}`),
  );
  if (large.length === 0) return;
  throw new StowageError('registry-refused', 'some blobs are larger than the registry accepts', {
    expected: `at most ${limit} bytes each`,
    found: `${large.length} larger ones`,
    hint: 'raise the limit of the registry, or serve these from the depot',
    defects: large,
  });
}

const isIndex = (mediaType: string): boolean => /index|manifest\.list/.test(mediaType);

async function pushManifests(
  { repository, tags, manifests }: PushedRepository,
  writer: RegistryWriter,
  notes: string[],
): Promise<string[]> {
  const put = (manifest: PushedManifest, reference: string): Promise<HttpResponse> =>
    writer.send({
      ...{ method: 'PUT', what: `the manifest ${reference}`, to: `manifests/${reference}` },
      ...{ repository, body: manifest.bytes, headers: { 'content-type': manifest.mediaType } },
    });
  const known = new Map(manifests.map((each) => [each.digest, each]));
  const sorted = manifests.toSorted(
    (a, b) => Number(isIndex(a.mediaType)) - Number(isIndex(b.mediaType)),
  );
  const partial = new Map<Digest, PushedManifest[]>();
  for (const manifest of sorted) {
    const members = isIndex(manifest.mediaType) ? membersOf(manifest, known) : undefined;
    const sending = put(manifest, manifest.digest);
    const response = await (members === undefined ? sending : unlessRefused(sending));
    if (response !== undefined) requireStored(manifest, response);
    else if (members !== undefined) {
      partial.set(manifest.digest, members);
      notes.push(
        `index ${manifest.digest} was refused because it names platforms not in the bundle${includedNote(tags)}`,
      );
    }
  }
  const written: string[] = [];
  for (const [tag, digest] of Object.entries(tags)) {
    const members = partial.get(digest) ?? [known.get(digest)];
    for (const [index, manifest] of members.entries()) {
      if (manifest === undefined) continue;
      const name = index === 0 ? tag : `${tag}-${index + 1}`;
      requireStored(manifest, await put(manifest, name));
      written.push(name);
    }
  }
  return written;
}

function includedNote(tags: PushedRepository['tags']): string {
  const names = Object.keys(tags).filter(isIncludedTag);
  return names.length === 0 ? '' : `; ${names.join(', ')} names an index of those that are`;
}

function requireStored({ digest }: PushedManifest, { status, headers }: HttpResponse): void {
  const what = `the manifest ${digest}`;
  if (status !== 201) throw refused(what, `status ${status}`);
  const stored = headers.get('docker-content-digest') ?? digest;
  if (stored !== digest) throw refused(what, `stored as ${oneLine(stored, 80)}`);
}

/** The manifests of an index that are in the bundle, when some are not; undefined when all are. */
function membersOf(
  index: PushedManifest,
  known: ReadonlyMap<Digest, PushedManifest>,
): PushedManifest[] | undefined {
  const { manifests = [] } = JSON.parse(index.bytes.toString('utf8')) as {
    manifests?: readonly { digest: Digest }[];
  };
  const here = manifests.flatMap(({ digest }) => known.get(digest) ?? []);
  return here.length === manifests.length || here.length === 0 ? undefined : here;
}
