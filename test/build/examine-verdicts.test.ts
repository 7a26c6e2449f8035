import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { examinePulled } from '../../src/build/examine.ts';
import type { Sources } from '../../src/build/origins.ts';
import { pull } from '../../src/build/pull.ts';
import { resolve } from '../../src/build/resolve.ts';
import type { StowageEvent } from '../../src/core/context.ts';
import { RULES_VERSION } from '../../src/examine/verdict.ts';
import { checkDocument } from '../../src/format/document.ts';
import type { Lock } from '../../src/format/lock.ts';
import type { LockedFile } from '../../src/format/locked-content.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { contextOf } from './samples.ts';

const KIB = 1024;
const scratch = scratchFolder();

interface Place {
  readonly store: BlobStore;
  readonly lock: Lock;
  readonly file: LockedFile;
  readonly options: ReturnType<typeof contextOf> & {
    readonly folder: string;
    readonly store: BlobStore;
    readonly sources: Sources;
  };
  /** The names of the verdicts in the store. */
  verdicts(): string[];
}

/** A lock of one local file. */
async function locked(bytes: number, emit?: (event: StowageEvent) => void): Promise<Place> {
  const folder = scratch.fresh('manifest');
  mkdirSync(folder);
  writeFileSync(join(folder, 'notes.dat'), Buffer.alloc(bytes, 'harmless '));
  const store = new BlobStore(scratch.fresh('store'));
  const manifest = checkDocument(manifestKind, {
    apiVersion: 'stowage/v1',
    name: 'chat',
    version: '1.0.0',
    files: [{ name: 'notes', source: './notes.dat' }],
  });
  const options = { ...contextOf(undefined, emit), folder, store, sources: {} as Sources };
  const lock = await resolve(manifest, options);
  const [file] = lock.files as readonly [LockedFile];
  const verdicts = (): string[] =>
    readdirSync(store.root, { recursive: true, encoding: 'utf8' })
      .map((name) => basename(name))
      .filter((name) => /^[0-9a-f]{64}\.\d/.test(name));
  return { store, lock, file, options, verdicts };
}

/** Replaces the recorded verdict with one that no examination would return. */
async function forge({ store, file, verdicts }: Place): Promise<void> {
  const [name = ''] = verdicts().map((each) => each.slice(65, -5));
  const reports = [{ rule: 'opaque-weights', detail: 'forged' }];
  await store.noteFact(file, name, { reports, unsearched: false });
}

describe('when a digest was examined before', () => {
  it('is not examined again, under the same version of the rules', async () => {
    const place = await locked(300 * KIB);
    expect(place.verdicts()).toHaveLength(1);
    await pull(place.lock, place.options);
    await forge(place);
    const error = await expectCode(() => pull(place.lock, place.options), 'lock-stale');
    expect(error.defects.join()).toContain('forged');
  });

  it('reports the whole file as done', async () => {
    const events: StowageEvent[] = [];
    const place = await locked(300 * KIB);
    await examinePulled(place.lock, { ...place.options, emit: (event) => events.push(event) });
    expect(events.at(-1)).toMatchObject({ done: 300 * KIB });
  });

  it('is examined again under another version of the rules', async () => {
    const place = await locked(300 * KIB);
    await forge(place);
    await examinePulled(place.lock, { ...place.options, rules: RULES_VERSION + 1 });
    expect(place.verdicts()).toHaveLength(2);
  });

  it.each<[string, (place: Place, blob: string, verdict: string) => void]>([
    ['its file changed since', (_, blob) => chmodSync(blob, 0o440)],
    [
      'nothing says that it was verified',
      ({ store, file }) => rmSync(join(store.root, 'sums', `${file.digest.slice(7)}.json`)),
    ],
    ['the record is damaged', (_, __, verdict) => writeFileSync(verdict, 'x')],
    [
      'the record was edited',
      (_, __, verdict) =>
        writeFileSync(verdict, readFileSync(verdict, 'utf8').replace('forged', 'edited')),
    ],
  ])('is examined again if %s', async (_, change) => {
    const place = await locked(300 * KIB);
    await forge(place);
    const { store, file, verdicts } = place;
    change(place, store.path(file.digest), join(store.root, 'sums', verdicts()[0] ?? ''));
    await examinePulled(place.lock, place.options);
  });

  it('is examined each time if it is small', async () => {
    const place = await locked(256 * KIB);
    expect(place.verdicts()).toEqual([]);
    await examinePulled(place.lock, place.options);
  });

  it('is forgotten with its blob', async () => {
    const { store, file, verdicts } = await locked(300 * KIB);
    await store.forget(file.digest);
    expect(verdicts()).toEqual([]);
  });
});
