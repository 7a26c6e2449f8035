import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { hopsBeside, readHops } from '../../../src/bundle/hops.ts';
import { commonTo, incrementOf } from '../../../src/content/increment.ts';
import { MIB } from '../../../src/core/limits.ts';
import { namesIn } from '../../../src/io/file.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { type Exported, exportBundle } from '../../../src/site/exporting/export-bundle.ts';
import { type Imported, importMedia } from '../../../src/site/importing/import.ts';
import { releaseFolder } from '../../../src/site/release/release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
let first: SmallBundle;
let second: SmallBundle;

beforeAll(async () => {
  const shape = { partSize: 4 * MIB, weights: 9 * MIB, weightsOf: 'both', installer: true };
  first = await smallBundle({ ...shape, place: scratch.fresh(), parity: 1 });
  const { authority } = first;
  second = await smallBundle({
    ...{ ...shape, place: scratch.fresh(), authority, version: '2.0.0', seq: 2 },
  });
});

function take(site: SiteFolder, folder: string): Promise<Imported> {
  const opened = { ...context(), site, target: fakeTarget(), trust: first.trust };
  return withSite(opened, (ledger) => importMedia([folder], ledger, opened));
}

async function siteWith(...folders: readonly string[]): Promise<SiteFolder> {
  const site = new SiteFolder(scratch.fresh('site'));
  for (const folder of folders) await take(site, folder);
  return site;
}

async function pass(
  site: SiteFolder,
  { id, bundle }: SmallBundle,
  omitted?: ReadonlySet<string>,
): Promise<Exported & { readonly folder: string }> {
  const output = join(scratch.fresh('out'), 'chat');
  const leftOut = omitted === undefined ? {} : { leftOut: { omitted, sites: ['next'] } };
  const options = { ...context(), site, output, ...leftOut };
  return { ...(await exportBundle({ id, bundle }, options)), folder: output };
}

/** `sha512sum --check` and nothing else. */
const checkByHand = (folder: string, ...options: readonly string[]): string =>
  execFileSync('sha512sum', ['--check', '--quiet', '--strict', ...options, 'SHA512SUMS'], {
    cwd: folder,
    encoding: 'utf8',
  });

describe('when a site exports a release', () => {
  it('writes the same bytes, recovery parts, installers and signatures among them', async () => {
    const { folder, absent } = await pass(await siteWith(first.folder), first);
    expect(absent).toEqual([]);
    execFileSync('diff', ['-r', first.folder, folder]);
    expect(checkByHand(folder)).toBe('');
  });

  it('reaches a third network over two hops, which the third can list', async () => {
    const hub = await siteWith(first.folder);
    const one = await pass(hub, first);
    const middle = await siteWith(one.folder);
    const two = await pass(middle, first);
    execFileSync('diff', ['-r', first.folder, two.folder]);
    const third = await siteWith(two.folder);
    expect(await namesIn(third.path('staging'))).toEqual([]);
    const { hops, fault } = await readHops(hopsBeside(two.folder), first.id);
    expect(fault).toBeUndefined();
    expect(hops.map(({ hop }) => hop.omitted)).toEqual([0, 0]);
    expect(new Set(hops.map(({ fingerprint }) => fingerprint)).size).toBe(2);
    expect(await namesIn(third.path('hops', first.id.slice(0, 32)))).toEqual([
      ...['0001.json', '0001.p7s', '0002.json', '0002.p7s'],
    ]);
  });

  it('writes discs that each site takes, and that hold what was signed', async () => {
    const hub = await siteWith(first.folder);
    const output = join(scratch.fresh('discs'), 'chat');
    const options = { ...context(), site: hub, output, discSize: 9 * MIB };
    const { discs } = await exportBundle(first, options);
    expect(discs.length).toBeGreaterThan(1);
    for (const disc of discs) expect(checkByHand(disc, '--ignore-missing')).toBe('');
    const partsIn = (folder: string): string[] =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
        /^(?:blobs\/sha256|parity)\/./.test(path),
      );
    expect(discs.flatMap(partsIn).toSorted()).toEqual(partsIn(first.folder).toSorted());
    const next = await siteWith(output);
    expect(await namesIn(next.path('hops', first.id.slice(0, 32)))).toHaveLength(2);
    expect(readdirSync(join(output, '..')).toSorted()).toEqual(['chat', 'chat.hops']);
  });

  it('refuses discs that are too small before it writes anything', async () => {
    const hub = await siteWith(first.folder);
    const output = join(scratch.fresh('discs'), 'chat');
    const options = { ...context(), site: hub, output, discSize: 4 * MIB };
    await expectCode(() => exportBundle(first, options), 'disc-too-small');
    expect(existsSync(join(output, '..'))).toBe(false);
  });

  it('leaves out what the next site stores, and says for whom', async () => {
    const hub = await siteWith(first.folder, second.folder);
    const blobs = new Set(first.bundle.blobs.map(({ digest }) => digest));
    const installers = new Set(first.bundle.installers?.map(({ sha512 }) => sha512));
    const parts = new Set<never>();
    const next = { site: 'next', platform: 'linux/amd64', unknown: [] };
    const receiver = { ...next, blobs, parts, installers };
    const { omitted } = incrementOf(second.bundle, commonTo([receiver]));
    const { folder, hop, bytes } = await pass(hub, second, omitted);
    expect(bytes).toBeLessThan(MIB);
    expect(hop).toMatchObject({ for: ['next'], omitted: omitted.size });
    expect(readFileSync(join(folder, 'SHA512SUMS'))).toEqual(
      readFileSync(join(second.folder, 'SHA512SUMS')),
    );
    expect(checkByHand(folder, '--ignore-missing')).toBe('');
    expect((await take(await siteWith(first.folder), folder)).partial).toBeUndefined();
    // At another site it is incomplete, and says so.
    expect((await take(await siteWith(), folder)).partial?.missing.length).toBeGreaterThan(0);
  });

  it.each([
    ['a blob rotted', (site: SiteFolder) => flipBit(weights(site), 5 * MIB), 'blob-damaged'],
    ['a blob was cut', (site: SiteFolder) => truncateSync(weights(site), MIB), 'bundle-incomplete'],
    ['a blob is gone', (site: SiteFolder) => rmSync(weights(site)), 'bundle-incomplete'],
    [
      'a control file was changed',
      (site: SiteFolder) => flipBit(join(releaseFolder(site, first.id), 'VERIFY.txt'), 3),
      'blob-damaged',
    ],
    [
      'a control file is gone',
      (site: SiteFolder) => rmSync(join(releaseFolder(site, first.id), 'VERIFY.txt')),
      'bundle-incomplete',
    ],
    [
      'the list was changed',
      (site: SiteFolder) => flipBit(join(releaseFolder(site, first.id), 'SHA512SUMS'), 3),
      'blob-damaged',
    ],
  ] as const)('refuses and leaves nothing if %s', async (_, change, code) => {
    const site = await siteWith(first.folder);
    change(site);
    const place = scratch.fresh('out');
    const options = { ...context(), site, output: join(place, 'chat') };
    await expectCode(() => exportBundle(first, options), code);
    expect(await namesIn(place)).toEqual([]);
  });

  it('overwrites nothing', async () => {
    const site = await siteWith(first.folder);
    const output = scratch.fresh('out');
    writeFileSync(`${output}.hops`, '');
    await expectCode(() => exportBundle(first, { ...context(), site, output }), 'output-exists');
  });
});

describe('when the middle network cheats', () => {
  async function exported(): Promise<string> {
    return (await pass(await siteWith(first.folder), first)).folder;
  }

  it.each([
    ['a part', 'part-damaged', (folder: string) => join(folder, largestPart())],
    ['the index', 'part-damaged', (folder: string) => join(folder, 'bundle.json')],
    ['the list', 'signature-invalid', (folder: string) => join(folder, 'SHA512SUMS')],
    ['VERIFY.txt', 'part-damaged', (folder: string) => join(folder, 'VERIFY.txt')],
  ] as const)('is found at the third by one byte of %s', async (_, code, place) => {
    const folder = await exported();
    flipBit(place(folder), 7);
    rmSync(join(folder, 'parity'), { recursive: true });
    const third = new SiteFolder(scratch.fresh('site'));
    await expectCode(() => take(third, folder), code);
    expect(await namesIn(third.path('releases'))).toEqual([]);
  });

  it('cannot sign in place of the release engineer', async () => {
    const folder = await exported();
    const other = await smallBundle({ place: scratch.fresh() });
    rmSync(join(folder, 'signatures'), { recursive: true });
    cpSync(join(other.folder, 'signatures'), join(folder, 'signatures'), { recursive: true });
    await expectCode(
      () => take(new SiteFolder(scratch.fresh('site')), folder),
      'signature-invalid',
    );
  });

  it.each([
    [
      'of another bundle',
      (hops: string, others: string) => cpSync(others, hops, { recursive: true }),
    ],
    ['whose signature does not hold', (hops: string) => flipBit(join(hops, '0001.json'), 20)],
    ['without signature', (hops: string) => rmSync(join(hops, '0001.p7s'))],
    ['of 2 MB', (hops: string) => writeFileSync(join(hops, '0001.json'), ' '.repeat(2 * MIB))],
  ])('is believed no statement %s, and the bundle is imported all the same', async (_, change) => {
    const folder = await exported();
    const other = await pass(await siteWith(second.folder), second);
    change(hopsBeside(folder), other.hops);
    const { hops, fault } = await readHops(hopsBeside(folder), first.id);
    expect(hops).toEqual([]);
    expect(fault).toBeDefined();
    const third = await siteWith(folder);
    expect(await namesIn(third.path('hops', first.id.slice(0, 32)))).toEqual([]);
  });

  it('cannot drop a statement from the middle', async () => {
    const one = await exported();
    const two = await pass(await siteWith(one), first);
    const three = await pass(await siteWith(two.folder), first);
    for (const each of readdirSync(three.hops).filter((name) => name.startsWith('0002')))
      rmSync(join(three.hops, each));
    const { hops, fault } = await readHops(three.hops, first.id);
    expect(hops).toHaveLength(1);
    expect(fault?.code).toBe('document-invalid');
  });
});

const weights = (site: SiteFolder): string =>
  site.store.path(first.bundle.models[0]?.files[0]?.digest ?? ('' as never));

const largestPart = (): string =>
  first.bundle.blobs.flatMap(({ parts }) => parts).find(({ path }) => path.endsWith('.0000'))
    ?.path ?? '';
