import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { StowageEvent } from '../../../src/core/context.ts';
import type { LedgerEntry } from '../../../src/format/ledger.ts';
import type { Changed } from '../../../src/site/applying/change.ts';
import { install, rollback } from '../../../src/site/applying/change-release.ts';
import type { ImportOptions } from '../../../src/site/importing/import.ts';
import { keepTrust, openLedger, readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { siteStatus } from '../../../src/site/status.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const DAY = 24 * 60 * 60 * 1000;
const scratch = scratchFolder();
let one: SmallBundle;
let two: SmallBundle;
let notice: SmallBundle;

beforeAll(async () => {
  one = await smallBundle({ place: scratch.fresh(), services: [] });
  const { authority } = one;
  two = await smallBundle({
    place: scratch.fresh(),
    authority,
    services: [],
    version: '1.1.0',
    seq: 2,
  });
  notice = await smallBundle({
    place: scratch.fresh(),
    authority,
    name: 'recalls',
    notice: true,
    recalls: [{ release: 'chat', versions: '1.1.0', reason: 'it leaks' }],
  });
});

interface Place {
  readonly site: SiteFolder;
  readonly target: FakeTarget;
  put(bundle: SmallBundle, options?: Partial<ImportOptions>): Promise<Changed>;
}

function place(): Place {
  const site = new SiteFolder(scratch.fresh('site'));
  const target = fakeTarget();
  return {
    site,
    target,
    put: (bundle, options = {}) =>
      install(bundle.folder, { ...context(), site, target, trust: bundle.trust, ...options }),
  };
}

describe('when a bundle contains only recalls', () => {
  it('has a few kilobytes', () => {
    expect(notice.bundle.blobs).toEqual([]);
    expect(readFileSync(`${notice.folder}/bundle.json`).length).toBeLessThan(4096);
  });

  it('leaves running services unchanged, and status says what to do', async () => {
    const { site, target, put } = place();
    await put(one);
    await put(two);
    expect(await put(notice)).not.toHaveProperty('receipt');
    const status = await siteStatus({ ...context(), site, target });
    expect(status.generation.number).toBe(2);
    expect(status.recalled).toEqual([
      {
        name: 'chat',
        version: '1.1.0',
        reason: 'it leaks',
        remedy: 'run "stowage rollback --to 1" (chat 1.0.0), or install a newer version',
      },
    ]);
    await rollback(undefined, { ...context(), site, target });
    expect((await siteStatus({ ...context(), site, target })).recalled).toEqual([]);
    await expectCode(() => rollback(2, { ...context(), site, target }), 'release-recalled');
  });

  it('rejects the recalled release', async () => {
    const { put } = place();
    await put(notice);
    await put(one);
    await expectCode(() => put(two), 'release-recalled');
  });
});

describe('when the ledger of a site is read', () => {
  it('records every change in the ledger, and its head in every receipt', async () => {
    const { site, put } = place();
    const { receipt } = await put(one);
    const ledger = await readLedger(site);
    expect(ledger.entries.map((entry) => entry.event.kind)).toEqual([
      'trusted',
      'accepted',
      'command',
    ]);
    expect(receipt?.ledger).toEqual(ledger.head);
  });

  it('rejects everything when the ledger is missing (attack 60)', async () => {
    const { site, put } = place();
    await put(one);
    rmSync(site.path('ledger'));
    rmSync(site.path('ledger.head'));
    await expectCode(() => put(two), 'state-damaged');
  });

  it('rejects everything when an older ledger was restored (attack 60)', async () => {
    const { site, put } = place();
    await put(one);
    for (const name of ['ledger', 'ledger.head'])
      copyFileSync(site.path(name), site.path(`${name}.old`));
    await put(two);
    for (const name of ['ledger', 'ledger.head'])
      copyFileSync(site.path(`${name}.old`), site.path(name));
    await expectCode(() => put(two), 'state-damaged');
  });

  it('rejects everything when a receipt was edited', async () => {
    const { site, put } = place();
    await put(one);
    const [name = ''] = readdirSync(site.path('receipts')).filter((each) => each.endsWith('.json'));
    const path = site.path('receipts', name);
    writeFileSync(path, readFileSync(path, 'utf8').replace('"number":3', '"number":4'));
    await expectCode(() => put(two), 'state-damaged');
  });
});

describe('when a site is killed, or its sequence floor is lowered', () => {
  it('records a recall before the bundle that contains it', async () => {
    const { site, put } = place();
    await put(notice);
    const kinds = (await readLedger(site)).entries.map((entry) => entry.event.kind);
    expect(kinds.slice(0, 3)).toEqual(['trusted', 'recalled', 'accepted']);
  });

  it('records a bundle imported again below a floor, and rejects another with the same sequence (attack 54)', async () => {
    const { site, put } = place();
    await put(one);
    await put(two);
    const back = { ...one.trust, version: 2, seqFloor: { 'chat/stable': 2 } };
    await keepTrust(site, await openLedger(site), back, packedAt);
    await put(two);
    const twin = { authority: one.authority, services: [], version: '1.1.1', seq: 2 };
    const other = await smallBundle({ place: scratch.fresh(), ...twin });
    await expectCode(() => put(other), 'release-equivocation');
  });
});

const isOverride = ({ event }: LedgerEntry): boolean => event.kind === 'override';

describe('when the clock is wrong or a bundle is old', () => {
  it('uses the newest signing time as the current time, with a warning (attack 57)', async () => {
    const { put } = place();
    await put(one);
    const warnings: string[] = [];
    const back = {
      now: () => new Date(packedAt.getTime() - 400 * DAY),
      emit: (event: StowageEvent) => {
        if (event.type === 'warning') warnings.push(event.message);
      },
    };
    await put(two, back);
    expect(warnings.join()).toContain('the clock of this host is wrong');
  });

  it('rejects a bundle older than the trust document allows, unless a reason is given', async () => {
    const { site, put } = place();
    const trust = { ...one.trust, maxAgeDays: 30 };
    const later = { now: () => new Date(packedAt.getTime() + 31 * DAY), trust };
    await expectCode(() => put(one, later), 'release-expired');
    await put(one, { ...later, acceptAge: 'ordered by the duty officer' });
    const kinds = (await readLedger(site)).entries.map((entry) => entry.event.kind);
    expect(kinds).toEqual(['override', 'trusted', 'accepted', 'command']);
    await put(one, { ...later, acceptAge: 'ordered once more' });
    const overrides = (await readLedger(site)).entries.flatMap(({ event }) =>
      event.kind === 'override' ? [event.reason] : [],
    );
    expect(overrides).toEqual(['ordered by the duty officer', 'ordered once more']);
    // Another disc, or another try.
    await put(one, { ...later, acceptAge: 'ordered once more' });
    expect((await readLedger(site)).entries.filter(isOverride)).toHaveLength(2);
  });
});
