import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/build/assemble.ts';
import type { Common } from '../../src/content/increment.ts';
import { type Digest, digestHex, digestOf, type Sri } from '../../src/core/digest.ts';
import { canonicalBytes, type Json } from '../../src/core/json.ts';
import { MIB } from '../../src/core/limits.ts';
import { bundleFiles, bundleKind } from '../../src/format/bundle.ts';
import { readChecksums } from '../../src/format/checksums.ts';
import { readCanonical } from '../../src/format/document.ts';
import { lockKind } from '../../src/format/lock.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { listMedia } from '../../src/io/media.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';
import { smallDisk } from '../support/small-disk.ts';
import { contextOf, type Sample, sampleOf, storeOf } from './samples.ts';

const root = temporaryFolder();
let places = 0;
const fresh = (): string => join(root, String(places++));
const WEIGHTS = 9 * MIB + 5;
const large = sampleOf(WEIGHTS);
const weights = weightsOf(large);
/** For failures, where size does not matter. */
const small = sampleOf(MIB + 5);
const PART = MIB / 4;

function weightsOf({ blobs }: Sample): Digest {
  return digestOf(blobs['weights'] ?? Buffer.alloc(0));
}

/** A new store with the blobs of a sample, copied from a store that received them. */
async function storeWith(sample: Sample, withSums = true): Promise<BlobStore> {
  const templates = withSums ? received : put;
  const template = templates.get(sample) ?? (await storeOf(fresh(), sample.blobs, withSums));
  templates.set(sample, template);
  const place = fresh();
  await cp(template.root, place, { recursive: true });
  return new BlobStore(place);
}
const received = new Map<Sample, BlobStore>();
const put = new Map<Sample, BlobStore>();

/** A folder for one output, and a check that it contains nothing else. */
async function outputFolder(): Promise<{ folder: string; output: string }> {
  const folder = fresh();
  await mkdir(folder);
  return { folder, output: join(folder, 'chat-1.4.0') };
}

const packLarge = (
  store: BlobStore,
  output: string,
  partSize = 4 * MIB,
): ReturnType<typeof assemble> => assemble(large.lock, { store, output, partSize, ...contextOf() });
const packSmall = (
  store: BlobStore,
  output: string,
  partSize = PART,
): ReturnType<typeof assemble> => assemble(small.lock, { store, output, partSize, ...contextOf() });

/** Sites that have these parts of other files. */
const sitesWith = (held: ReadonlySet<Sri | undefined>): Common => ({
  hasBlob: () => false,
  hasPart: (sum) => held.has(sum),
  hasParts: true,
  needsInstaller: () => true,
});

describe('when a lock is assembled', () => {
  it.each([
    ['parts of 4 MiB', 4 * MIB, 3],
    ['parts of 8 MiB', 8 * MIB, 2],
    ['parts as large as the blob', WEIGHTS, 1],
    ['whole blobs', 0, 1],
  ])('writes %s that join to the blob and verify with sha512sum', async (_, partSize, count) => {
    const { folder, output } = await outputFolder();
    const store = await storeWith(large);
    const { bundle, id } = await packLarge(store, output, partSize);
    expect(await readdir(folder)).toEqual(['chat-1.4.0']);
    const check = ['--check', '--strict', '--quiet', 'SHA512SUMS'];
    execFileSync('sha512sum', check, { cwd: output, stdio: 'pipe' });
    const checksums = await readFile(join(output, 'SHA512SUMS'));
    expect(id).toBe(createHash('sha512').update(checksums).digest('hex'));
    const listed = readChecksums(checksums).map(({ path }) => path);
    const files = (await listMedia(output)).filter(({ kind }) => kind !== 'folder');
    const found = files.map(({ path }) => path).sort();
    expect(found).toEqual([...listed, 'SHA512SUMS'].sort());
    expect(
      bundleFiles(bundle)
        .map(({ path }) => path)
        .sort(),
    ).toEqual(listed.filter((path) => path !== 'bundle.json'));
    const split = bundle.blobs.find(({ digest }) => digest === weights);
    expect(split?.parts).toHaveLength(count);
    for (const blob of bundle.blobs) {
      const parts = blob.parts.map(({ path }) => readFile(join(output, path)));
      expect(digestOf(Buffer.concat(await Promise.all(parts)))).toBe(blob.digest);
    }
    expect(readCanonical(bundleKind, await readFile(join(output, 'bundle.json')))).toEqual(bundle);
  });

  it('gives the same bytes from another store, at another time, with and without recorded checksums', async () => {
    const trees: Record<string, string>[] = [];
    for (const withSums of [true, false]) {
      const store = await storeWith(large, withSums);
      // As pulled, with the checksums that packing recorded, and with manipulated records.
      for (const before of [
        async () => {},
        async () => {},
        () => chmod(store.path(weights), 0o400),
      ]) {
        await before();
        const { output } = await outputFolder();
        await packLarge(store, output);
        trees.push(await contents(output));
        const noted = await store.noted({ digest: weights, size: WEIGHTS });
        expect(noted?.untouched).toBe(true);
      }
    }
    expect(Object.keys(trees[0] ?? {}).length).toBeGreaterThan(15);
    for (const tree of trees) expect(tree).toEqual(trees[0]);
  });

  it.each<[string, boolean, { parity?: number }]>([
    ['with recorded checksums', true, {}],
    ['without recorded checksums', false, {}],
    ['with recovery parts', true, { parity: 1 }],
    ['with recovery parts, without recorded checksums', false, { parity: 1 }],
  ])(
    'leaves out parts that sites have in another file, with the same list: %s',
    async (_, withSums, more) => {
      const pack = async (receivers?: Common): ReturnType<typeof assemble> =>
        assemble(large.lock, {
          ...{ store: await storeWith(large, withSums), output: (await outputFolder()).output },
          ...{ partSize: 4 * MIB, ...more, ...contextOf(), ...(receivers && { receivers }) },
        });
      const whole = await pack();
      const [first, second, third] =
        whole.bundle.blobs.find(({ digest }) => digest === weights)?.parts ?? [];
      const held = new Set([first?.sha512, third?.sha512]);
      const increment = await pack(sitesWith(held));
      expect(increment.id).toBe(whole.id);
      expect(increment.omitted).toEqual(new Set([first?.path, third?.path]));
      const all = await contents(whole.folder);
      for (const path of increment.omitted) delete all[path];
      expect(await contents(increment.folder)).toEqual(all);
      expect(Object.keys(all)).toContain(second?.path);
    },
  );

  it.for([
    ['with recorded checksums', true],
    ['without recorded checksums', false],
  ] as const)(
    'needs space only for the parts that are written: %s',
    async ([_, withSums], test) => {
      const pack = async (output: string, receivers?: Common): ReturnType<typeof assemble> =>
        assemble(large.lock, {
          ...{ store: await storeWith(large, withSums), output, partSize: 4 * MIB },
          ...{ ...contextOf(), ...(receivers && { receivers }) },
        });
      const [first, , third] =
        (await pack((await outputFolder()).output)).bundle.blobs.find(
          ({ digest }) => digest === weights,
        )?.parts ?? [];
      const held = sitesWith(new Set([first?.sha512, third?.sha512]));
      const [disk, full] = [fresh(), fresh()];
      smallDisk(test, disk, '7m');
      smallDisk(test, full, '3m');
      await pack(join(disk, 'increment'), held);
      await expectCode(() => pack(join(disk, 'whole')), 'space-insufficient');
      const { expected } = await expectCode(
        () => pack(join(full, 'no'), held),
        'space-insufficient',
      );
      expect(expected).toMatch(/^4\.\d MiB \(4\d{6} bytes\) free$/);
      expect(await readdir(full)).toEqual([]);
    },
  );

  it('gives the same id for a lock whose members are in a different order', async () => {
    const turned = JSON.parse(JSON.stringify(large.lock), (_, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toReversed())
        : value,
    ) as typeof large.lock;
    const store = await storeWith(large);
    const first = await packLarge(store, (await outputFolder()).output);
    const { output } = await outputFolder();
    const second = await assemble(turned, { store, output, partSize: 4 * MIB, ...contextOf() });
    expect(second.id).toBe(first.id);
  });

  it('contains the lock, an OCI layout, and a tag for every image, model and file', async () => {
    const { output } = await outputFolder();
    const { bundle } = await packLarge(await storeWith(large), output);
    const lock = await readFile(join(output, 'attestations/lock.json'));
    expect(lock.equals(canonicalBytes(large.lock as unknown as Json))).toBe(true);
    expect(readCanonical(lockKind, lock)).toEqual(large.lock);
    expect(await readFile(join(output, 'oci-layout'), 'utf8')).toBe(
      '{"imageLayoutVersion":"1.0.0"}',
    );
    const index = JSON.parse(await readFile(join(output, 'index.json'), 'utf8')) as {
      manifests: { digest: string; size: number; annotations: Record<string, string> }[];
    };
    const tags = index.manifests.map(
      (each) => each.annotations['org.opencontainers.image.ref.name'],
    );
    expect(tags).toEqual(['server', 'tiny', 'settings', 'note']);
    for (const { digest, size } of index.manifests)
      expect(bundle.blobs.find((blob) => blob.digest === digest)?.size).toBe(size);
  });

  it('reports progress up to the total', async () => {
    const { output } = await outputFolder();
    const store = await storeWith(large);
    let last: unknown;
    await assemble(large.lock, {
      store,
      output,
      partSize: 4 * MIB,
      ...contextOf(undefined, (event) => {
        if (event.type === 'progress') last = event;
      }),
    });
    expect(last).toMatchObject({ task: 'pack', unit: 'bytes' });
    const { done, total } = last as { done: number; total: number };
    expect(done).toBe(total);
    expect(total).toBeGreaterThan(WEIGHTS);
  });
});

describe('when a bundle cannot be assembled', () => {
  const damage: Readonly<Record<string, (path: string) => Promise<void>>> = {
    'one byte differs': async (path) => {
      const bytes = await readFile(path);
      bytes[MIB / 2] = 0;
      await rewrite(path, bytes);
    },
    'it was cut': (path) => truncate(path, 100),
    'it grew': (path) => writeFile(path, 'x', { flag: 'a' }),
    'a folder lies there': async (path) => {
      await rm(path);
      await mkdir(path);
    },
  };
  const rewrite = async (path: string, bytes: Buffer): Promise<void> => {
    await chmod(path, 0o644);
    await writeFile(path, bytes);
  };

  const places = [true, false].flatMap((sums) =>
    [PART, 0, 1024 * MIB].map((size) => [sums, size] as const),
  );
  const rows = Object.keys(damage).flatMap((what, index) =>
    (index === 0 ? places : places.slice(index - 1, index + 2)).map(
      ([sums, size]) => [what, sums, size] as const,
    ),
  );
  it.each(rows)(
    'detects a stored blob of which %s (checksums recorded: %s, parts of %i)',
    async (what, sums, partSize) => {
      const { folder, output } = await outputFolder();
      const store = await storeWith(small, sums);
      await damage[what]?.(store.path(weightsOf(small)));
      const error = await expectCode(() => packSmall(store, output, partSize), 'blob-damaged');
      expect(error.message).toContain(digestHex(weightsOf(small)));
      expect(await readdir(folder)).toEqual([]);
    },
  );

  it('does not trust forged checksum records', async () => {
    const { output } = await outputFolder();
    const store = await storeWith(small);
    const note = join(store.root, 'sums', `${digestHex(weightsOf(small))}.json`);
    const forged = (await readFile(note, 'utf8')).replace('sha512-', 'sha512-x');
    await writeFile(note, forged);
    const { bundle } = await packSmall(store, output, 0);
    const honest = await packSmall(await storeWith(small), (await outputFolder()).output, 0);
    expect(bundle).toEqual(honest.bundle);
  });

  it('detects a byte that the disk flipped without a new modification time', async () => {
    const { folder, output } = await outputFolder();
    const store = await storeWith(small);
    const blob = { digest: weightsOf(small), size: MIB + 5 };
    const noted = await store.noted(blob);
    await damage['one byte differs']?.(store.path(blob.digest));
    // As if the file system had not noticed: the record matches the current state of the file.
    if (noted !== undefined) await store.note(blob, noted.sums);
    expect((await store.noted(blob))?.untouched).toBe(true);
    await expectCode(() => packSmall(store, output, noted?.sums.partSize), 'blob-damaged');
    expect(await readdir(folder)).toEqual([]);
  });

  it('leaves nothing when a blob is missing', async () => {
    const { folder, output } = await outputFolder();
    const store = await storeWith(small);
    await rm(store.path(weightsOf(small)));
    await expectCode(() => packSmall(store, output), 'file-missing');
    expect(await readdir(folder)).toEqual([]);
  });

  it.each(['folder', 'file'])('leaves a %s alone that has its name', async (kind) => {
    const { folder, output } = await outputFolder();
    if (kind === 'file') await writeFile(output, 'mine');
    else await mkdir(output);
    const store = await storeWith(small);
    await expectCode(() => packSmall(store, output), 'output-exists');
    expect(await readdir(folder)).toEqual(['chat-1.4.0']);
    if (kind === 'file') expect(await readFile(output, 'utf8')).toBe('mine');
  });

  it.each(['before it begins', 'in the middle'])(
    'leaves nothing when interrupted %s',
    async (when) => {
      const { folder, output } = await outputFolder();
      const store = await storeWith(small);
      const stop = new AbortController();
      if (when === 'before it begins') stop.abort();
      const context = contextOf(stop.signal, (event) => {
        if (event.type === 'progress') stop.abort();
      });
      const run = (): Promise<unknown> =>
        assemble(small.lock, { store, output, partSize: PART, ...context });
      await expectCode(run, 'interrupted');
      expect(await readdir(folder)).toEqual([]);
    },
  );

  it('succeeds despite the leftovers of a killed run', async () => {
    const { folder, output } = await outputFolder();
    await mkdir(join(folder, '.chat-1.4.0.packing', 'blobs'), { recursive: true });
    await writeFile(join(folder, '.chat-1.4.0.packing', 'blobs', 'x'), 'half');
    await packSmall(await storeWith(small), output);
    expect(await readdir(folder)).toEqual(['chat-1.4.0']);
  });

  it.for([
    ['when it is asked', '512k'],
    ['while it is filled', '3m'],
  ] as const)(
    'leaves nothing when the disk has too little space %s',
    async ([when, size], test) => {
      const { folder, output } = await outputFolder();
      smallDisk(test, folder, size);
      const store = await storeWith(small);
      const fill = contextOf(undefined, (event) => {
        if (when === 'while it is filled' && event.type === 'step')
          spawnSync('dd', ['if=/dev/zero', `of=${join(folder, 'other')}`, 'bs=64k', 'count=100']);
      });
      const run = (): Promise<unknown> =>
        assemble(small.lock, { store, output, partSize: PART, ...fill });
      await expectCode(run, 'space-insufficient');
      expect((await readdir(folder)).filter((name) => name !== 'other')).toEqual([]);
    },
  );
});
