import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { receiverOf } from '../../../src/bundle/increment/receiver.ts';
import { readReceipt } from '../../../src/bundle/receipt.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { install } from '../../../src/site/applying/change-release.ts';
import {
  type ClearOptions,
  clearSite,
  requireReceiptRoom,
} from '../../../src/site/applying/clear-site.ts';
import { writeStatement } from '../../../src/site/applying/statement.ts';
import { forgetGeneration, generationNumbers } from '../../../src/site/generations.ts';
import { importBundle } from '../../../src/site/importing/import.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
let base: SmallBundle;
let made: readonly SmallBundle[];

beforeAll(async () => {
  base = await smallBundle({ place: scratch.fresh(), name: 'base' });
  const { authority } = base;
  const requires = { releases: [{ name: 'base', version: '^1' }] };
  const one = await smallBundle({ place: scratch.fresh(), authority, requires });
  const next = { authority, version: '2.0.0', seq: 2, requires };
  made = [base, one, await smallBundle({ place: scratch.fresh(), ...next })];
});

type Opened = ClearOptions & { readonly target: FakeTarget; readonly place: string };

function blank(): Opened {
  const place = scratch.fresh('host');
  mkdirSync(place);
  const site = new SiteFolder(join(place, 'site'));
  const receipt = join(place, 'last.json');
  return { ...context(), site, target: fakeTarget(), receipt, place };
}

async function open(): Promise<Opened> {
  const opened = blank();
  for (const each of made) await install(each.folder, { ...opened, trust: each.trust });
  return opened;
}

const NOTHING = { images: {}, services: {} };

describe('when a site is cleared', () => {
  it('leaves the last receipt, and nothing else on the host', async () => {
    const opened = await open();
    expect(await clearSite(opened)).toEqual(['base', 'chat']);
    expect(opened.target.engine.state()).toEqual(NOTHING);
    expect(readdirSync(opened.place).toSorted()).toEqual(['last.json', 'last.p7s']);
    const { receipt } = await readReceipt(opened.receipt);
    expect(receipt).toMatchObject({ intent: 'uninstall', outcome: 'kept', releases: [] });
  });

  it('says in the last receipt that the site stores nothing, so that nothing is left out of a medium for it', async () => {
    const opened = await open();
    const before = await writeStatement(opened, 30);
    expect(before.holds?.bundles).toHaveLength(made.length);
    await clearSite(opened);
    const { receipt } = await readReceipt(opened.receipt);
    const { free = 0, ...holds } = receipt.holds ?? {};
    expect(holds).toEqual({ bundles: [], installers: [] });
    expect(free).toBeGreaterThan(0);
    expect(receipt).toMatchObject({ generations: [], held: { blobs: 0, bytes: 0 } });
    // The numbers of the fleet's checks go on.
    expect(receipt.generation).toBe(before.generation + 2);
    expect(receipt.ledger.number).toBe(before.ledger.number + 2);
    const bundles = new Map(made.map(({ id, bundle }) => [id, bundle]));
    const receiver = await receiverOf(receipt, async (id) => bundles.get(id));
    expect(receiver).toMatchObject({ unknown: [], installers: new Set() });
    expect([receiver.blobs.size, receiver.parts.size]).toEqual([0, 0]);
  });

  it('writes the last receipt of a site where releases were only imported', async () => {
    const opened = blank();
    await withSite(opened, (ledger) =>
      importBundle(base.folder, ledger, { ...opened, trust: base.trust }),
    );
    expect((await writeStatement(opened)).holds?.bundles).toHaveLength(1);
    expect(await clearSite(opened)).toEqual([]);
    const { receipt } = await readReceipt(opened.receipt);
    expect(receipt).toMatchObject({ intent: 'uninstall', generation: 0, generations: [] });
    expect(receipt).toMatchObject({ held: { blobs: 0, bytes: 0 }, holds: { bundles: [] } });
  });

  it('leaves no last receipt if the folder of the site cannot be deleted, and the next call writes it', async () => {
    const opened = await open();
    opened.target.engine.hook = () =>
      void mkdirSync(join(`${opened.site.root}.leaving`, 'other'), { recursive: true });
    await expectCode(() => clearSite(opened), 'io-failed');
    expect(readdirSync(opened.place).toSorted()).toEqual(['site', 'site.leaving']);
    opened.target.engine.hook = () => {};
    expect((await writeStatement(opened)).holds?.bundles).toHaveLength(made.length);
    await clearSite(opened);
    expect(readdirSync(opened.place).toSorted()).toEqual(['last.json', 'last.p7s']);
  });

  it('is ended by the next call when it was killed at any call of the engine', async () => {
    const whole = await open();
    const before = whole.target.engine.calls.length;
    await clearSite(whole);
    const calls = whole.target.engine.calls.length - before;
    expect(calls).toBeGreaterThan(3);
    for (let at = 1; at <= calls; at += 1) {
      const opened = await open();
      let killed = false;
      opened.target.engine.hook = ({ number }) => {
        if (number < before + at) return;
        killed = true;
        // Whoever was killed undoes nothing: no later call of the engine comes through either.
        throw new Error('killed');
      };
      await expect(clearSite(opened)).rejects.toThrow();
      expect(killed).toBe(true);
      opened.target.engine.hook = () => {};
      await clearSite(opened);
      expect(opened.target.engine.state()).toEqual(NOTHING);
      expect(existsSync(opened.site.root)).toBe(false);
      expect(existsSync(opened.receipt)).toBe(true);
    }
  });

  it('overwrites no file with the receipt, unless an interrupted call wrote it', async () => {
    const { site, receipt, place } = await open();
    await requireReceiptRoom(site, receipt);
    for (const name of ['last.json', 'last.p7s']) {
      writeFileSync(join(place, name), 'of another site');
      for (const path of [receipt, join(place, 'last')])
        await expectCode(() => requireReceiptRoom(site, path), 'output-exists');
      rmSync(join(place, name));
    }
    writeFileSync(receipt, 'copied');
    for (const number of await generationNumbers(site)) await forgetGeneration(site, number);
    await requireReceiptRoom(site, receipt);
  });

  it('clears away what a killed call had put aside', async () => {
    const opened = await open();
    mkdirSync(`${opened.site.root}.leaving`);
    await clearSite(opened);
    expect(existsSync(`${opened.site.root}.leaving`)).toBe(false);
  });
});
