import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '../../../src/core/limits.ts';
import { type Changed, withSite } from '../../../src/site/applying/change.ts';
import { install, installImported, rollback } from '../../../src/site/applying/change-release.ts';
import { operateServices } from '../../../src/site/applying/operate-services.ts';
import { isIntact, repairStore, verifyStore } from '../../../src/site/applying/verify-store.ts';
import { importMedia } from '../../../src/site/importing/import.ts';
import { partialImports } from '../../../src/site/importing/partial-import.ts';
import { layoutFolder } from '../../../src/site/release/layout.ts';
import { type SiteContext, SiteFolder } from '../../../src/site/site-folder.ts';
import { siteStatus } from '../../../src/site/status.ts';
import { knownDamage } from '../../../src/site/store-damage.ts';
import { context, type ListeningContext } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, fakeTarget } from '../../support/fake-engine.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder(true);
let one: SmallBundle;
let two: SmallBundle;

beforeAll(async () => {
  const large = { partSize: 4 * MIB, weights: 9 * MIB, installer: true } as const;
  one = await smallBundle({ place: scratch.fresh(), ...large });
  const { authority } = one;
  two = await smallBundle({ place: scratch.fresh(), authority, version: '2.0.0', seq: 2 });
});

type Opened = SiteContext & ListeningContext & { readonly target: FakeTarget };

function open(): Opened {
  return { ...context(), site: new SiteFolder(scratch.fresh('site')), target: fakeTarget() };
}

const put = (made: SmallBundle, options: Opened): ReturnType<typeof install> =>
  install(made.folder, { ...options, trust: made.trust });
const take = (made: SmallBundle, options: Opened): ReturnType<typeof importMedia> => {
  const importing = { ...options, trust: made.trust };
  return withSite(options, (ledger) => importMedia([made.folder], ledger, importing));
};

/** Another version, with the weights of the first. */
function sameWeights(): Promise<SmallBundle> {
  return smallBundle({
    ...{ place: scratch.fresh(), authority: one.authority, version: '3.0.0', seq: 3 },
    ...{ partSize: 8 * MIB, weights: 9 * MIB, weightsOf: 'chat 1.0.0' },
  });
}

function weightsOf({ site }: Opened, { bundle }: SmallBundle = one): string {
  const digest = bundle.models[0]?.files[0]?.digest;
  if (digest === undefined) throw new Error('no weights');
  return site.store.path(digest);
}

function placedWeights({ site }: Opened, { id }: SmallBundle = one): string {
  return join(layoutFolder(site, id), 'models/tiny/model.safetensors');
}

/** Changes the weights below the file system: the times of the file stay as they are. */
async function rot(options: Opened): Promise<void> {
  const blob = one.bundle.blobs.find(({ size }) => size === 9 * MIB);
  if (blob === undefined) throw new Error('no weights');
  const noted = await options.site.store.noted(blob);
  if (noted === undefined) throw new Error('no record');
  flipBit(weightsOf(options));
  await options.site.store.note(blob, noted.sums);
}

const SETTINGS = '{"release":"chat-1.0.0"}';

/** Changes a placed file of the first release. @returns what a service that starts would read in it */
function tamper({ site, target }: Opened): readonly string[] {
  const path = join(layoutFolder(site, one.id), 'files/settings/settings.json');
  rmSync(path);
  writeFileSync(path, 'else');
  const seen: string[] = [];
  target.engine.hook = ({ method }, moment) => {
    if (method === 'startService' && moment === 'before') seen.push(readFileSync(path, 'utf8'));
  };
  return seen;
}

/** Fails with `blob-damaged`, names the remedy, and changes nothing at the site or in its engine. */
async function expectStopped(run: () => Promise<unknown>, options: Opened): Promise<void> {
  const state = (): unknown => {
    const { lock: _, ...files } = tree(options.site.root);
    return [files, options.target.engine.state()];
  };
  const before = state();
  const error = await expectCode(run, 'blob-damaged');
  expect(error.hint).toContain('store verify --repair');
  expect(state()).toEqual(before);
}

describe('when one bit of a staged file flips before it is used', () => {
  it.each([
    ['the first bit of weights', (options: Opened) => flipBit(weightsOf(options))],
    ['the last bit of weights', (options: Opened) => flipBit(weightsOf(options), 9 * MIB - 1)],
    [
      'a small file of a model',
      ({ site }: Opened) =>
        flipBit(site.store.path(one.bundle.models[0]?.files[1]?.digest as never)),
    ],
    [
      'a config of an image',
      ({ site }: Opened) =>
        flipBit(site.store.path(one.bundle.images[0]?.platforms[0]?.config as never)),
    ],
    ['weights that are gone', (options: Opened) => rmSync(weightsOf(options))],
  ])('stops install before anything changes: %s', async (_, damage) => {
    const options = open();
    await take(one, options);
    damage(options);
    await expectStopped(() => installImported('chat', options), options);
  });

  it('stops a rollback to it, and the running release stays', async () => {
    const options = open();
    await put(one, options);
    await put(two, options);
    flipBit(weightsOf(options), 5 * MIB);
    await expectStopped(() => rollback(undefined, options), options);
  });

  it('is seen with rehash when the disk changed it below the file system', async () => {
    const options = open();
    await take(one, options);
    await rot(options);
    await expectStopped(() => installImported('chat', { ...options, rehash: true }), options);
  });

  it.each(['install', 'rollback'] as const)(
    'is seen with rehash by %s, or once it is known, although the release runs already',
    async (command) => {
      const options = open();
      await put(one, options);
      await rot(options);
      const again = (rehash: boolean): Promise<Changed> =>
        command === 'install'
          ? installImported('chat@1.0.0', { ...options, rehash })
          : rollback(1, { ...options, rehash });
      expect((await again(false)).receipt).toBeUndefined();
      await expectStopped(() => again(true), options);
      await verifyStore(options);
      await expectStopped(() => again(false), options);
    },
  );

  it('does not stop an install of another release that runs already, but a rollback to both', async () => {
    const options = open();
    await put(one, options);
    const { authority } = one;
    const tool = await smallBundle({ place: scratch.fresh(), authority, name: 'tool' });
    await put(tool, options);
    await rot(options);
    await verifyStore(options);
    expect((await installImported('tool', options)).receipt).toBeUndefined();
    await expectStopped(() => installImported('chat@1.0.0', options), options);
    await expectStopped(() => rollback(2, options), options);
  });

  it('is seen without rehash after a verification found what the disk changed', async () => {
    const options = open();
    await put(one, options);
    await put(two, options);
    await rot(options);
    await verifyStore(options);
    await expectStopped(() => rollback(1, options), options);
    await expectStopped(() => installImported('chat@1.0.0', options), options);
  });

  it.each(['restart', 'start'] as const)(
    'stops %s before a service stops or starts',
    async (command) => {
      const options = open();
      await put(one, options);
      if (command === 'start') options.target.engine.stopByHand('server');
      const release = { release: 'chat', services: [] };
      await rot(options);
      await verifyStore(options);
      await expectStopped(() => operateServices(command, release, options), options);
      await repairStore([one.folder], options);
      expect(await operateServices(command, release, options)).toMatchObject([{ already: false }]);
    },
  );

  it('installs again after the bundle was imported again, without reading media needlessly', async () => {
    const options = open();
    await take(one, options);
    flipBit(weightsOf(options), 5 * MIB);
    const { damaged } = await take(one, options);
    expect(damaged).toBe(1);
    expect(options.events.filter(({ type }) => type === 'warning')).toHaveLength(1);
    await installImported('chat', options);
    expect(readFileSync(placedWeights(options)).equals(readFileSync(weightsOf(options)))).toBe(
      true,
    );
    expect(isIntact(await verifyStore(options))).toBe(true);
    expect((await take(one, options)).damaged).toBe(0);
  });
});

describe('when files of a running release are damaged', () => {
  it('replaces them in the store and where services see them, on import', async () => {
    const options = open();
    await put(one, options);
    const placed = placedWeights(options);
    flipBit(placed, 3);
    await take(one, options);
    expect(lstatSync(placed).ino).toBe(lstatSync(weightsOf(options)).ino);
    expect(isIntact(await verifyStore(options))).toBe(true);
  });

  it('replaces them before a rollback starts a service that reads them, and warns once', async () => {
    const options = open();
    await put(one, options);
    await put(two, options);
    const seen = tamper(options);
    await rollback(undefined, options);
    expect(seen).toEqual([SETTINGS]);
    const warnings = options.events.filter(({ type }) => type === 'warning');
    expect(warnings).toMatchObject([
      { message: expect.stringContaining('settings.json was replaced') },
    ]);
  });

  it('replaces what changed after a kill, before the service starts', async () => {
    const options = open();
    await put(one, options);
    await put(two, options);
    const killed = { root: '', engine: options.target.engine.state() };
    options.target.engine.hook = ({ method }, moment) => {
      if (method !== 'startService' || moment !== 'before' || killed.root !== '') return;
      killed.engine = options.target.engine.state();
      killed.root = scratch.copy(options.site.root);
    };
    await rollback(undefined, options);
    const later = {
      ...options,
      site: new SiteFolder(killed.root),
      target: fakeTarget(killed.engine),
    };
    const seen = tamper(later);
    await rollback(undefined, later);
    // The first start is of the other release, when the killed rollback is undone.
    expect(seen.at(-1)).toBe(SETTINGS);
    const { changedPlaces } = await verifyStore(later);
    expect(
      changedPlaces.filter((path) => path.startsWith(layoutFolder(later.site, one.id))),
    ).toEqual([]);
  });

  it('lists what is damaged, and repairs it from the media', async () => {
    const options = open();
    await put(one, options);
    const { site } = options;
    const release = site.path('releases', one.id.slice(0, 32));
    const settings = join(layoutFolder(site, one.id), 'files/settings/settings.json');
    flipBit(weightsOf(options), 8 * MIB + 5);
    rmSync(settings);
    writeFileSync(settings, 'else');
    writeFileSync(join(release, 'attestations/lock.json'), '{}');
    const found = await verifyStore(options);
    expect(found.bad).toMatchObject([
      { what: 'model.safetensors of model tiny', release: 'chat 1.0.0', verdict: 'damaged' },
    ]);
    expect(found.changedFiles).toEqual([join(release, 'attestations/lock.json')]);
    expect(found.changedPlaces).toEqual([settings]);
    const { before, after } = await repairStore([one.folder], options);
    expect([isIntact(before), isIntact(after)]).toEqual([false, true]);
    expect(isIntact(await verifyStore(options))).toBe(true);
    expect(statSync(weightsOf(options)).mode & 0o777).toBe(0o444);
  });

  it('says how many damaged files the media have in full', async () => {
    const options = open();
    await put(one, options);
    flipBit(weightsOf(options), 5 * MIB);
    const media = scratch.copy(one.folder);
    for (const { path, offset } of one.bundle.blobs.flatMap(({ parts }) => parts))
      if (offset === 4 * MIB) rmSync(join(media, path));
    const { after, contains } = await repairStore([media], options);
    expect([isIntact(after), contains]).toEqual([false, 0]);
  });

  it('copies only the damaged parts of a large file', async () => {
    const options = open();
    await put(one, options);
    flipBit(weightsOf(options), 5 * MIB);
    const media = scratch.copy(one.folder);
    const parts = one.bundle.blobs
      .flatMap((blob) => blob.parts)
      .filter(({ offset }) => offset === 0);
    for (const { path, size } of parts) if (size === 4 * MIB) rmSync(join(media, path));
    const { after } = await repairStore([media], options);
    expect(isIntact(after)).toBe(true);
  });

  it('links services to the new file of a release that is not the one on the media', async () => {
    const options = open();
    await put(one, options);
    const three = await sameWeights();
    flipBit(placedWeights(options), 5 * MIB);
    const { after, contains } = await repairStore([three.folder], options);
    expect([isIntact(after), contains]).toEqual([true, 1]);
    expect(lstatSync(placedWeights(options)).ino).toBe(lstatSync(weightsOf(options)).ino);
    expect(statSync(weightsOf(options)).mode & 0o777).toBe(0o444);
    expect(after.releases).toHaveLength(1);
    expect(isIntact(await verifyStore(options))).toBe(true);
  });

  it('accepts no damaged medium, and keeps asking for a good one', async () => {
    const options = open();
    await put(one, options);
    flipBit(weightsOf(options), 5 * MIB);
    const media = scratch.copy(one.folder);
    const part = one.bundle.blobs
      .flatMap((blob) => blob.parts)
      .find(({ path }) => path.endsWith('.0001'));
    flipBit(join(media, part?.path ?? ''));
    const { after } = await repairStore([media], options);
    expect(after.bad).toMatchObject([{ verdict: 'missing' }]);
    expect(existsSync(weightsOf(options))).toBe(false);
    expect(isIntact((await repairStore([one.folder], options)).after)).toBe(true);
  });

  it('leaves no incomplete import once other media repaired what an increment lacks', async () => {
    const options = open();
    const { site } = options;
    await put(one, options);
    const three = await sameWeights();
    await put(three, options);
    const increment = scratch.copy(three.folder);
    const digest = weightsOf(options).slice(-64);
    for (const { path } of three.bundle.blobs.flatMap((blob) => blob.parts))
      if (path.includes(digest)) rmSync(join(increment, path));
    flipBit(weightsOf(options), 5 * MIB);
    expect((await repairStore([increment], options)).after.bad).toHaveLength(1);
    expect(await partialImports(site)).toMatchObject([{ id: three.id, missing: [{}] }]);
    expect(isIntact((await repairStore([one.folder], options)).after)).toBe(true);
    expect(await partialImports(site)).toEqual([]);
    expect(readdirSync(site.path('staging'))).toEqual([]);
  });

  it('takes no medium of a release that was not imported, or of another signer', async () => {
    const options = open();
    await put(one, options);
    flipBit(weightsOf(options));
    await expectCode(() => repairStore([two.folder], options), 'release-unknown');
    const strange = await smallBundle({ place: scratch.fresh() });
    await expectCode(() => repairStore([strange.folder], options), 'signer-untrusted');
    expect((await verifyStore(options)).bad).toHaveLength(1);
  });
});

describe('when a verification finds a damaged file', () => {
  it('is known to status until the medium repaired it', async () => {
    const options = open();
    const { site } = options;
    await put(one, options);
    await verifyStore(options);
    expect(await knownDamage(site)).toBeUndefined();
    const weights = weightsOf(options);
    flipBit(weights);
    await verifyStore(options);
    const { damage } = await siteStatus(options);
    expect(damage?.files).toMatchObject([
      { path: weights, release: 'chat 1.0.0', verdict: 'damaged' },
    ]);
    await take(one, options);
    expect(await knownDamage(site)).toBeUndefined();
    await verifyStore(options);
    expect(existsSync(site.path('damaged.json'))).toBe(false);
  });

  it('is forgotten after a repair', async () => {
    const options = open();
    await put(one, options);
    flipBit(weightsOf(options));
    await verifyStore(options);
    await repairStore([one.folder], options);
    expect(existsSync(options.site.path('damaged.json'))).toBe(false);
  });
});
