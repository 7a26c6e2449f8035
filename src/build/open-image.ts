import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Environment } from '../core/context.ts';
import { interrupted, messageOf, StowageError, systemCode } from '../core/error.ts';
import { oneLine } from '../core/text.ts';
import type { LockedImage } from '../format/locked-content.ts';
import { isStored, type LocalImage, localImageOf } from '../format/source.ts';
import { remove } from '../io/file.ts';
import { makeFolder, requireSpace } from '../io/folder.ts';
import { forEachBounded } from '../io/queue.ts';
import { type OpenImage, openImage } from '../source/local-images.ts';
import { fetchBlob } from './fetch.ts';
import { expectedBlob, type Sources } from './origins.ts';
import type { Transfer } from './transfer.ts';

const BLOBS_AT_ONCE = 4;
const run = promisify(execFile);

export interface OpenImageOptions {
  readonly sources: Pick<Sources, 'registry' | 'env'>;
  /** The folder of the manifest. */
  readonly folder: string;
  readonly transfer: Transfer;
}

/**
 * Opens an image while `work` runs: in its registry, in local files, or as podman or docker exports it, which is removed
 * afterwards.
 * @throws StowageError `source-not-found`, `source-unsupported` without the engine, `space-insufficient`, other `source-*`
 */
export async function withImage<T>(
  { name, source }: Pick<LockedImage, 'name' | 'source'>,
  { sources, folder, transfer }: OpenImageOptions,
  work: (open: OpenImage) => Promise<T>,
): Promise<T> {
  const local = localImageOf(source);
  if (local === undefined) return work({ registry: sources.registry, reference: source });
  if (!isStored(local)) return work(await openImage(local, folder, name));
  const { store, signal } = transfer;
  const incoming = join(store.root, 'incoming');
  await makeFolder(incoming);
  const path = join(incoming, `image-${randomUUID()}.tar`);
  try {
    const { env } = sources;
    await exportImage(local, path, { folder: incoming, signal, ...(env && { env }) });
    return await work(await openImage({ kind: 'docker-archive', path }, folder, name));
  } finally {
    await remove(path);
  }
}

/** Copies the blobs of an open image that the store lacks. */
export async function keepBlobs(
  { name, repository, blobs }: Pick<LockedImage, 'name' | 'repository' | 'blobs'>,
  { registry }: OpenImage,
  transfer: Transfer,
): Promise<void> {
  await forEachBounded(blobs, BLOBS_AT_ONCE, async (blob) => {
    if ((await transfer.store.size(blob.digest)) === blob.size) return;
    await fetchBlob(
      transfer,
      expectedBlob(blob, `image ${name}`),
      registry.blob(repository, blob.digest),
    );
  });
}

interface Export {
  readonly signal: AbortSignal;
  readonly env?: Environment;
}

/** Exports with uncompressed layers, so that an image always has the same bytes. */
async function exportImage(
  { kind, name = '' }: LocalImage,
  path: string,
  { folder, ...context }: Export & { readonly folder: string },
): Promise<void> {
  const engine = kind === 'docker-daemon' ? 'docker' : 'podman';
  const ask = (args: readonly string[]): Promise<{ stdout: string }> =>
    call(engine, args, { name, ...context });
  const inspect = ['image', 'inspect', '--format', '{{.Size}}', '--', name];
  const size = Number((await ask(inspect)).stdout.trim());
  // The export, and the blobs that are taken out of it.
  if (Number.isSafeInteger(size)) await requireSpace(folder, 2 * size);
  const format = engine === 'podman' ? ['--format', 'docker-archive'] : [];
  await ask(['image', 'save', ...format, '--output', path, '--', name]);
}

async function call(
  engine: string,
  args: readonly string[],
  { name, signal, env }: Export & { readonly name: string },
): Promise<{ stdout: string }> {
  try {
    return await run(engine, [...args], {
      signal,
      encoding: 'utf8',
      ...(env && { env: { ...env } }),
    });
  } catch (cause) {
    if (signal.aborted) throw interrupted(signal);
    if (systemCode(cause) === 'ENOENT')
      throw new StowageError('source-unsupported', `${engine} is not installed here`, {
        expected: `${engine}, whose storage has ${name}`,
        found: `no program ${engine}`,
        hint: 'install it, or write the image to an archive elsewhere and use oci-archive:',
        cause,
      });
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : '';
    throw new StowageError('source-not-found', `${engine} cannot export image ${name}`, {
      expected: `an image of ${engine} image ls`,
      found: oneLine(said || messageOf(cause)),
      hint: `check the name with ${engine} image ls, as the user that runs this command`,
      cause,
    });
  }
}
