import { describe, expect, it } from 'vitest';
import { fleetPage } from '../../src/fleet/fleet-page.ts';
import type { FleetStatus, RecallProgress, SiteStatus } from '../../src/fleet/status.ts';

const BUNDLE = 'e'.repeat(128);

function site(name: string, values: Partial<SiteStatus> = {}): SiteStatus {
  return {
    site: {
      schema: 'stowage/fleet-site/v1',
      ...{ name, number: 1, at: '2026-11-21T10:00:00Z', certificate: '', labels: {} },
      channels: ['stable'],
    },
    receipt: {
      ...{ path: 'x', at: '2026-11-20T10:00:00Z', ageDays: 1, generation: 3 },
      state: {
        releases: [{ name: 'chat', version: '1.4.0', seq: 3, bundle: BUNDLE }],
        ...{ failing: [], stopped: [], drift: [], overrides: [] },
        ...{ platform: 'linux/amd64', engine: 'podman 5', tool: 'stowage 0.1.0' },
      },
    },
    ...{ behind: [], alarms: [], problems: [] },
    ...values,
  };
}

function pageOf(
  sites: readonly SiteStatus[],
  values: Partial<FleetStatus> = {},
  recalls: readonly RecallProgress[] = [],
): string {
  const status = { fleet: 'works', at: '2026-11-21T10:00:00.000Z', sites, defects: [], ...values };
  return fleetPage({
    ...{ status, recalls },
    history: () => [
      {
        path: 'x',
        at: '2026-11-20T10:00:00Z',
        intent: 'install',
        outcome: 'rolled-back',
        generation: 3,
        healthy: false,
        releases: [],
      },
    ],
  }).toString('utf8');
}

const plain = (page: string): string => page.replace(/<[^>]*>/g, '');

describe('when a fleet is shown as a page', () => {
  it('loads nothing and runs nothing', () => {
    const page = pageOf([site('vault')]);
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/<script|src=|url\(|@import|https?:/);
  });

  it('says first whether anything is wrong', () => {
    expect(plain(pageOf([site('vault')]))).toContain('All sites are healthy');
    const bad = site('vault', { problems: [{ level: 'failing', text: 'api is absent' }] });
    const page = plain(pageOf([bad, site('depot')]));
    expect(page).toContain('1 site of 2 with problems');
    expect(page).toContain('1 failing, 0 to look at');
    expect(page.indexOf('api is absent')).toBeLessThan(page.lastIndexOf('Sites by channel'));
  });

  it.each([
    [{}, 'leaks memory; upgrade only'],
    [{ backTo: '1.2.0' }, 'leaks memory; upgrade, or go back to 1.2.0 or later'],
  ])('says where a recall leads: %j', (strategy, words) => {
    const order = { path: 'recalls/chat/1.json', name: 'chat', versions: '1.3.0' };
    const recall = { ...order, reason: 'leaks memory', at: '2026-11-20T10:00:00Z', ...strategy };
    const progress = { running: ['vault'], holding: [], silent: [], confirmed: [] };
    expect(plain(pageOf([site('vault')], {}, [{ recall, ...progress }]))).toContain(words);
  });

  it('names both documents of an alarm', () => {
    const text = 'went back';
    const alarms = [
      { kind: 'went-back', text, first: 'receipts/a.json', second: 'receipts/b.json' },
    ] as const;
    const page = plain(
      pageOf([site('vault', { alarms, problems: [{ level: 'attention', text }] })]),
    );
    expect(page).toContain('receipts/a.json');
    expect(page).toContain('receipts/b.json');
  });

  it('shows a site under each of its channels, and what it lacks', () => {
    const behind = [{ name: 'chat', versions: 2, newest: '1.6.0', days: 30 }];
    const vault = site('vault', { behind });
    const both = { ...vault, site: { ...vault.site, channels: ['candidate', 'stable'] } };
    const page = plain(pageOf([both]));
    expect(page.match(/2 versions behind 1\.6\.0 for 30 days/g)).toHaveLength(2);
    expect(page).toContain('install, rolled back');
  });

  it('shows no markup that a name or a text contains', () => {
    const problems = [{ level: 'failing', text: '<img src=x onerror=alert(1)>' }] as const;
    const page = pageOf([site('vault', { problems })], {
      defects: [{ path: 'a<b>', text: '\u202e"' }],
    });
    expect(page).not.toContain('<img');
    expect(page).not.toContain('<b>');
    expect(page).toContain('U+202E');
  });

  it('leaves retired sites out of the count', () => {
    const vault = site('vault');
    const page = plain(
      pageOf([{ ...vault, site: { ...vault.site, retired: true } }, site('depot')]),
    );
    expect(page).toContain('1 site, by their newest receipts');
  });
});
