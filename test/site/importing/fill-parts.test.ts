import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeStream } from '../../../src/bundle/stream/write-stream.ts';
import { openBundle } from '../../../src/cli/commands/open-bundle.ts';
import { commonTo, holdingsOf, incrementOf } from '../../../src/content/increment.ts';
import { MIB } from '../../../src/core/limits.ts';
import { allParts, type Bundle } from '../../../src/format/bundle.ts';
import { writeDisc } from '../../../src/io/discs/write-discs.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import {
  type Imported,
  type ImportOptions,
  importMedia,
} from '../../../src/site/importing/import.ts';
import { holdersOfMissing, repairListOf } from '../../../src/site/importing/partial-import.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { pattern, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { pipe } from '../../support/streamed.ts';

const scratch = scratchFolder(true);
const PART = 4 * MIB;
/** Weights of these parts; one that is named the same has the same bytes. */
const weightsOfParts = (parts: string): Buffer =>
  Buffer.concat([...[...parts].map((each) => pattern(PART, each)), pattern(1000, 'tail')]);

let base: SmallBundle;
let other: SmallBundle;
let next: SmallBundle;
/** The folder of the increment for a site that stores the first. */
let increment: string;

beforeAll(async () => {
  const made = (version: string, seq: number, parts: string): Promise<SmallBundle> =>
    smallBundle({
      ...{ place: scratch.fresh(), version, seq, partSize: PART },
      weightsBytes: weightsOfParts(parts),
      ...(base === undefined ? {} : { authority: base.authority }),
    });
  base = await made('1.0.0', 1, 'abcd');
  other = await made('1.0.1', 2, 'zcy');
  // One part changed, one moved, one twice, one went.
  next = await made('2.0.0', 3, 'aXcbc');
  increment = scratch.fresh('increment');
  const opened = await openBundle(next.folder);
  const parts = allParts(next.bundle).filter(({ path }) => !leftOut().has(path));
  await writeDisc({ ...opened, move: false, omitted: leftOut() }, parts, increment, context());
});

/** What stays behind for a site that stores the first. */
function leftOut(bundles: readonly Bundle[] = [base.bundle]): ReadonlySet<string> {
  const site = { site: 'vault', platform: 'linux/amd64', unknown: [], ...holdingsOf(bundles) };
  return incrementOf(next.bundle, commonTo([site])).omitted;
}

const partsOf = ({ bundle }: SmallBundle): Bundle['blobs'][number] => {
  const digest = bundle.models[0]?.files[0]?.digest;
  const blob = bundle.blobs.find((each) => each.digest === digest);
  if (blob === undefined) throw new Error('no weights');
  return blob;
};

const options = (site: SiteFolder, warnings: string[] = []): ImportOptions => ({
  ...context({
    emit: (event) => {
      if (event.type === 'warning') warnings.push(event.message);
    },
  }),
  ...{ site, target: fakeTarget(), trust: base.trust },
});

async function take(
  site: SiteFolder,
  from: readonly string[] | Buffer,
  warnings: string[] = [],
): Promise<Imported> {
  const opened = options(site, warnings);
  const places = Buffer.isBuffer(from) ? pipe(from) : from;
  return withSite(opened, (ledger) => importMedia(places, ledger, opened));
}

async function siteWith(...bundles: readonly SmallBundle[]): Promise<SiteFolder> {
  const site = new SiteFolder(scratch.fresh('site'));
  for (const { folder } of bundles) await take(site, [folder]);
  return site;
}

const stored = (site: SiteFolder, bundle: SmallBundle): string =>
  site.store.path(partsOf(bundle).digest);

function expectWhole(site: SiteFolder, imported: Imported): void {
  expect(imported.partial).toBeUndefined();
  expect(readFileSync(stored(site, next)).equals(weightsOfParts('aXcbc'))).toBe(true);
  expect(readdirSync(site.path('staging'))).toEqual([]);
}

async function streamed(omitted: ReadonlySet<string>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const keep = async (bytes: Uint8Array): Promise<void> => void chunks.push(Buffer.from(bytes));
  await writeStream({ ...(await openBundle(next.folder)), omitted }, keep, context());
  return Buffer.concat(chunks);
}

describe('when the files of a model changed in part', () => {
  it('carries only the parts that the site has in no file', () => {
    const [, changed] = partsOf(next).parts;
    const travelling = partsOf(next).parts.filter(({ path }) => !leftOut().has(path));
    expect(travelling).toEqual([changed]);
  });

  it('fills the rest from another file in the store, in any order', async () => {
    const site = await siteWith(base);
    const warnings: string[] = [];
    expectWhole(site, await take(site, [increment], warnings));
    expect(warnings).toEqual([]);
    expectWhole(site, await take(site, [increment]));
  });

  it('fills a stream too, which says nothing of what it left out', async () => {
    const site = await siteWith(base);
    const warnings: string[] = [];
    expectWhole(site, await take(site, await streamed(leftOut()), warnings));
    expect(warnings).toEqual([]);
  });

  it.each<[string, (path: string) => void]>([
    ['rotted', (path) => flipBit(path, 2 * PART + 7)],
    ['was cut short', (path) => truncateSync(path, 2 * PART)],
    ['is gone', (path) => rmSync(path)],
    ['is a folder of other bytes', (path) => writeFileSync(path, Buffer.alloc(4 * PART + 1000))],
  ])('names what is missing with the release that had it if its file %s', async (_, damage) => {
    const site = await siteWith(base);
    damage(stored(site, base));
    const { partial } = await take(site, [increment]);
    if (partial === undefined) throw new Error('complete');
    const offsets = partial.missing.map(({ offset }) => offset / PART);
    expect(offsets).toContain(2);
    expect(await holdersOfMissing(site, partial)).toEqual(['chat 1.0.0']);
    const { parts } = await repairListOf(site, partial);
    expect(parts.map(({ alsoIn }) => alsoIn)).toEqual(offsets.map(() => ['chat 1.0.0']));
    // The first release again heals the store.
    await take(site, [base.folder]);
    expectWhole(site, await take(site, [increment]));
  });

  it('tries the next file that has the part', async () => {
    const site = await siteWith(base, other);
    const damaged: string[] = [];
    for (const each of [other, base]) {
      flipBit(stored(site, each), each === other ? PART + 9 : 9);
      damaged.push(stored(site, each));
    }
    const warnings: string[] = [];
    const { partial } = await take(site, [increment], warnings);
    // The part `c` of the newer one is damaged, and that of the first is not; `a` is damaged in the only one.
    expect(partial?.missing.map(({ offset }) => offset / PART)).toEqual([0]);
    for (const path of damaged)
      expect(
        warnings.some((each) => each.includes(path)),
        path,
      ).toBe(true);
  });

  it('is incomplete on another base, and completed by discs of the whole', async () => {
    const site = await siteWith(other);
    const { partial } = await take(site, [increment]);
    expect(partial?.missing.map(({ offset }) => offset / PART)).toEqual([0, 3]);
    expect(await holdersOfMissing(site, partial as never)).toEqual([]);
    expectWhole(site, await take(site, [next.folder]));
  });

  it('completes discs of the whole', async () => {
    const site = await siteWith(base);
    const disc = scratch.fresh('disc');
    const opened = await openBundle(next.folder);
    const all = allParts(next.bundle);
    const [first] = partsOf(next).parts;
    await writeDisc(
      { ...opened, move: false },
      all.filter((each) => each === first),
      disc,
      context(),
    );
    const { partial } = await take(site, [disc]);
    expect(partial?.missing.some(({ path }) => path === partsOf(next).parts[1]?.path)).toBe(true);
    expectWhole(site, await take(site, [increment]));
  });

  it('believes no index that changed at the site', async () => {
    const site = await siteWith(base);
    const [name = ''] = readdirSync(site.path('releases'));
    const path = join(site.path('releases', name), 'bundle.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"seq":1', '"seq":7'));
    const { partial } = await take(site, [increment]);
    expect(partial?.missing.map(({ offset }) => offset / PART)).toEqual([0, 2, 3, 4, 5]);
  });

  it('copies a part that is damaged on the media from the store', async () => {
    const site = await siteWith(base);
    const damaged = scratch.copy(next.folder);
    flipBit(join(damaged, partsOf(next).parts[3]?.path ?? ''), 77);
    const warnings: string[] = [];
    expectWhole(site, await take(site, [damaged], warnings));
    expect(warnings.join('\n')).toContain('copied from this site');
  });
});
