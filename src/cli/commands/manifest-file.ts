import { dirname, join } from 'node:path';
import { portDoubts } from '../../build/derive.ts';
import { pathDefects, referenceDefects } from '../../build/local-paths.ts';
import { requireSameManifest } from '../../build/unchanged.ts';
import { StowageError } from '../../core/error.ts';
import { fieldsOf, listOf } from '../../core/json.ts';
import { MAX_LOCK_BYTES, MAX_MANIFEST_BYTES } from '../../core/limits.ts';
import type { Defect } from '../../format/defect.ts';
import { readJson, readValue } from '../../format/document.ts';
import { digestOfLock, editedLockKind, type Lock, lockKind, sealLock } from '../../format/lock.ts';
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

/** A manifest that was checked, and what it leaves open. */
export interface CheckedManifest extends ManifestFile {
  /** Refuses it for defects that were found later, each with its line. @throws StowageError `manifest-invalid` */
  readonly refuseFor: (further: readonly Defect[]) => void;
  /** The services with `health`, but without `startupSeconds`. */
  readonly unstatedStartup: ReadonlySet<string>;
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
 * Reads a manifest and checks everything about it that can be checked offline without reading its sources: the start of
 * `stowage check` and `stowage lock`. Warns of ports that do not fit together. Other commands compare the manifest with its lock instead.
 * @throws StowageError `manifest-invalid`, each defect with its line and column
 */
export async function checkManifest(
  file: string | undefined,
  context: CommandContext,
): Promise<CheckedManifest> {
  const path = context.path(file ?? DEFAULT_MANIFEST);
  const folder = dirname(path);
  const bytes = await readNamed(path, MAX_MANIFEST_BYTES);
  const { value, ...reading } = parseYaml(manifestKind, bytes, file ?? DEFAULT_MANIFEST);
  const further = [...(await pathDefects(value, folder)), ...referenceDefects(value)];
  const manifest = readValue(manifestKind, value, { ...reading, further });
  for (const message of portDoubts(manifest))
    context.emit({ type: 'warning', message, hint: 'make the arguments and the ports agree' });
  const written = listOf(fieldsOf(value)['services']).filter(({ health }) => {
    return health !== undefined && fieldsOf(health)['startupSeconds'] === undefined;
  });
  const unstatedStartup = new Set(written.map(({ name }) => String(name)));
  const refuseFor = (later: readonly Defect[]): void =>
    void readValue(manifestKind, value, { ...reading, further: later });
  return { manifest, folder, lockPath: join(folder, lockName(path)), unstatedStartup, refuseFor };
}

/** Reads a lock; undefined if there is none. @throws StowageError `lock-invalid`, also if it was edited */
export async function readLock(path: string): Promise<Lock | undefined> {
  const found = await readAnyLock(path);
  if (found?.edited === true) throw editedLock(path, found.lock);
  return found?.lock;
}

/**
 * Reads the lock that a new one follows. One that was edited still gives the sequence, with a warning.
 * @returns no lock if there is none
 */
export async function readPreviousLock(
  path: string,
  { emit }: CommandContext,
): Promise<{ readonly lock?: Lock; readonly edited: boolean }> {
  const found = await readAnyLock(path);
  if (found?.edited !== true) return found ?? { edited: false };
  const { lock } = found;
  emit({
    type: 'warning',
    message: `${path} was edited; every source is resolved again, after sequence ${lock.seq}`,
    hint: 'if the last bundle has a higher sequence, give a higher one with --seq',
  });
  return { lock: sealLock(lock), edited: true };
}

/** A lock whose digest may be wrong, and nothing else. @throws StowageError `lock-invalid` */
async function readAnyLock(
  path: string,
): Promise<{ readonly lock: Lock; readonly edited: boolean } | undefined> {
  const bytes = await readIfThere(path, MAX_LOCK_BYTES);
  if (bytes === undefined) return undefined;
  try {
    return { lock: readJson(lockKind, bytes), edited: false };
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'lock-invalid') throw error;
    const lock = readEdited(bytes);
    if (lock !== undefined) return { lock, edited: true };
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

/** The lock in these bytes, which are no valid lock, if its digest alone is wrong. */
function readEdited(bytes: Buffer): Lock | undefined {
  try {
    return readJson(editedLockKind, bytes);
  } catch (error) {
    if (error instanceof StowageError) return undefined;
    throw error;
  }
}

function editedLock(path: string, lock: Lock): StowageError {
  return new StowageError('lock-invalid', `${path} was changed after stowage lock wrote it`, {
    expected: `the content with ${lock.digest}`,
    found: digestOfLock(lock),
    hint: 'restore it from version control, or run stowage lock to resolve the manifest again',
  });
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
  if (lock === undefined)
    throw new StowageError('lock-stale', 'the manifest has no lock', {
      expected: `${found.lockPath}, made from this manifest`,
      found: 'no lock',
      hint: 'run stowage lock first',
    });
  requireSameManifest(lock, found.manifest, found.lockPath);
  return { ...found, lock };
}

function lockName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return `${name.replace(/\.ya?ml$/, '')}.lock.json`;
}
