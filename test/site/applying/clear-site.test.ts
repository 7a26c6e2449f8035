import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readReceipt } from '../../../src/bundle/receipt.ts';
import { install } from '../../../src/site/applying/change-release.ts';
import { type ClearOptions, clearSite } from '../../../src/site/applying/clear-site.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
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

async function open(): Promise<Opened> {
  const place = scratch.fresh('host');
  mkdirSync(place);
  const site = new SiteFolder(join(place, 'site'));
  const receipt = join(place, 'last.json');
  const opened = { ...context(), site, target: fakeTarget(), receipt, place };
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

  it('clears away what a killed call had put aside', async () => {
    const opened = await open();
    mkdirSync(`${opened.site.root}.leaving`);
    await clearSite(opened);
    expect(existsSync(`${opened.site.root}.leaving`)).toBe(false);
  });
});
