import { resolve as resolvePath } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Digest, digestOf, isDigest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { fieldsOf } from '../core/json.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../core/limits.ts';
import type { LocalImage } from '../format/source.ts';
import { type Asked, parseRemote } from '../net/http-response.ts';
import {
  type Content,
  filesInArchive,
  filesInFolder,
  layoutContent,
  savedContent,
} from './image-content.ts';
import { type Registry, registryOf } from './oci.ts';
import type { Reader } from './oci-reader.ts';
import { type Origin, wholeOf } from './origin.ts';
import { parseReference, repositoryName } from './reference.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';

/** An image in local files, as if it were in a registry. */
export interface OpenImage {
  /** Of the image with the {@link reference}. */
  readonly registry: Registry;
  readonly reference: string;
}

/**
 * Opens an image in a folder or archive. Its blobs are read where they are.
 * @param folder that relative paths start from
 * @param fallback the last part of the repository, if the image has no name
 * @throws StowageError `file-missing`, `file-kind`, `source-not-found`, `source-malformed`
 */
export async function openImage(
  { kind, path = '', name }: LocalImage,
  folder: string,
  fallback: string,
): Promise<OpenImage> {
  const place = resolvePath(folder, path);
  const asked = { what: place, url: pathToFileURL(place) };
  const files = kind === 'oci' ? await filesInFolder(place) : await filesInArchive(place, asked);
  const layout = (await files('oci-layout')) !== undefined;
  const content =
    layout || kind !== 'docker-archive'
      ? await layoutContent(files, asked, name)
      : await savedContent(files, asked, name);
  const repository = nameOf(content.root.name ?? name) ?? `localhost/${fallback}`;
  return {
    registry: registryOf(readerOf(content, asked)),
    reference: `${repository}@${content.root.digest}`,
  };
}

/** The repository in a full name such as `docker.io/library/app:1`; undefined for a tag. */
function nameOf(name: string | undefined): string | undefined {
  return name?.includes('/') === true ? repositoryName(parseReference(name)) : undefined;
}

function readerOf({ root, blob }: Content, asked: Asked): Reader {
  const find = async (digest: Digest): Promise<Origin> => {
    const found = await blob(digest);
    if (found !== undefined) return found.origin;
    throw new StowageError('source-not-found', `${asked.what} has no blob ${digest}`, {
      expected: 'every blob of the image',
      found: 'none of that digest',
      hint: 'write the image again, with all its platforms that the manifest lists',
    });
  };
  const bytesOf = async (digest: Digest, signal: AbortSignal): Promise<Buffer> => {
    const bytes = await wholeOf(await find(digest), MAX_OCI_MANIFEST_BYTES, signal);
    const found = digestOf(bytes);
    if (found === digest) return bytes;
    throw new StowageError(
      'source-mismatch',
      `a blob of ${asked.what} is not what its name states`,
      {
        expected: digest,
        found,
        hint: 'write the image again',
      },
    );
  };
  return {
    manifest: async (_, name, signal) => {
      const digest = isDigest(name) ? name : root.digest;
      if (!isDigest(name) && /^sha256-/.test(name)) throw absent(asked, name);
      const bytes = await bytesOf(digest, signal);
      const fields = fieldsOf(parseRemote(bytes, asked));
      return { bytes, digest, contentType: 'manifests' in fields ? INDEX : MANIFEST, asked };
    },
    small: (_, { digest }, signal) => bytesOf(digest, signal),
    referrers: async function* () {
      yield undefined;
    },
    blob: (_, digest) => ({
      description: `${asked.what}: ${digest}`,
      open: async (offset, signal) => (await find(digest)).open(offset, signal),
      part: async (start, end, signal) => {
        const origin = await find(digest);
        const part = await origin.part?.(start, end, signal);
        return part ?? { from: 0, body: await origin.open(0, signal) };
      },
    }),
  };
}

function absent({ what }: Asked, name: string): StowageError {
  return new StowageError('source-not-found', `${what} has no ${name}`, {
    expected: name,
    found: 'none',
    hint: 'signatures are read from registries only',
  });
}
