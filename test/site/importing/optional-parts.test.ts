import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { assemble } from '../../../src/build/assemble.ts';
import { receiverOf } from '../../../src/bundle/increment/receiver.ts';
import { signBundle } from '../../../src/bundle/signing/sign.ts';
import { writeStream } from '../../../src/bundle/stream/write-stream.ts';
import { openBundle } from '../../../src/cli/commands/open-bundle.ts';
import { commonTo, incrementOf } from '../../../src/content/increment.ts';
import { optionalParts } from '../../../src/content/optional.ts';
import type { Digest } from '../../../src/core/digest.ts';
import { MIB } from '../../../src/core/limits.ts';
import { type Bundle, bundleFiles, dataParts, totalSize } from '../../../src/format/bundle.ts';
import type { Plan } from '../../../src/format/plan.ts';
import { BlobStore } from '../../../src/io/blob-store.ts';
import { namesIn } from '../../../src/io/file.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { install, installImported } from '../../../src/site/applying/change-release.ts';
import { isIntact, repairStore } from '../../../src/site/applying/verify-store.ts';
import { exportBundle } from '../../../src/site/exporting/export-bundle.ts';
import { currentGeneration } from '../../../src/site/generations.ts';
import {
  type Imported,
  type ImportOptions,
  importMedia,
} from '../../../src/site/importing/import.ts';
import { partialImports } from '../../../src/site/importing/partial-import.ts';
import { lackingParts } from '../../../src/site/importing/parts-to-import.ts';
import { readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { stateOf } from '../../../src/site/ledger/site-state.ts';
import { propose } from '../../../src/site/planning/propose.ts';
import { siteFacts } from '../../../src/site/receipts/site-facts.ts';
import { layoutFolder } from '../../../src/site/release/layout.ts';
import { findRelease, loadRelease } from '../../../src/site/release/release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, fakeTarget } from '../../support/fake-engine.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { pipe } from '../../support/streamed.ts';

const scratch = scratchFolder(true);
let one: SmallBundle;
/** The same bundle without the large size. */
let reduced: string;
let store: BlobStore;

const SMALL = ['image/server-small', 'model/small', 'service/small'];
const LARGE = ['image/server-large', 'model/large', 'service/large'];

beforeAll(async () => {
  const place = scratch.fresh();
  const shape = { partSize: 4 * MIB, sizes: { small: 5000, large: 9 * MIB } };
  one = await smallBundle({ ...shape, place });
  reduced = join(place, 'reduced');
  store = new BlobStore(join(place, 'store'));
  const packing = { ...context(), store, output: reduced, partSize: 4 * MIB, installers: [] };
  const made = await assemble(one.lock, { ...packing, without: ['large'] });
  expect(made.id).toBe(one.id);
  await signBundle(reduced, 'release', one.signer, packedAt);
});

type Opened = ImportOptions & { readonly target: FakeTarget };

async function openSite(settings = '', warnings: string[] = []): Promise<Opened> {
  const site = new SiteFolder(scratch.fresh('site'));
  await site.prepare();
  const emit: ImportOptions['emit'] = (event) => {
    if (event.type === 'warning') warnings.push(event.message);
  };
  const opened = { ...context(), emit, site, target: fakeTarget(), trust: one.trust };
  write(opened, settings);
  return opened;
}

function write({ site }: Opened, settings: string): void {
  writeFileSync(site.path('site.yaml'), `apiVersion: stowage/v1\nname: vault\n${settings}`);
}

function take(opened: Opened, folder: string, only?: ImportOptions['only']): Promise<Imported> {
  const options = only === undefined ? opened : { ...opened, only };
  return withSite(opened, (ledger) => importMedia([folder], ledger, options));
}

const weights = (name: string): Digest =>
  one.bundle.models.find((each) => each.name === name)?.files[0]?.digest as Digest;

async function stored({ site }: Opened): Promise<string[]> {
  const names: string[] = [];
  for (const name of ['tiny', 'small', 'large'])
    if ((await site.store.size(weights(name))) !== undefined) names.push(name);
  return names;
}

const held = async ({ site }: Opened): Promise<string[]> =>
  optionalParts((await loadRelease(site, one.id)).bundle)
    .map(({ name }) => name)
    .toSorted();

async function planOf(opened: Opened): Promise<Plan> {
  const state = stateOf((await readLedger(opened.site)).entries);
  return propose({ intent: 'install', subject: one.id }, state, opened.now(), opened);
}

const running = async ({ site }: Opened): Promise<string[]> => {
  const [release] = (await currentGeneration(site)).releases;
  const services = release?.workload['services'] as readonly { readonly name: string }[];
  return services.map(({ name }) => name);
};

const violated = ({ constraints }: Plan): string[] =>
  constraints.flatMap(({ rule, satisfied, found }) => (satisfied ? [] : [`${rule}: ${found}`]));

describe('when a bundle with optional parts is packed', () => {
  it('has the same list and signatures whatever is left out', async () => {
    const { files } = await openBundle(reduced);
    const large = new Set(
      one.bundle.blobs.find(({ digest }) => digest === weights('large'))?.parts.map((e) => e.path),
    );
    for (const path of large) expect(files.has(path)).toBe(false);
    const listed = bundleFiles(one.bundle);
    expect(listed.filter(({ path }) => !files.has(path)).length).toBeGreaterThan(large.size);
    expect(totalSize(listed.filter(({ path }) => files.has(path)))).toBeLessThan(MIB);
  });

  it('leaves out nothing that is not optional, or unknown', async () => {
    const packing = { ...context(), store, partSize: 0 };
    for (const name of ['tiny', 'server', 'larg']) {
      const output = join(scratch.fresh(), 'x');
      const made = assemble(one.lock, { ...packing, output, without: [name] });
      await expectCode(() => made, 'part-unknown');
      expect(existsSync(output)).toBe(false);
    }
  });
});

describe('when a site imports a release with optional parts', () => {
  it.each<[string, string, ImportOptions['only'], string[], string[]]>([
    ['nothing', '', undefined, ['tiny'], []],
    ['one size', 'with: { chat: [small] }', undefined, ['tiny', 'small'], SMALL],
    ['a service', 'with: { chat: [service/large] }', undefined, ['tiny', 'large'], LARGE],
    ['all', 'with: { chat: all }', undefined, ['tiny', 'small', 'large'], [...LARGE, ...SMALL]],
    ['another release', 'with: { other: [small] }', undefined, ['tiny'], []],
    ['others by an option', 'with: { chat: [small] }', ['large'], ['tiny', 'large'], LARGE],
    ['all by an option', '', 'all', ['tiny', 'small', 'large'], [...LARGE, ...SMALL]],
  ])('takes what it chooses: %s', async (_, settings, only, models, parts) => {
    const opened = await openSite(settings);
    const { partial, signed } = await take(opened, one.folder, only);
    expect(partial).toBeUndefined();
    expect(signed === undefined).toBe(parts.length === 6);
    expect(await stored(opened)).toEqual(models);
    expect(await held(opened)).toEqual(parts.toSorted());
    expect(existsSync(opened.site.path('staging', one.id))).toBe(false);
  });

  it.each([
    ['unknown', 'with: { chat: [smal] }', 'did you mean small?'],
    ['not optional', 'with: { chat: [small, tiny] }', 'model/tiny is not optional'],
    ['of another kind', 'with: { chat: [files/small] }', 'no optional part files/small'],
  ])('refuses a choice that is %s, with its line', async (_, settings, reason) => {
    const opened = await openSite(settings);
    const error = await expectCode(() => take(opened, one.folder), 'site-invalid');
    expect(error.defects.join('\n')).toMatch(/site\.yaml:3:\d+: with\.chat/);
    expect(error.defects.join('\n')).toContain(reason);
    expect(await stored(opened)).toEqual([]);
  });

  it('refuses an option with the name of no optional part', async () => {
    const opened = await openSite();
    await expectCode(() => take(opened, one.folder, ['tiny']), 'part-unknown');
    await expectCode(() => take(opened, one.folder, ['../large']), 'part-unknown');
    expect(await stored(opened)).toEqual([]);
    expect(await opened.site.trust()).toBeUndefined();
  });

  it('takes it from a pipe, and only what it chooses', async () => {
    const opened = await openSite('with: { chat: [small] }');
    const chunks: Buffer[] = [];
    const keep = async (bytes: Uint8Array): Promise<void> => void chunks.push(Buffer.from(bytes));
    await writeStream(await openBundle(one.folder), keep, context());
    const bytes = Buffer.concat(chunks);
    const { partial } = await withSite(opened, (ledger) =>
      importMedia(pipe(bytes), ledger, opened),
    );
    expect(partial).toBeUndefined();
    expect(await stored(opened)).toEqual(['tiny', 'small']);
  });

  it('takes it from media without the others', async () => {
    const opened = await openSite('with: { chat: [small] }');
    expect((await take(opened, reduced)).partial).toBeUndefined();
    expect(await held(opened)).toEqual(SMALL);
  });

  it('is incomplete if the media lack what it chooses, until others have it', async () => {
    const opened = await openSite('with: { chat: [large] }');
    const { partial } = await take(opened, reduced);
    const missing = partial?.missing.map(({ path }) => path) ?? [];
    const large = one.bundle.blobs.find(({ digest }) => digest === weights('large'));
    for (const { path } of large?.parts ?? []) expect(missing).toContain(path);
    expect((await partialImports(opened.site))[0]?.missing).toHaveLength(missing.length);
    await expectCode(() => findRelease(opened.site, 'chat'), 'release-unknown');
    expect((await take(opened, one.folder)).partial).toBeUndefined();
    expect(await stored(opened)).toEqual(['tiny', 'large']);
  });

  it('is incomplete if the media lack what every site needs', async () => {
    const opened = await openSite();
    const { folder } = await smallBundle({ ...sized(), place: scratch.fresh() });
    const tiny = one.bundle.blobs.find(({ digest }) => digest === weights('tiny'));
    rmSync(join(folder, tiny?.parts[0]?.path ?? ''));
    expect((await take(opened, folder)).partial?.missing).toHaveLength(1);
  });
});

const sized = (): object => ({
  ...{ authority: one.authority, partSize: 4 * MIB, sizes: { small: 5000, large: 9 * MIB } },
});

describe('when a site with some optional parts installs the release', () => {
  it('runs the services that it chose, and names the others', async () => {
    const opened = await openSite('with: { chat: [small] }');
    const { plan } = await install(one.folder, opened);
    expect(await running(opened)).toEqual(['server', 'small']);
    expect(plan.to.releases[0]?.with).toEqual(SMALL);
    const left = plan.constraints.find(({ rule }) => rule === 'left-out');
    expect(left).toMatchObject({
      satisfied: true,
      found: 'model/large, image/server-large, service/large',
    });
    expect(existsSync(join(layoutFolder(opened.site, one.id), 'models', 'large'))).toBe(false);
  });

  it('may not run what is not there, until it is imported; then the rest stays', async () => {
    const warnings: string[] = [];
    const opened = await openSite('with: { chat: [small] }', warnings);
    await install(one.folder, opened);
    write(opened, 'with: { chat: [small, large] }');
    const [problem = ''] = violated(await planOf(opened));
    expect(problem).toContain('parts: image/server-large, model/large, service/large (9.0 MiB)');
    expect(problem).toContain(one.id.slice(0, 16));
    expect(problem).toContain('stowage repair-list chat@1.0.0');
    await expectCode(() => installImported(one.id, opened), 'host-unfit');
    expect(await running(opened)).toEqual(['server', 'small']);
    const [lacking] = await lackingParts(opened.site);
    const paths = new Set(lacking?.missing.map(({ path }) => path));
    const large = one.bundle.blobs.find(({ digest }) => digest === weights('large'));
    expect(large?.parts.every(({ path }) => paths.has(path))).toBe(true);
    await take(opened, one.folder);
    expect(await lackingParts(opened.site)).toEqual([]);
    expect(violated(await planOf(opened))).toEqual([]);
    await installImported(one.id, opened);
    expect(await running(opened)).toEqual(['server', 'small', 'large']);
    const placed = join(layoutFolder(opened.site, one.id), 'models');
    for (const name of ['tiny/model.safetensors', 'small/model.gguf', 'large/model.gguf'])
      expect(existsSync(join(placed, name))).toBe(true);
    expect(warnings.filter((each) => each.includes('damaged'))).toEqual([]);
  });

  it('loses nothing that it has by an import that chooses less', async () => {
    const opened = await openSite('with: { chat: all }');
    await take(opened, one.folder);
    write(opened, '');
    await take(opened, reduced, ['small']);
    expect(await held(opened)).toEqual([...LARGE, ...SMALL].toSorted());
    expect(violated(await planOf(opened))).toEqual([]);
  });
});

describe('when a release without some of its optional parts is repaired', () => {
  it.each([
    ['the whole bundle', () => one.folder],
    ['a medium without these parts', () => reduced],
  ])('neither adds them nor waits for them: from %s', async (_, folder) => {
    const opened = await openSite('with: { chat: [small] }');
    await take(opened, one.folder);
    flipBit(opened.site.store.path(weights('small')));
    const { before, after } = await repairStore([folder()], opened);
    expect([isIntact(before), isIntact(after)]).toEqual([false, true]);
    expect(await held(opened)).toEqual(SMALL);
    expect(await stored(opened)).toEqual(['tiny', 'small']);
    expect(await partialImports(opened.site)).toEqual([]);
    expect(await namesIn(opened.site.path('staging'))).toEqual([]);
  });
});

describe('when others count on what a site has', () => {
  it('claims in its receipt no part that it does not store', async () => {
    const opened = await openSite('with: { chat: [small] }');
    await install(one.folder, opened);
    const place = { site: opened.site, target: opened.target, signal: opened.signal };
    const { holds } = await siteFacts(await currentGeneration(opened.site), place);
    expect(holds?.bundles[0]).toMatchObject({ bundle: one.id, parts: SMALL });
    const receipt = { site: 'vault', host: { platform: 'linux/amd64' }, holds, releases: [] };
    const find = async (): Promise<Bundle> => one.bundle;
    const receiver = await receiverOf(receipt as never, find);
    expect(receiver.blobs).toContain(weights('small'));
    expect(receiver.blobs).not.toContain(weights('large'));
    const next = await smallBundle({ ...sized(), place: scratch.fresh(), ...NEXT });
    const { omitted } = incrementOf(next.bundle, commonTo([receiver]));
    const parts = (digest: Digest): string[] =>
      dataParts({ blobs: next.bundle.blobs.filter((each) => each.digest === digest) }).map(
        ({ path }) => path,
      );
    for (const path of parts(weights('large'))) expect(omitted).not.toContain(path);
  });

  it('claims all of a release that it has whole', async () => {
    const opened = await openSite('with: { chat: all }');
    await install(one.folder, opened);
    const place = { site: opened.site, target: opened.target, signal: opened.signal };
    const { holds } = await siteFacts(await currentGeneration(opened.site), place);
    expect(holds?.bundles[0]).not.toHaveProperty('parts');
  });

  it('exports only what it has, and says which option leaves out the rest', async () => {
    const opened = await openSite('with: { chat: [small] }');
    await take(opened, one.folder);
    const release = await findRelease(opened.site, 'chat');
    const exporting = { ...opened, output: join(scratch.fresh(), 'out') };
    const error = await expectCode(() => exportBundle(release, exporting), 'bundle-incomplete');
    expect(error.hint).toContain('--without model/large');
    expect(existsSync(exporting.output)).toBe(false);
    const { files } = await openBundle(reduced);
    const omitted = new Set(
      bundleFiles(one.bundle).flatMap(({ path }) => (files.has(path) ? [] : [path])),
    );
    const { hop } = await exportBundle(release, { ...exporting, leftOut: { omitted } });
    expect(hop).toMatchObject({ omitted: omitted.size });
    expect(hop).not.toHaveProperty('for');
    const next = await openSite('with: { chat: [small] }');
    expect((await take(next, exporting.output)).partial).toBeUndefined();
  });
});

const NEXT = { version: '2.0.0', seq: 2, weightsOf: '1.0.0' };
