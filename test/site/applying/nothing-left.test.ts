import { mkdirSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { StowageError } from '../../../src/core/error.ts';
import { namesIn } from '../../../src/io/file.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import {
  install,
  installImported,
  rollback,
  uninstall,
} from '../../../src/site/applying/change-release.ts';
import { collect } from '../../../src/site/applying/collect.ts';
import { forgetRelease } from '../../../src/site/applying/forget-release.ts';
import { currentGeneration, generationNumbers } from '../../../src/site/generations.ts';
import { importBundle } from '../../../src/site/importing/import.ts';
import { readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { listReleases } from '../../../src/site/release/release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, failed, fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
const made: SmallBundle[] = [];

beforeAll(async () => {
  const first = await smallBundle({ place: scratch.fresh() });
  const { authority } = first;
  const second = { authority, version: '1.2.0', seq: 2 };
  made.push(first, await smallBundle({ place: scratch.fresh(), ...second }));
  made.push(await smallBundle({ place: scratch.fresh(), authority, name: 'tool' }));
});

interface Life {
  readonly site: SiteFolder;
  readonly target: FakeTarget;
}

type Step =
  | { readonly do: 'install' | 'fail'; readonly which: number }
  | { readonly do: 'rollback' | 'failed rollback'; readonly which: number }
  | { readonly do: 'uninstall' | 'forget'; readonly which: number }
  | { readonly do: 'gc'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom(
    ...(['install', 'install', 'fail', 'rollback', 'failed rollback', 'uninstall'] as const),
    ...(['gc', 'forget'] as const),
  ),
  which: fc.nat(2),
});

async function fresh(): Promise<Life & ReturnType<typeof context>> {
  const life = { ...context(), site: new SiteFolder(scratch.fresh('site')), target: fakeTarget() };
  // The older version first: a site refuses to import it after the newer one.
  for (const { folder, trust } of made) {
    const options = { ...life, trust };
    await withSite(options, (ledger) => importBundle([folder], ledger, options));
  }
  return life;
}

/** Fails the first start of a service, so that a plan is rolled back. */
async function failing(life: Life, work: () => Promise<unknown>): Promise<void> {
  let done = false;
  life.target.engine.hook = ({ method }, moment) => {
    if (done || method !== 'startService' || moment === 'before') return;
    done = true;
    throw failed('the server ended');
  };
  await work().finally(() => {
    life.target.engine.hook = () => {};
  });
}

const allowed = ['release-unknown', 'release-in-use', 'generation-unknown', 'rolled-back'];

async function take(
  { do: verb, which }: Step,
  life: Awaited<ReturnType<typeof fresh>>,
): Promise<void> {
  const { site } = life;
  const bundle = made[which] as SmallBundle;
  const { name, version } = bundle.bundle;
  const again = async (): Promise<unknown> => {
    const numbers = [...(await generationNumbers(site)), 0];
    return rollback(numbers[which % numbers.length] || undefined, life);
  };
  const actions: Readonly<Record<Step['do'], () => Promise<unknown>>> = {
    install: () => installImported(`${name}@${version}`, life),
    fail: () => failing(life, () => installImported(`${name}@${version}`, life)),
    rollback: again,
    'failed rollback': () => failing(life, again),
    uninstall: () => uninstall(name, life),
    gc: () => collect({ ...life, keep: which, incomplete: false, dryRun: false }),
    forget: () => forgetRelease(`${name}@${version}`, { ...life, dryRun: false }),
  };
  try {
    await actions[verb]();
  } catch (error) {
    if (!(error instanceof StowageError) || !allowed.includes(error.code)) throw error;
  }
}

/** What is at the site of releases that are not installed, outside the store. */
async function leftBehind({ site, target }: Life): Promise<object> {
  const { releases } = await currentGeneration(site);
  const names = releases.map((each) => each.name);
  const { images, services } = target.engine.state();
  const id = await site.id();
  const ofOthers = (key: string): boolean =>
    !names.some((name) => key.includes(`${id}-${name}-`) || key.includes(`/${name}/`));
  const folders = new Set(
    made.filter(({ bundle }) => names.includes(bundle.name)).map((one) => one.id.slice(0, 32)),
  );
  return {
    images: Object.keys(images).filter(ofOthers),
    services: Object.keys(services).filter(ofOthers),
    layouts: (await namesIn(site.path('layouts'))).filter((each) => !folders.has(each)),
  };
}

const nothing = { images: [], services: [], layouts: [] };

describe('when a site lived through installs, failures, rollbacks and removals', () => {
  it('has nothing of what is not installed, and ends empty', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 8 }), async (steps) => {
        const life = await fresh();
        const { site, target } = life;
        for (const each of steps) {
          await take(each, life);
          expect(await leftBehind(life)).toEqual(nothing);
        }
        for (const { name } of (await currentGeneration(site)).releases)
          await uninstall(name, life);
        await collect({ ...life, keep: 0, incomplete: false, dryRun: false });
        for (const { id } of (await listReleases(site)).releases)
          await forgetRelease(id.slice(0, 16), { ...life, dryRun: false });
        expect(target.engine.state()).toEqual({ images: {}, services: {} });
        expect(await namesIn(site.path('layouts'))).toEqual([]);
        expect(await namesIn(site.path('releases'))).toEqual([]);
        expect(await namesIn(site.path('store/blobs/sha256'))).toEqual([]);
        expect((await generationNumbers(site)).length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 12 },
    );
  });

  it('removes image and layout of a version that a rollback left behind', async () => {
    const life = await fresh();
    await installImported('chat@1.0.0', life);
    await installImported('chat@1.2.0', life);
    await rollback(1, life);
    await uninstall('chat', life);
    expect(await leftBehind(life)).toEqual(nothing);
    expect((await rollback(2, life)).plan.to.releases).toMatchObject([{ version: '1.2.0' }]);
  });

  it('removes what a failed rollback to an uninstalled release placed', async () => {
    const life = await fresh();
    await installImported('chat@1.0.0', life);
    await uninstall('chat', life);
    await expectCode(() => failing(life, () => rollback(1, life)), 'rolled-back');
    expect(await leftBehind(life)).toEqual(nothing);
  });
});

describe('when a release is forgotten', () => {
  it('is refused while it is installed, and then goes with the generations that contain it', async () => {
    const life = { ...(await fresh()), dryRun: false };
    await installImported('chat@1.0.0', life);
    await expectCode(() => forgetRelease('chat@1.0.0', life), 'release-in-use');
    await uninstall('chat', life);
    const told = await forgetRelease('chat@1.0.0', { ...life, dryRun: true });
    expect(told).toMatchObject({
      ...{ release: 'chat 1.0.0', generations: [1], keptBy: [] },
      // A newer one was imported.
      final: true,
    });
    expect(await forgetRelease('chat@1.2.0', { ...life, dryRun: true })).toMatchObject({
      final: false,
    });
    expect(told.blobs).toBeGreaterThan(0);
    expect(await forgetRelease('chat@1.0.0', life)).toEqual(told);
    expect(await generationNumbers(life.site)).toEqual([2]);
    const { event } = (await readLedger(life.site)).entries.at(-1) ?? {};
    expect(event).toMatchObject({ kind: 'collected', forgotten: 'chat 1.0.0' });
    await expectCode(() => forgetRelease('chat@1.0.0', life), 'release-unknown');
  });

  it('knows of one that cannot be read whether it could be imported again', async () => {
    const life = { ...(await fresh()), dryRun: true };
    for (const [version, final] of [
      ['1.0.0', true],
      ['1.2.0', false],
    ] as const) {
      const { id } = made.find(({ bundle }) => bundle.version === version) ?? { id: '' };
      const index = life.site.path('releases', id.slice(0, 32), 'bundle.json');
      writeFileSync(index, '{}');
      expect(await forgetRelease(id.slice(0, 16), life)).toMatchObject({ final });
    }
  });

  it('asks for the version if several are stored, and can import the bundle again', async () => {
    const life = { ...(await fresh()), dryRun: false };
    await expectCode(() => forgetRelease('chat', life), 'release-unknown');
    await forgetRelease('chat@1.2.0', life);
    const { folder, trust } = made[1] as SmallBundle;
    await install([folder], { ...life, trust });
    expect((await currentGeneration(life.site)).releases).toMatchObject([{ version: '1.2.0' }]);
  });

  it('keeps every blob while another bundle is incomplete, and says so', async () => {
    const life = { ...(await fresh()), dryRun: false };
    mkdirSync(life.site.path('staging', 'f'.repeat(128)), { recursive: true });
    const { blobs, keptBy } = await forgetRelease('tool', life);
    expect([blobs, keptBy]).toEqual([0, ['f'.repeat(16)]]);
  });

  it('is named by gc with what keeps each other release', async () => {
    const life = { ...(await fresh()), keep: 1, incomplete: false, dryRun: true };
    await installImported('chat@1.0.0', life);
    await installImported('chat@1.2.0', life);
    expect((await collect(life)).held).toMatchObject([
      { release: 'chat 1.0.0', by: 'rollback', generations: [1] },
      { release: 'chat 1.2.0', by: 'current', generations: [2] },
      { release: 'tool 1.0.0', by: 'imported', generations: [] },
    ]);
  });
});
