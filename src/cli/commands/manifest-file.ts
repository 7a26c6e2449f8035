import { dirname, join } from 'node:path';
import { referenceDefects } from '../../build/image-references.ts';
import { pathDefects } from '../../build/local-paths.ts';
import { canonicalJson, type Json } from '../../core/canonical-json.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_LOCK_BYTES, MAX_MANIFEST_BYTES } from '../../core/limits.ts';
import { readJson, readValue } from '../../format/document.ts';
import { type Lock, lockKind } from '../../format/lock.ts';
import { type Manifest, manifestKind } from '../../format/manifest.ts';
import { parseYaml, readYaml } from '../../format/yaml-document.ts';
import { readIfThere, readNamed } from '../../io/file.ts';
import type { CommandContext } from '../command.ts';

export const DEFAULT_MANIFEST = 'stowage.yaml';

/** A manifest, its folder, and the path of its lock: `chat.yaml` and `chat.lock.json`. */
export interface ManifestFile {
  readonly manifest: Manifest;
  readonly folder: string;
  readonly lockPath: string;
}

/** @throws StowageError `manifest-invalid`, each defect with its line and column */
async function readManifest(
  file: string | undefined,
  context: CommandContext,
): Promise<ManifestFile> {
  const path = context.path(file ?? DEFAULT_MANIFEST);
  const bytes = await readNamed(path, MAX_MANIFEST_BYTES);
  const manifest = readYaml(manifestKind, bytes, file ?? DEFAULT_MANIFEST);
  const folder = dirname(path);
  return { manifest, folder, lockPath: join(folder, lockName(path)) };
}

/**
 * Reads a manifest and checks everything about it that can be checked offline: `stowage check`, and the start of
 * `stowage lock`. Other commands compare the manifest with its lock instead.
 * @throws StowageError `manifest-invalid`, each defect with its line and column
 */
export async function checkManifest(
  file: string | undefined,
  context: CommandContext,
): Promise<ManifestFile> {
  const path = context.path(file ?? DEFAULT_MANIFEST);
  const folder = dirname(path);
  const bytes = await readNamed(path, MAX_MANIFEST_BYTES);
  const { value, ...reading } = parseYaml(manifestKind, bytes, file ?? DEFAULT_MANIFEST);
  const further = [...(await pathDefects(value, folder)), ...referenceDefects(value)];
  const manifest = readValue(manifestKind, value, { ...reading, further });
  return { manifest, folder, lockPath: join(folder, lockName(path)) };
}

/** Reads a lock; undefined if there is none. */
export async function readLock(path: string): Promise<Lock | undefined> {
  const bytes = await readIfThere(path, MAX_LOCK_BYTES);
  try {
    return bytes && readJson(lockKind, bytes);
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'lock-invalid') throw error;
    const { expected, found, hint } = error;
    throw new StowageError('lock-invalid', `${path}: ${error.message}`, {
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
      hint,
      defects: error.defects,
      cause: error,
    });
  }
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
