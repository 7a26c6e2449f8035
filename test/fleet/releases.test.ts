import { appendFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { changeFleet } from '../../src/fleet/change.ts';
import { checkFleet } from '../../src/fleet/check.ts';
import { promotionChecks } from '../../src/fleet/evidence.ts';
import { FleetFolder, releaseFolder } from '../../src/fleet/fleet-folder.ts';
import { withIndex } from '../../src/fleet/index/fleet-index.ts';
import { type NextForSite, nextForSites } from '../../src/fleet/next.ts';
import { promoteRelease, type RecordedFact, recallRelease } from '../../src/fleet/promote.ts';
import { addRelease } from '../../src/fleet/record-fact.ts';
import { catalogOf, releaseNamed } from '../../src/fleet/releases.ts';
import { signFact } from '../../src/fleet/sign-fact.ts';
import { sitesOf } from '../../src/fleet/sites.ts';
import { fleetStatus, recallProgress, type SiteStatus } from '../../src/fleet/status.ts';
import { takeDocuments } from '../../src/fleet/take.ts';
import type { RecallOrder } from '../../src/format/fleet-orders.ts';
import type { Receipt } from '../../src/format/receipt.ts';
import type { Trust } from '../../src/format/trust.ts';
import {
  type SimulatedDocument,
  signed,
  siteSignerOf,
  writeDocuments,
} from '../lab/simulated-fleet.ts';
import { context, packedAt } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { makeAuthority, type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { addSites, authority, byEngineer, look, newFleet } from '../support/small-fleet.ts';

const scratch = scratchFolder(true);
const DAY_MS = 24 * 60 * 60 * 1000;
const vault = { name: 'vault', signer: siteSignerOf('vault', new Date('2026-01-01T00:00:00Z')) };
const BY = { name: 'release', signer: authority.signer };

function receipt(
  daysAgo: number,
  bundle: SmallBundle,
  values: Partial<Receipt> = {},
): SimulatedDocument {
  const at = packedAt.getTime() - daysAgo * DAY_MS;
  const { name, version, seq } = bundle.bundle;
  return signed(
    {
      schema: 'stowage/receipt/v4',
      site: 'vault',
      at: new Date(at).toISOString().replace('.000', ''),
      tool: 'stowage 0.1.0',
      intent: 'statement',
      outcome: 'kept',
      generation: 1,
      releases: [{ name, version, seq, bundle: bundle.id }],
      generations: [1],
      held: { blobs: 1, bytes: 1 },
      health: [{ service: 'chat server', state: 'running', ready: true }],
      host: { platform: 'linux/amd64', kernel: '6.1', engine: 'podman 5.2.0', labels: {} },
      gates: [],
      ledger: { number: 100 - daysAgo, digest: String(100 - daysAgo).padStart(128, '0') },
      ...values,
    },
    vault.signer,
    at,
  );
}

const holding = (...bundles: readonly SmallBundle[]): Partial<Receipt> => ({
  holds: {
    bundles: bundles.map(({ id, bundle: { name, version, seq } }) => ({
      ...{ name, version, seq, bundle: id, use: 'running' as const },
    })),
    installers: [],
    free: 10_000_000,
  },
});

let old: SmallBundle;
let young: SmallBundle;

beforeAll(async () => {
  const made = { place: scratch.fresh('made'), authority, channel: 'candidate' };
  old = await smallBundle({ ...made, version: '1.0.0', seq: 1 });
  young = await smallBundle({ ...made, version: '1.1.0', seq: 2 });
});

/** A fleet that knows both releases, with one site and these receipts of it. */
async function fleetWith(
  documents: readonly SimulatedDocument[],
  { evidence = '', trust = authority.trust }: { evidence?: string; trust?: Trust } = {},
): Promise<FleetFolder> {
  const folder = await newFleet(scratch.fresh('fleet'), trust);
  writeFileSync(
    folder.path('fleet.yaml'),
    `apiVersion: stowage/v1\nname: works\nchannels:\n  candidate: {}\n  stable:\n    from: candidate\n    evidence: {${evidence}}\n`,
  );
  await addSites(folder, [vault]);
  for (const each of [old, young]) await addRelease(folder, each.folder, byEngineer());
  if (documents.length > 0) {
    const home = scratch.fresh('home');
    writeDocuments(home, documents);
    await takeDocuments(folder, [home], byEngineer());
  }
  return folder;
}

async function promote(folder: FleetFolder, { id }: SmallBundle): Promise<RecordedFact> {
  const settings = await folder.settings();
  return changeFleet(folder, byEngineer(), async (fleet) => {
    const release = releaseNamed(id, catalogOf(fleet.database));
    return promoteRelease(fleet, { release, to: 'stable', settings }, { by: BY, now: packedAt });
  });
}

function recall(
  folder: FleetFolder,
  order: Pick<RecallOrder, 'versions' | 'strategy'> & { readonly reason?: string },
): Promise<RecordedFact> {
  return changeFleet(folder, byEngineer(), (fleet) =>
    recallRelease(fleet, { release: 'chat', reason: 'leak', ...order }, { by: BY, now: packedAt }),
  );
}

async function statusOf(folder: FleetFolder): Promise<SiteStatus> {
  const settings = await folder.settings();
  const [found] = await look(
    folder,
    ({ database }) => fleetStatus(database, { settings, now: packedAt }).sites,
  );
  if (found === undefined) throw new Error('the fleet has one site');
  return found;
}

describe('when a release is recorded', () => {
  it('is known by its bundle, once, and found by name or digest', async () => {
    const folder = await fleetWith([]);
    expect((await addRelease(folder, old.folder, byEngineer())).added).toBe(false);
    const catalog = await look(folder, ({ database }) => catalogOf(database));
    expect(catalog.releases.map(({ version }) => version)).toEqual(['1.1.0', '1.0.0']);
    expect(releaseNamed('chat@1.0.0', catalog).bundle).toBe(old.id);
    expect(releaseNamed(old.id.slice(0, 16), catalog).version).toBe('1.0.0');
    const error = await expectCode(() => releaseNamed('chat@1.0.9', catalog), 'release-unknown');
    expect(error.hint).toContain('did you mean');
    expect((await checkFleet(folder, context())).defects).toEqual([]);
  });

  it('is refused if somebody else signed it', async () => {
    const other = await smallBundle({
      place: scratch.fresh('other'),
      authority: makeAuthority('X'),
    });
    const folder = await fleetWith([]);
    await expectCode(() => addRelease(folder, other.folder, byEngineer()), 'signer-untrusted');
    await expectCode(() => addRelease(folder, scratch.fresh(), byEngineer()), 'bundle-absent');
  });

  it.each(['bundle.json', 'SHA512SUMS', 'signatures/release.p7s'])(
    'does not count once its %s was edited',
    async (name) => {
      const folder = new FleetFolder(scratch.copy((await fleetWith([])).root));
      appendFileSync(folder.path(releaseFolder(old.id), name), ' ');
      const { defects } = await checkFleet(folder, context());
      expect(defects.map(({ path }) => path)).toContain(`${releaseFolder(old.id)}/bundle.json`);
      const known = await look(folder, ({ database }) => catalogOf(database).releases);
      expect(known.map(({ version }) => version)).toEqual(['1.1.0']);
    },
  );
});

describe('when a release is promoted', () => {
  const HEALTHY = 'healthy: { sites: 1, days: 7 }';
  const bad: Partial<Receipt> = { health: [{ service: 'chat server', state: 'absent' }] };

  it.each<[string, () => SimulatedDocument[], boolean]>([
    ['no receipt', () => [], false],
    ['a site that ran it for 6 days', () => [receipt(9, young), receipt(3, young)], false],
    ['a site that ran it for 7 days', () => [receipt(9, young), receipt(2, young)], true],
    ['one receipt alone', () => [receipt(20, young)], false],
    [
      'a site that was bad in between',
      () => [receipt(9, young), receipt(5, young, bad), receipt(1, young)],
      false,
    ],
    [
      'a site that was bad before',
      () => [receipt(20, old, bad), receipt(9, young), receipt(1, young)],
      true,
    ],
    [
      'a site that ran another in between',
      () => [receipt(9, young), receipt(5, old), receipt(1, young)],
      false,
    ],
    [
      'a site that runs another now',
      () => [receipt(20, young), receipt(9, young), receipt(1, old)],
      false,
    ],
    [
      'a site whose history splits',
      () => [
        receipt(9, young),
        receipt(1, young),
        receipt(2, young, { ledger: { number: 99, digest: 'a'.repeat(128) } }),
      ],
      false,
    ],
  ])('takes as evidence of health: %s: %s', async (_, documents, enough) => {
    const folder = await fleetWith(documents(), { evidence: HEALTHY });
    if (!enough) {
      await expectCode(() => promote(folder, young), 'promotion-blocked');
      return;
    }
    expect(await promote(folder, young)).toMatchObject({ inForce: true });
    const [release] = await look(folder, ({ database }) => catalogOf(database).releases);
    expect(Object.keys(release?.channels ?? {}).toSorted()).toEqual(['candidate', 'stable']);
    await expectCode(() => promote(folder, young), 'output-exists');
    expect((await checkFleet(folder, context())).defects).toEqual([]);
  });

  it('needs approval by another key where the channel asks for it', async () => {
    const officer = makeAuthority('Officer');
    const [root] = authority.trust.roots;
    const [other] = officer.trust.roots;
    if (root === undefined || other === undefined) throw new Error('trust documents have roots');
    const trust: Trust = {
      ...authority.trust,
      roots: [root, { ...other, name: 'officer' }],
      roles: {
        ...authority.trust.roles,
        approval: { threshold: 1, roots: ['officer'] },
      },
    };
    const folder = await fleetWith([], { evidence: 'approval: true', trust });
    const { document, inForce, reason, role } = await promote(folder, young);
    expect({ inForce, reason, role }).toMatchObject({
      inForce: false,
      reason: expect.stringContaining('approval'),
      role: 'approval',
    });
    const pending = async (): Promise<object> => {
      const checked = await checkFleet(folder, context());
      expect(checked.defects).toEqual([]);
      return checked.pending;
    };
    expect(await pending()).toEqual([{ path: document, text: reason }]);
    expect((await statusOf(folder)).behind).toEqual([]);
    const sign = (signer: typeof authority.signer, name: string): Promise<object> =>
      signFact(folder, document, { by: { name, signer }, role: 'approval' }, byEngineer());
    await expectCode(() => sign(authority.signer, 'again'), 'threshold-unmet');
    expect(await sign(officer.signer, 'approval-officer')).toMatchObject({ inForce: true });
    expect(await pending()).toEqual([]);
  });

  it('is not if it is recalled, or the channel before lacks it', async () => {
    const folder = await fleetWith([]);
    const settings = await folder.settings();
    await recall(folder, { versions: '1.1.0', strategy: 'forward' });
    const unmet = await look(folder, async ({ database }) => {
      const catalog = catalogOf(database);
      const release = releaseNamed('chat@1.1.0', catalog);
      const input = { release, to: 'candidate', settings, catalog, database, folder };
      return (await promotionChecks({ ...input, now: packedAt }))
        .filter(({ satisfied }) => !satisfied)
        .map(({ rule }) => rule);
    });
    expect(unmet).toEqual(['from', 'recall']);
    await expectCode(() => promote(folder, young), 'promotion-blocked');
  });
});

describe('when a channel has a newer release', () => {
  it('shows how far a site is behind, and what must travel', async () => {
    const folder = await fleetWith([receipt(1, old, holding(old))]);
    expect((await statusOf(folder)).behind).toEqual([]);
    await promote(folder, old);
    await promote(folder, young);
    expect((await statusOf(folder)).behind).toEqual([
      { name: 'chat', versions: 1, newest: '1.1.0', days: 0 },
    ]);
    const [due] = await nextOf(folder);
    const shared = new Set(old.bundle.blobs.map(({ digest }) => digest));
    const missing = young.bundle.blobs
      .filter(({ digest }) => !shared.has(digest))
      .reduce((sum, { size }) => sum + size, 0);
    expect(missing).toBeGreaterThan(0);
    expect(due).toMatchObject({
      site: 'vault',
      documents: [young, old].map(promotionPath).toSorted(),
      recalls: [],
      releases: [{ version: '1.1.0', from: '1.0.0', bundle: young.id, missing }],
      obstacles: [],
    });
    expect(missing).toBeLessThan(due?.releases[0]?.bytes ?? 0);
  });

  it('says what keeps it from travelling', async () => {
    const full = { ...holding(old), holds: { ...holding(old).holds, free: 1 } } as Partial<Receipt>;
    const folder = await fleetWith([receipt(1, old, full)]);
    await promote(folder, young);
    expect((await nextOf(folder))[0]?.obstacles).toEqual([expect.stringContaining('1 byte free')]);
    const empty = await fleetWith([]);
    expect((await nextOf(empty))[0]?.obstacles).toEqual([expect.stringContaining('no receipt')]);
  });

  it('gives no sizes of what is missing for a receipt that lists no bundles', async () => {
    const folder = await fleetWith([receipt(1, old)]);
    await promote(folder, young);
    const [release] = (await nextOf(folder))[0]?.releases ?? [];
    expect(release?.version).toBe('1.1.0');
    expect(release).not.toHaveProperty('missing');
  });

  it('names what a notice must bring to a site that needs no release', async () => {
    const folder = await fleetWith([receipt(1, young)]);
    await promote(folder, young);
    await recall(folder, { versions: '1.0.0', strategy: 'forward' });
    expect(await nextOf(folder)).toMatchObject([
      {
        documents: ['recalls/chat/1.json', promotionPath(young)],
        ...{ recalls: [], releases: [], obstacles: [] },
      },
    ]);
  });

  function promotionPath({ id }: SmallBundle): string {
    return `promotions/stable/${id.slice(0, 32)}.json`;
  }

  function nextOf(folder: FleetFolder): Promise<NextForSite[]> {
    return withIndex(folder, context(), (fleet) =>
      nextForSites(fleet, sitesOf(fleet.database), packedAt),
    );
  }
});

describe('when a release is recalled', () => {
  it('says who runs it, who confirmed, and of whom nothing is known since', async () => {
    const folder = await fleetWith([receipt(1, old)]);
    await recall(folder, { versions: '<1.1.0', strategy: { backTo: '0.9.0' } });
    const { problems } = await statusOf(folder);
    expect(problems).toEqual([
      {
        level: 'failing',
        text: 'runs chat 1.0.0, which is recalled: leak; next: upgrade, or go back to 0.9.0 or later',
      },
    ]);
    const progress = async (): Promise<object> => {
      const settings = await folder.settings();
      return look(folder, ({ database }) => {
        const [recall] = catalogOf(database).recalls;
        if (recall === undefined) throw new Error('there is a recall');
        return recallProgress(recall, fleetStatus(database, { settings, now: packedAt }));
      });
    };
    expect(await progress()).toMatchObject({ running: ['vault'], silent: [], confirmed: [] });
    const home = scratch.fresh('home');
    writeDocuments(home, [receipt(-1, young)]);
    await takeDocuments(
      folder,
      [home],
      byEngineer({ now: () => new Date(packedAt.getTime() + DAY_MS) }),
    );
    expect(await progress()).toMatchObject({ running: [], silent: [], confirmed: ['vault'] });
  });

  it.each<[string, RecallOrder['strategy'], string]>([
    ['one leads to newer versions only', 'forward', 'upgrade'],
    ['both lead back', { backTo: '0.10.0' }, 'upgrade, or go back to 0.10.0 or later'],
  ])('says where two recalls of one version lead: %s', async (_, strategy, way) => {
    const folder = await fleetWith([receipt(1, old)]);
    await recall(folder, { versions: '1.0.0', strategy: { backTo: '0.9.0' } });
    await recall(folder, { versions: '<1.1.0', strategy, reason: 'lies' });
    expect((await statusOf(folder)).problems).toEqual([
      {
        level: 'failing',
        text: `runs chat 1.0.0, which is recalled: leak; lies; next: ${way}`,
      },
    ]);
  });

  it('counts the recalls that a recorded notice carries', async () => {
    const recalls = [{ release: 'chat', versions: '1.0.0', reason: 'leak' }];
    const place = scratch.fresh('notice');
    const notice = await smallBundle({ place, authority, name: 'recall', notice: true, recalls });
    const folder = await fleetWith([receipt(1, old)]);
    await addRelease(folder, notice.folder, byEngineer());
    expect((await statusOf(folder)).problems).toMatchObject([{ level: 'failing' }]);
  });
});
