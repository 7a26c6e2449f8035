import { dirname, join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { MAX_LOCK_BYTES, MAX_MANIFEST_BYTES } from '../../core/limits.ts';
import { readJson, readYaml } from '../../format/document.ts';
import { type Lock, lockKind } from '../../format/lock.ts';
import { type Manifest, manifestKind } from '../../format/manifest.ts';
import { readBounded } from '../../io/file.ts';
import type { CommandContext } from '../command.ts';

export const DEFAULT_MANIFEST = 'stowage.yaml';

/** A manifest, where it lies, and where its lock lies: `chat.yaml` and `chat.lock.json`. */
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

/** The lock beside a manifest, or undefined. */
export async function readLock(path: string): Promise<Lock | undefined> {
  try {
    return readJson(lockKind, await readBounded(path, MAX_LOCK_BYTES));
  } catch (error) {
    if (error instanceof StowageError && error.code === 'file-missing') return undefined;
    throw error;
  }
}

function lockName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return `${name.replace(/\.ya?ml$/, '')}.lock.json`;
}
