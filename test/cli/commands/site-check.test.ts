import { describe, expect, it } from 'vitest';
import { checkResult, problemsOf } from '../../../src/cli/commands/site-check.ts';
import { statusText } from '../../../src/cli/commands/status-text.ts';
import { StowageError } from '../../../src/core/error.ts';
import type { PartialImport } from '../../../src/site/importing/partial-import.ts';
import type { KeptAdvisory } from '../../../src/site/notices.ts';
import type { ServiceStatus } from '../../../src/site/service-status.ts';
import type { SiteStatus } from '../../../src/site/status.ts';
import { generation, release } from '../../support/deployed.ts';

const running = {
  release: 'chat',
  service: { name: 'server', addresses: [] },
  state: { state: 'running', detail: 'up' },
  drift: [],
} as unknown as ServiceStatus;
const onPurpose = {
  ...running,
  state: { state: 'absent', detail: '' },
  stoppedAt: '2026-11-28T10:00:00Z',
} as ServiceStatus;
const unready = {
  ...running,
  readiness: { ready: false, check: '/health', found: 'no response' },
} as ServiceStatus;
const drifted = {
  ...running,
  drift: [{ field: 'ports', expected: '1', found: '2' }],
} as ServiceStatus;
const stopped = { ...running, state: { state: 'stopped', detail: 'exited (1)' } } as ServiceStatus;

const site: SiteStatus = {
  site: 'plant',
  root: '/site',
  generation: generation(1, release()),
  generations: [1],
  kept: [],
  failed: {},
  leftOut: [],
  services: [running],
  recalled: [],
  untrusted: [],
  mark: () => undefined,
  overrides: [],
  notices: [],
  interrupted: false,
};
const fault = new StowageError('state-damaged', 'changed', {
  ...{ expected: 'entry 2', found: 'entry 3', hint: 'restore it' },
});
const partial = { bundle: { name: 'chat', version: '2.0.0' } } as unknown as PartialImport;
const lost = { path: '/b', what: 'weights', release: 'chat 1.0.0', verdict: 'damaged' } as const;
const recall = { name: 'chat', version: '1.0.0', reason: 'leak', remedy: 'roll back' };

describe('when a person reads the status', () => {
  const repair = 'to repair changed and stopped services: stowage install chat@1.0.0\n';

  it.each<[string, Partial<SiteStatus>, boolean]>([
    ['changed', { services: [drifted] }, true],
    ['stopped by itself', { services: [stopped] }, true],
    [
      'changed, and its signer is revoked',
      { services: [drifted], mark: () => 'signer revoked' },
      true,
    ],
    ['running', {}, false],
    ['stopped on purpose', { services: [onPurpose] }, false],
    [
      'changed, and the release is recalled',
      { services: [drifted], mark: () => 'recalled' },
      false,
    ],
    ['changed, and a command is at work', { services: [drifted], busy: 42 }, false],
  ])('gives the command that repairs a service only if it does: %s', (_, changes, is) => {
    expect(statusText({ ...site, ...changes }).includes(repair)).toBe(is);
  });
});

describe('when nothing restricts the connections of services', () => {
  it('is shown by status', () => {
    expect(statusText(site)).not.toContain('NOT RESTRICTED');
    const notRestricted = 'NetworkPolicies are not enforced';
    expect(statusText({ ...site, notRestricted })).toContain(
      '\n  NOT RESTRICTED: NetworkPolicies are not enforced\n',
    );
  });
});

describe('when a release of the status was scanned', () => {
  const scan: KeptAdvisory = {
    ...{ at: '2026-11-21T10:00:00Z', bundle: 'a'.repeat(128), scanner: 'trivy' },
    ...{ databaseBuilt: '2026-11-20T06:00:00Z', issuer: 'works', serial: 1 },
    vulnerabilities: [{ id: 'CVE-2026-1', state: 'not_affected' }],
    notScanned: ['the packages of image:server: trivy does not know slackware 15'],
  };
  const about = { release: 'chat', version: '1.0.0', bundle: 'a'.repeat(128) };

  it('shows the date of the scan and of its database, and what was not scanned', () => {
    const advisories = [scan, { ...scan, bundle: 'b'.repeat(128), notScanned: [] }];
    expect(statusText({ ...site, advisories, scans: [{ ...about, scan }] })).toContain(
      [
        '    scanned 2026-11-21T10:00:00Z by trivy with a database of 2026-11-20: 1 vulnerability, 0 open',
        '      NOT SCANNED: the packages of image:server: trivy does not know slackware 15',
        '  advisory of 2026-11-21T10:00:00Z by trivy with a database of 2026-11-20: 1 vulnerability, 0 open',
        '',
      ].join('\n'),
    );
  });

  it('says nothing of it where a stored notice was changed', () => {
    const text = statusText(site);
    expect(text).toContain('CHANGED: a stored notice is not as it was imported');
    expect(text).not.toContain('SCANNED');
  });
});

function check(changes: Partial<SiteStatus>, incoming: readonly PartialImport[] = []) {
  const status = { ...site, ...changes };
  return checkResult(status, problemsOf(status, incoming));
}

describe('when a site is checked for monitoring', () => {
  it('exits with 0 if there is no problem', () => {
    const { text, exitStatus } = check({});
    expect(exitStatus).toBeUndefined();
    expect(text).toBe('ok: 1 service of 1 release, as installed\n');
  });

  it.each<[string, Partial<SiteStatus>, readonly PartialImport[], number, string]>([
    [
      'a stopped service',
      { services: [stopped] },
      [],
      6,
      'failing: chat server: stopped: exited (1)\n',
    ],
    [
      'a service that does not answer',
      { services: [unready] },
      [],
      6,
      'failing: chat server: not ready: no response from /health\n',
    ],
    [
      'a service that a person stopped',
      { services: [onPurpose] },
      [],
      5,
      'attention: chat server: stopped on purpose at 2026-11-28T10:00:00Z\n',
    ],
    [
      'the field that drifted',
      { services: [drifted] },
      [],
      5,
      'attention: chat server: changed since it was installed: ports: expected 1, found 2\n',
    ],
    [
      'a recalled release',
      { recalled: [recall] },
      [],
      6,
      'failing: chat 1.0.0: recalled: leak; roll back\n',
    ],
    [
      'a release whose signer is revoked',
      { untrusted: [{ ...recall, reason: 'its signer is revoked: Ann' }] },
      [],
      6,
      'failing: chat 1.0.0: its signer is revoked: Ann [signer-revoked]; roll back\n',
    ],
    [
      'a damaged ledger',
      { ledgerDamage: { fault, confirmed: 0 } },
      [],
      6,
      'failing: plant: changed: expected entry 2',
    ],
    [
      'each damaged file',
      { damage: { at: '2026-11-28T10:00:00Z', files: [lost] } },
      [],
      6,
      'failing: chat 1.0.0: stored file damaged at 2026-11-28T10:00:00Z: weights (/b) [blob-damaged];',
    ],
    [
      'a running command',
      { busy: 42 },
      [],
      5,
      'attention: plant: another command is running (process 42)',
    ],
    ['an interrupted command', { interrupted: true }, [], 5, 'attention: plant: a command was'],
    ['an incomplete import', {}, [partial], 5, 'attention: chat 2.0.0: its import is incomplete'],
    [
      'nothing installed',
      { generation: generation(0), services: [] },
      [],
      5,
      'attention: plant: nothing is installed\n',
    ],
  ])('reports %s', (_, changes, incoming, status, line) => {
    const { text, exitStatus } = check(changes, incoming);
    expect(exitStatus).toBe(status);
    expect(text).toContain(line);
    expect(text.split('\n')).toHaveLength(2);
  });

  it('prints one line per problem, the worst first, and exits by the worst', () => {
    const found = check({ services: [running, stopped], interrupted: true, recalled: [recall] });
    const severities = found.text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(':')[0]);
    expect(severities).toEqual(['failing', 'failing', 'attention']);
    expect(found.exitStatus).toBe(6);
    expect(found.json).toMatchObject({ status: 'failing', problems: expect.any(Array) });
  });

  it('escapes what a service or a recall contains', () => {
    expect(check({ recalled: [{ ...recall, reason: '\u001b[2J' }] }).text).not.toContain('\u001b');
  });
});
