import { dirname, join } from 'node:path';
import { canonicalJson, type Json } from '../../core/canonical-json.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_LOCK_BYTES, MAX_MANIFEST_BYTES } from '../../core/limits.ts';
import { readJson } from '../../format/document.ts';
import { type Lock, lockKind } from '../../format/lock.ts';
import { type Manifest, manifestKind } from '../../format/manifest.ts';
import { readYaml } from '../../format/yaml-document.ts';
import { readBounded, readIfThere } from '../../io/file.ts';
import type { CommandContext } from '../command.ts';

export const DEFAULT_MANIFEST = 'stowage.yaml';

/** A manifest, its folder, and the path of its lock: `chat.yaml` and `chat.lock.json`. */
export interface ManifestFile {
  readonly manifest: Manifest;
  readonly folder: string;
  readonly lockPath: string;
}

export async function readManifest(
  file: string | undefined,
  context: CommandContext,
): Promise<ManifestFile> {
  const path = context.path(file ?? DEFAULT_MANIFEST);
  const manifest = readYaml(manifestKind, await readBounded(path, MAX_MANIFEST_BYTES));
  const folder = dirname(path);
  return { manifest, folder, lockPath: join(folder, lockName(path)) };
}

/** Reads a lock; undefined if there is none. */
export async function readLock(path: string): Promise<Lock | undefined> {
  const bytes = await readIfThere(path, MAX_LOCK_BYTES);
  return bytes && readJson(lockKind, bytes);
}

/**
 * A manifest and the lock that was made from it.
 * @throws StowageError `lock-stale` if there is no lock or it was made from another manifest
 */
export async function readFreshLock(
  file: string | undefined,
  context: CommandContext,
): Promise<ManifestFile & { readonly lock: Lock }> {
  const found = await readManifest(file, context);
  const lock = await readLock(found.lockPath);
  if (lock !== undefined && sameManifest(lock.manifest, found.manifest)) return { ...found, lock };
  throw new StowageError(
    'lock-stale',
    lock === undefined
      ? 'the manifest has no lock'
      : 'the manifest has changed since it was locked',
    {
      expected: `${found.lockPath} made from this manifest`,
      found: lock === undefined ? 'no lock' : 'a lock made from a different manifest',
      hint: 'run stowage lock first',
    },
  );
}

function sameManifest(a: Manifest, b: Manifest): boolean {
  return canonicalJson(a as unknown as Json) === canonicalJson(b as unknown as Json);
}

function lockName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return `${name.replace(/\.ya?ml$/, '')}.lock.json`;
}
