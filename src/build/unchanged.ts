import { join, resolve as resolvePath } from 'node:path';
import { valueText } from '../content/branches.ts';
import { changesBetween } from '../content/changes.ts';
import { fromLock } from '../content/items.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_TRUST_BYTES } from '../core/limits.ts';
import { oneLine, printable } from '../core/text.ts';
import type { Lock } from '../format/lock.ts';
import type { LockedFile } from '../format/locked-content.ts';
import type { Manifest } from '../format/manifest.ts';
import type { LockedObjects, RenderInputFile } from '../format/rendered-content.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { readIfThere } from '../io/file.ts';
import { type Change, changedModels } from './changed-models.ts';
import { type LocalChange, localChanges } from './local-files.ts';
import { parseChartSource } from './objects/chart-source.ts';
import { localChart } from './objects/local-chart.ts';
import { MAX_INPUT_BYTES, objectInputs } from './objects/plain-objects.ts';
import { isLocal } from './origins.ts';

/** The digest that the archive of a local chart has now; undefined for any other chart, and for one that is gone. */
export async function localChartDigest(
  name: string,
  source: string,
  { folder, store }: { readonly folder: string; readonly store: BlobStore },
): Promise<Digest | undefined> {
  const address = parseChartSource(source);
  if (address.kind !== 'local') return undefined;
  const work = join(store.root, 'incoming');
  return unlessMissing(async () =>
    digestOf(await localChart(resolvePath(folder, address.path), `chart ${name}`, work)),
  );
}

/** The files that an entry of `objects` consists of now; none if it is gone. */
export async function inputsIfThere(
  item: LockedObjects,
  folder: string,
): Promise<readonly RenderInputFile[]> {
  return (await unlessMissing(() => objectInputs(item, folder))) ?? [];
}

async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StowageError && error.code === 'file-missing') return undefined;
    throw error;
  }
}

export interface UnchangedOptions {
  readonly folder: string;
  readonly store: BlobStore;
  readonly signal: AbortSignal;
}

/**
 * Checks that a lock was made from this manifest.
 * @param path of the lock, for the message
 * @throws StowageError `lock-stale`, naming every field that changed
 */
export function requireSameManifest(lock: Lock, manifest: Manifest, path: string): void {
  const all = changesBetween(byName(lock.manifest), byName(manifest)).map((each) => ({
    field: each.path,
    expected: oneLine(valueText(each.from)),
    found: oneLine(valueText(each.to)),
  }));
  const others = all.filter(({ field }) => !field.endsWith(`.${POSITION}`));
  const fields = others.length > 0 ? others : all;
  const [first] = fields;
  if (first === undefined) return;
  const more = fields.length === 1 ? '' : `, and ${fields.length - 1} more`;
  throw new StowageError(
    'lock-stale',
    `${first.field} of the manifest changed since it was locked${more}`,
    {
      expected: `${first.expected}, as in ${path}`,
      found: first.found,
      hint: 'run stowage lock again, or restore the manifest',
      defects: fields
        .slice(0, 50)
        .map(({ field, expected, found }) => `${field}: ${expected} -> ${found}`),
    },
  );
}

/** Where an entry of a list is, counted from 1. */
const POSITION = 'position';

/** The value with each list of named entries as an object, so that their fields are compared by name. */
function byName(value: unknown): unknown {
  if (Array.isArray(value)) {
    const names = value.map((each: unknown) => nameOf(each));
    if (value.length === 0 || names.includes(undefined) || new Set(names).size < names.length)
      return value;
    const entries = value.map((each: unknown, at): [string, unknown] => [
      names[at] ?? '',
      { ...(byName(each) as object), [POSITION]: at + 1 },
    ]);
    return Object.fromEntries(entries);
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, byName(each)]));
}

function nameOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('name' in value)) return undefined;
  return typeof value.name === 'string' ? value.name : undefined;
}

/**
 * Checks that local files have not changed since the lock: files, folders, and the keys and roots that
 * publishers' signatures were verified with. A missing file that is in the store counts as unchanged.
 * @throws StowageError `lock-stale`, naming all that changed
 */
export async function requireUnchanged(lock: Lock, options: UnchangedOptions): Promise<void> {
  const changed = [
    ...(await changedModels(lock, options)),
    ...(await changedFiles(lock, options)),
    ...(await changedKeys(lock, options)),
    ...(await changedInputs(lock, options)),
  ];
  const [first] = changed;
  if (first === undefined) return;
  const more = changed.length === 1 ? '' : `, and ${changed.length - 1} more`;
  throw new StowageError('lock-stale', `${first.what} changed since it was locked${more}`, {
    expected: first.expected,
    found: first.found,
    hint: 'run stowage lock again, or restore the files',
    defects: changed.slice(0, 50).map(({ what, found }) => `${what}: ${found}`),
  });
}

async function changedFiles(lock: Lock, options: UnchangedOptions): Promise<Change[]> {
  const changed: Change[] = [];
  for (const file of lock.files.filter(isLocal)) {
    // If the store does not have it, a pull reads it from there and compares it.
    if ((await options.store.size(file.digest)) !== file.size) continue;
    for (const { path, expected, found } of await changesIfThere(file, options)) {
      const source = path === '' ? file.source : `${file.source.replace(/\/+$/, '')}/${path}`;
      changed.push({ what: `${printable(source)} of ${file.name}`, expected, found });
    }
  }
  return changed;
}

async function changedKeys(lock: Lock, { folder }: UnchangedOptions): Promise<Change[]> {
  const changed: Change[] = [];
  for (const { name, signature } of fromLock(lock, (_, item) => [item])) {
    for (const { path, digest } of signature?.trusted ?? []) {
      const bytes = await readIfThere(resolvePath(folder, path), MAX_TRUST_BYTES);
      const found = bytes && digestOf(bytes);
      if (found !== undefined && found !== digest)
        changed.push({
          what: `${path}, which ${name} was verified with,`,
          expected: digest,
          found,
        });
    }
  }
  return changed;
}

/** Charts and files that objects were rendered from. */
async function changedInputs(
  { charts = [], objects = [] }: Lock,
  { folder, store }: UnchangedOptions,
): Promise<Change[]> {
  const changed: Change[] = [];
  for (const { name, source, archive } of charts) {
    const found = await localChartDigest(name, source, { folder, store });
    if (found !== undefined && found !== archive.digest)
      changed.push({ what: `${printable(source)} of ${name}`, expected: archive.digest, found });
  }
  const items = [
    ...charts.map((each) => ({ ...each, now: each.inputs ?? [] })),
    ...(await Promise.all(
      objects.map(async (each) => ({ ...each, now: await inputsIfThere(each, folder) })),
    )),
  ];
  for (const { name, inputs = [], now } of items) {
    const before = new Map(inputs.map(({ path, digest }) => [path, digest]));
    for (const path of new Set([...before.keys(), ...now.map((each) => each.path)])) {
      const expected = before.get(path) ?? 'no such file';
      const bytes = await readIfThere(resolvePath(folder, path), MAX_INPUT_BYTES);
      const found = bytes && digestOf(bytes);
      if (found !== undefined && found !== expected)
        changed.push({ what: `${printable(path)} of ${name}`, expected, found });
    }
  }
  return changed;
}

async function changesIfThere(
  file: LockedFile,
  { folder, store, signal }: UnchangedOptions,
): Promise<LocalChange[]> {
  try {
    return await localChanges(store, resolvePath(folder, file.source), file, signal);
  } catch (error) {
    if (error instanceof StowageError && error.code === 'file-missing') return [];
    throw error;
  }
}
