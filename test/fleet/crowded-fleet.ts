import { fleetPage } from '../../src/fleet/fleet-page.ts';
import type { Alarm } from '../../src/fleet/history.ts';
import type { PastReceipt } from '../../src/fleet/site-report.ts';
import type { SiteStatus } from '../../src/fleet/status.ts';

const BUNDLE = 'e'.repeat(128);

function site(name: string, index: number): SiteStatus {
  const path = (day: number): string =>
    `receipts/${name}/2026-11-${day}T100000Z-${'0123456789abcdef'.repeat(2)}.json`;
  const alarm: Alarm = {
    ...{ kind: 'went-back', first: path(18), second: path(20) },
    text: 'the receipt of 2026-11-20T10:00:00Z knows 12 entries of the site’s ledger, and the earlier one knows 40: the clock or the ledger of the site went back',
  };
  const releases = [
    { name: 'chat', version: `1.${index}.0`, seq: index + 1, bundle: BUNDLE },
    {
      name: 'speech-recognition-for-control-rooms',
      version: '2.11.0-rc.3',
      seq: 4,
      bundle: BUNDLE,
    },
  ];
  return {
    site: {
      schema: 'stowage/fleet-site/v1',
      ...{ name, number: 1, at: '2026-11-21T10:00:00Z', certificate: '', labels: {} },
      ...{ channels: index % 2 === 0 ? ['stable'] : ['candidate', 'stable'] },
      contact: 'Site office, telephone 555-0100, day and night',
    },
    receipt: {
      ...{ path: path(20), at: '2026-11-20T10:00:00Z', ageDays: 1, generation: 3 },
      state: {
        ...{ releases, failing: [], stopped: [], drift: [], overrides: [] },
        ...{ platform: 'linux/amd64', engine: 'podman 5', tool: 'stowage 0.1.0' },
      },
    },
    behind: index === 0 ? [{ name: 'chat', versions: 2, newest: '1.6.0', days: 30 }] : [],
    alarms: index === 1 ? [alarm] : [],
    problems:
      index === 1
        ? [{ level: 'attention', text: alarm.text }]
        : index === 2
          ? [{ level: 'failing', text: 'chat server failed its check of prompt-3' }]
          : [],
  };
}

/** The page of a fleet with long names, alarms, recalls and histories. */
export function crowdedFleetPage(): Buffer {
  const names = ['vault', 'north-sea-platform-7', 'hospital-of-the-holy-spirit', 'depot'];
  const sites = names.map(site);
  const history = (name: string): PastReceipt[] =>
    [20, 14, 2].map((day, at) => ({
      ...{ path: `receipts/${name}/${day}.json`, at: `2026-11-${day}T10:00:00Z` },
      ...{ intent: 'install', outcome: at === 1 ? 'rolled-back' : 'kept', generation: 3 - at },
      healthy: at !== 1,
      releases: sites[0]?.receipt?.state.releases ?? [],
    }));
  return fleetPage({
    status: {
      ...{ fleet: 'works', at: '2026-11-21T10:00:00.000Z', sites },
      defects: [
        {
          path: `promotions/stable/${'ab'.repeat(16)}.json`,
          text: 'too few approvals of this promotion: 1',
        },
      ],
    },
    recalls: [
      {
        recall: {
          ...{ path: 'recalls/chat/1.json', name: 'chat', versions: '>=1.0.0 <1.4.0' },
          ...{ reason: 'leaks memory under load', at: '2026-11-19T10:00:00Z' },
        },
        ...{ running: names.slice(0, 3), holding: [], silent: ['depot'], confirmed: [] },
      },
    ],
    history,
  });
}
