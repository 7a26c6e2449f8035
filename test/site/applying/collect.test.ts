import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '../../../src/core/limits.ts';
import type { Bundle } from '../../../src/format/bundle.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { install, rollback } from '../../../src/site/applying/change-release.ts';
import { type CollectOptions, collect } from '../../../src/site/applying/collect.ts';
import { carDigests } from '../../../src/site/catalog/car-entry.ts';
import { generationNumbers } from '../../../src/site/generations.ts';
import { importBundle } from '../../../src/site/importing/import.ts';
import { readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import {
  contradictions,
  resign,
  type SmallBundle,
  smallBundle,
} from '../../support/small-bundle.ts';
import { plant } from '../../support/staged-site.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder(true);
const made: SmallBundle[] = [];

beforeAll(async () => {
  const first = await smallBundle({ place: scratch.fresh() });
  made.push(first);
  for (const seq of [2, 3, 4]) {
    const { authority } = first;
    made.push(await smallBundle({ place: scratch.fresh(), authority, version: `${seq}.0.0`, seq }));
  }
});

/** What an engine holds, without the id of the site in its names. */
async function unnamed({
  site,
  target,
}: {
  site: SiteFolder;
  target: FakeTarget;
}): Promise<string> {
  return JSON.stringify(target.engine.state()).replaceAll(await site.id(), 'SITE');
}

async function site(): Promise<CollectOptions & { readonly target: FakeTarget }> {
  const folder = new SiteFolder(scratch.fresh('site'));
  const opened = {
    ...context(),
    site: folder,
    target: fakeTarget(),
    keep: 1,
    incomplete: false,
    dryRun: false,
  };
  for (const each of made) await install(each.folder, { ...opened, trust: each.trust });
  return opened;
}

describe('when a site is cleaned up', () => {
  it('keeps what runs and what a rollback needs, and nothing else', async () => {
    const options = await site();
    const images = Object.keys(options.target.engine.state().images).length;
    const collected = await collect(options);
    expect(collected.generations).toEqual([1, 2]);
    expect(collected.releases).toEqual(['chat 1.0.0', 'chat 2.0.0']);
    expect(collected.blobs).toBeGreaterThan(0);
    expect(await generationNumbers(options.site)).toEqual([3, 4]);
    expect(readdirSync(options.site.path('releases'))).toHaveLength(2);
    expect(Object.keys(options.target.engine.state().images).length).toBeLessThan(images);
    expect((await rollback(3, options)).plan.to.number).toBe(3);
    const { entries } = await readLedger(options.site);
    expect(entries.some(({ event }) => event.kind === 'collected')).toBe(true);
  });

  it('says the same beforehand, and then removes nothing', async () => {
    const options = await site();
    const before = tree(options.site.root);
    const told = await collect({ ...options, dryRun: true });
    expect(tree(options.site.root)).toEqual(before);
    expect(await collect(options)).toEqual(told);
  });

  it('keeps every generation of a site that asks for many', async () => {
    const options = await site();
    expect(await collect({ ...options, keep: 10 })).toMatchObject({ generations: [], blobs: 0 });
  });

  it('has nothing to do the second time', async () => {
    const options = await site();
    await collect(options);
    const before = tree(options.site.root);
    const nothing = { generations: [], releases: [], incomplete: [], blobs: 0, bytes: 0 };
    expect(await collect(options)).toMatchObject(nothing);
    expect(tree(options.site.root)).toEqual(before);
  });

  it('keeps a release that was imported and waits to be installed', async () => {
    const options = await site();
    await rollback(3, options);
    await collect({ ...options, keep: 0 });
    expect(readdirSync(options.site.path('releases'))).toHaveLength(2);
    expect((await rollbackFails(options, 2)).message).toContain('no generation 2');
  });

  it('keeps the layers that the depot calculated for what stays, and removes all others', async () => {
    const options = await site();
    const { authority } = made[0] as SmallBundle;
    const larger = { weights: MIB, seq: 5, version: '5.0.0' };
    const next = await smallBundle({ place: scratch.fresh(), authority, ...larger });
    await install(next.folder, { ...options, trust: next.trust });
    const records = (): string[] => readdirSync(options.site.path('store/cars')).toSorted();
    await carDigests(options.site, next.bundle);
    const needed = records();
    for (const { bundle } of made) await carDigests(options.site, bundle);
    const all = records();
    expect(all.length).toBeGreaterThan(needed.length);
    // What an older version calculated, in a form that this one does not read.
    writeFileSync(options.site.path('store/cars', `${'0'.repeat(64)}.0.json`), '[]');
    await collect({ ...options, keep: 4, dryRun: true });
    expect(records()).toHaveLength(all.length + 1);
    await collect({ ...options, keep: 4 });
    expect(records()).toEqual(all);
    await collect({ ...options, keep: 0 });
    expect(records()).toEqual(needed);
  });

  it('removes such layers when there is nothing else to remove', async () => {
    const options = await site();
    await collect(options);
    mkdirSync(options.site.path('store/cars'), { recursive: true });
    writeFileSync(options.site.path('store/cars', `${'0'.repeat(64)}.1.json`), '[]');
    const { entries } = await readLedger(options.site);
    expect(await collect(options)).toMatchObject({ generations: [], blobs: 0 });
    expect(readdirSync(options.site.path('store/cars'))).toEqual([]);
    expect((await readLedger(options.site)).entries).toHaveLength(entries.length);
  });

  it('keeps an incomplete import until a person gives it up', async () => {
    const options = await site();
    await collect(options);
    const before = tree(options.site.root);
    const { authority } = made[0] as SmallBundle;
    const dealt = { partSize: 4 * MIB, weights: 9 * MIB, seq: 5, version: '5.0.0' };
    const next = await smallBundle({ place: scratch.fresh(), authority, ...dealt });
    const part = next.bundle.blobs
      .flatMap(({ parts }) => parts)
      .find(({ path }) => path.endsWith('.0001'));
    rmSync(join(next.folder, part?.path ?? ''));
    const taken = { ...options, trust: next.trust };
    await expectCode(
      () => withSite(taken, (ledger) => importBundle([next.folder], ledger, taken)),
      'bundle-incomplete',
    );
    expect(await collect(options)).toMatchObject({ incomplete: [], blobs: 0 });
    expect(tree(options.site.root)).not.toEqual(before);
    // What a run that was killed before it knew anything left has no name.
    mkdirSync(options.site.path('staging', 'f'.repeat(128)));
    const told = await collect({ ...options, incomplete: true, dryRun: true });
    expect(told.incomplete.toSorted()).toEqual(['chat 5.0.0', 'f'.repeat(16)]);
    expect(told.bytes).toBeGreaterThan(5 * MIB);
    expect(await collect({ ...options, incomplete: true })).toEqual(told);
    const history = /^(?:audit|ledger|receipts|state)/;
    const rest = (of: Record<string, unknown>): string[] =>
      Object.keys(of).filter((path) => !history.test(path));
    expect(rest(tree(options.site.root))).toEqual(rest(before));
  });

  it('is ended by the next call when it was killed at any call of the engine', async () => {
    const whole = await site();
    const calls = whole.target.engine.calls.length;
    await collect(whole);
    const changing = whole.target.engine.calls.length - calls;
    expect(changing).toBeGreaterThan(0);
    for (let at = 1; at <= changing; at += 1) {
      const options = await site();
      const before = options.target.engine.calls.length;
      options.target.engine.hook = ({ number }) => {
        if (number === before + at) throw new Error('killed');
      };
      await expect(collect(options)).rejects.toThrow('killed');
      expect(await generationNumbers(options.site)).toEqual([1, 2, 3, 4]);
      options.target.engine.hook = () => {};
      await collect(options);
      expect(await unnamed(options)).toEqual(await unnamed(whole));
      expect(await generationNumbers(options.site)).toEqual([3, 4]);
      expect(existsSync(options.site.path('lock'))).toBe(false);
    }
  });
});

async function rollbackFails(options: CollectOptions, number: number): Promise<Error> {
  try {
    await rollback(number, options);
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

describe('when the signed documents of a release contradict each other', () => {
  const bends: Readonly<Record<string, (bundle: Bundle) => object>> = {
    'weights as a manifest': contradictions['weights as the manifest of a model'] ?? (() => ({})),
    'a repository outside': (b) => ({
      ...b,
      models: b.models.map((each) => ({ ...each, repository: '../../../../tmp/x' })),
    }),
  };

  it.each(Object.entries(bends))('removes it and keeps the others: %s', async (_, index) => {
    const options = await site();
    await collect(options);
    const before = tree(options.site.root);
    const strange = await smallBundle({ place: scratch.fresh(), version: '9.0.0', seq: 9 });
    const id = resign(strange.folder, strange, { index });
    const accepted = { product: 'chat', channel: 'stable', version: '9.0.0', seq: 9, bundle: id };
    const signedAt = '2026-11-21T10:00:00Z';
    await withSite(options, (ledger) =>
      ledger.append({ kind: 'accepted', ...accepted, signedAt }, options.now()),
    );
    plant(options.site, strange.folder, id);
    expect(await collect({ ...options, dryRun: true })).toMatchObject({ generations: [] });
    const collected = await collect(options);
    expect(collected.releases).toHaveLength(1);
    expect(collected.blobs).toBeGreaterThan(0);
    const { ledger: _a, 'ledger.head': _b, ...after } = tree(options.site.root);
    const { ledger: _c, 'ledger.head': _d, ...expected } = before;
    expect(after).toEqual(expected);
    expect(await collect(options)).toMatchObject({ releases: [], blobs: 0 });
  });

  it('keeps it, and every blob, while a generation runs it', async () => {
    const options = await site();
    const current = made.at(-1) as SmallBundle;
    const folder = options.site.path('releases', current.id.slice(0, 32));
    writeFileSync(join(folder, 'bundle.json'), 'x');
    const before = tree(options.site.path('store'));
    const heard = context();
    const { releases, blobs } = await collect({ ...options, ...heard });
    expect([releases.length, blobs]).toEqual([2, 0]);
    expect(tree(options.site.path('store'))).toEqual(before);
    expect(heard.events.some((event) => event.type === 'warning')).toBe(true);
  });
});
