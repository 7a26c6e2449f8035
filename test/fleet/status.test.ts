import { describe, expect, it } from 'vitest';
import { prometheusText } from '../../src/fleet/prometheus.ts';
import { runningSince } from '../../src/fleet/site-report.ts';
import { fleetStatus, releaseCounts, type SiteStatus, worstOf } from '../../src/fleet/status.ts';
import { takeDocuments } from '../../src/fleet/take.ts';
import type { Receipt } from '../../src/format/receipt.ts';
import {
  type SimulatedDocument,
  signed,
  siteSignerOf,
  writeDocuments,
} from '../lab/simulated-fleet.ts';
import { packedAt } from '../support/context.ts';
import { scratchFolder } from '../support/scratch.ts';
import { addSites, byEngineer, look, newFleet } from '../support/small-fleet.ts';

const scratch = scratchFolder(true);
const vault = { name: 'vault', signer: siteSignerOf('vault', new Date('2026-01-01T00:00:00Z')) };
const BUNDLE = 'e'.repeat(128);

/** A receipt of a day before the small bundles are made. */
function receipt(daysAgo: number, values: Partial<Receipt> = {}): SimulatedDocument {
  const at = new Date(packedAt.getTime() - daysAgo * 24 * 60 * 60 * 1000);
  const entries = 100 - daysAgo;
  return signed(
    {
      schema: 'stowage/receipt/v2',
      site: 'vault',
      at: at.toISOString().replace('.000', ''),
      tool: 'stowage 0.1.0',
      intent: 'statement',
      outcome: 'kept',
      generation: 1,
      releases: [{ name: 'chat', version: '1.4.0', seq: 3, bundle: BUNDLE }],
      generations: [1],
      held: { blobs: 1, bytes: 1 },
      health: [{ service: 'chat api', state: 'running', ready: true }],
      host: { platform: 'linux/amd64', kernel: '6.1', engine: 'podman 5.2.0', labels: {} },
      gates: [],
      ledger: { number: entries, digest: String(entries).padStart(128, '0') },
      ...values,
    },
    vault.signer,
    at.getTime(),
  );
}

async function statusOf(...documents: readonly SimulatedDocument[]): Promise<SiteStatus> {
  const folder = await newFleet(scratch.fresh('fleet'));
  await addSites(folder, [vault], { labels: { region: 'north' } });
  if (documents.length > 0) {
    const home = scratch.fresh('home');
    writeDocuments(home, documents);
    await takeDocuments(folder, [home], byEngineer());
  }
  const settings = await folder.settings();
  const [status] = await look(folder, ({ database }) => {
    const { sites } = fleetStatus(database, { settings, now: packedAt });
    return sites;
  });
  if (status === undefined) throw new Error('the fleet has one site');
  return status;
}

describe('when the state of a site is asked for', () => {
  const health = (values: object): Partial<Receipt> => ({
    health: [{ service: 'chat api', state: 'running', ...values }],
  });

  it.each<[string, SimulatedDocument[], string | undefined, string]>([
    ['all is well', [receipt(1)], undefined, ''],
    ['no receipt came', [], 'attention', 'no receipt'],
    [
      'a service is absent',
      [receipt(1, health({ state: 'absent' }))],
      'failing',
      'chat api is absent',
    ],
    ['a service is not ready', [receipt(1, health({ ready: false }))], 'failing', 'not ready'],
    [
      'a service was stopped on purpose',
      [receipt(1, health({ state: 'stopped', stoppedAt: '2026-11-01T00:00:00Z' }))],
      'attention',
      'stopped on purpose',
    ],
    [
      'something drifted',
      [receipt(1, health({ drift: ['image'] }))],
      'attention',
      'chat api: image',
    ],
    [
      'the last change was rolled back',
      [receipt(1, { outcome: 'rolled-back' })],
      'attention',
      'rolled back',
    ],
    ['the receipt is 29 days old', [receipt(29)], undefined, ''],
    ['the receipt is 30 days old', [receipt(30)], 'attention', '30 days old'],
    [
      'an override is in force',
      [
        receipt(1, {
          overrides: [{ rule: 'window', by: 'A', reason: 'b', until: '2026-11-22T00:00:00Z' }],
        }),
      ],
      'attention',
      'check window overridden',
    ],
    [
      'an override ended',
      [
        receipt(1, {
          overrides: [{ rule: 'window', by: 'A', reason: 'b', until: '2026-11-20T00:00:00Z' }],
        }),
      ],
      undefined,
      '',
    ],
    [
      'the older receipt was bad',
      [receipt(9, health({ state: 'absent' })), receipt(1)],
      undefined,
      '',
    ],
    [
      'its history splits',
      [receipt(2), receipt(1, { ledger: { number: 98, digest: 'a'.repeat(128) } })],
      'failing',
      'restored from a backup',
    ],
  ])('says what follows if %s', async (_, documents, level, text) => {
    const { problems } = await statusOf(...documents);
    expect(worstOf(problems)).toBe(level);
    expect(problems.map((each) => each.text).join('\n')).toContain(text);
  });

  it('says since when a release runs, after the last break', async () => {
    const folder = await newFleet(scratch.fresh('fleet'));
    await addSites(folder, [vault]);
    const home = scratch.fresh('home');
    const other = {
      releases: [{ name: 'chat', version: '1.5.0', seq: 4, bundle: 'd'.repeat(128) }],
    };
    writeDocuments(home, [receipt(9), receipt(8, other), receipt(5), receipt(3)]);
    await takeDocuments(folder, [home], byEngineer());
    const since = (bundle: string): Promise<string | undefined> =>
      look(folder, ({ database }) => runningSince(database, 'vault', bundle));
    expect(await since(BUNDLE)).toBe('2026-11-16T10:00:00Z');
    expect(await since('d'.repeat(128))).toBeUndefined();
  });
});

describe('when a fleet is asked by label and release', () => {
  it('shows the sites that have both', async () => {
    const folder = await newFleet(scratch.fresh('fleet'));
    const depot = {
      name: 'depot',
      signer: siteSignerOf('depot', new Date('2026-01-01T00:00:00Z')),
    };
    await addSites(folder, [vault], { labels: { region: 'north' } });
    await addSites(folder, [depot], { labels: { region: 'south' } });
    const home = scratch.fresh('home');
    writeDocuments(home, [receipt(1)]);
    await takeDocuments(folder, [home], byEngineer());
    const settings = await folder.settings();
    const names = (filter: object): Promise<string[]> =>
      look(folder, ({ database }) =>
        fleetStatus(database, { settings, now: packedAt, filter }).sites.map(
          ({ site }) => site.name,
        ),
      );
    expect(await names({})).toEqual(['depot', 'vault']);
    expect(await names({ labels: [['region', 'north']] })).toEqual(['vault']);
    expect(await names({ labels: [['region', 'west']] })).toEqual([]);
    expect(await names({ release: { name: 'chat' } })).toEqual(['vault']);
    expect(await names({ release: { name: 'chat', version: '1.5.0' } })).toEqual([]);
    const all = await look(folder, ({ database }) =>
      fleetStatus(database, { settings, now: packedAt }),
    );
    expect(releaseCounts(all)).toMatchObject([
      { name: 'chat', version: '1.4.0', sites: 1, healthy: 1 },
    ]);
    const text = prometheusText(all);
    expect(text).toContain('stowage_fleet_sites 2\n');
    expect(text).toContain(
      'stowage_fleet_site_release{site="vault",release="chat",version="1.4.0"} 1\n',
    );
    expect(text).toMatch(
      /^(?:# (?:HELP|TYPE) [a-z_]+ [^\n]+\n|[a-z_]+(?:\{[^}\n]*\})? [0-9.]+\n)+$/,
    );
  });
});
