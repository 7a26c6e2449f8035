import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { encodePrivateKey } from '../../../src/trust/key.ts';
import {
  type SimulatedSite,
  simulatedReleases,
  simulateSites,
  writeDocuments,
} from '../../lab/simulated-fleet.ts';
import { packedAt } from '../../support/context.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { smallBundle } from '../../support/small-bundle.ts';
import { authority } from '../../support/small-fleet.ts';

const scratch = scratchFolder(true);
const { root } = scratch;
const sites = [
  ...simulateSites({
    ...{ seed: 1, sites: 2, receipts: 5, faulty: 0 },
    // The newest receipts are old.
    until: new Date(packedAt.getTime() - 23 * 24 * 60 * 60 * 1000),
    releases: simulatedReleases(3),
  }),
] as [SimulatedSite, SimulatedSite];
const KEY = ['--key', 'release.key.pem', '--certificate', 'release.pem'];
const fleet = (...args: readonly string[]): Promise<Ran> =>
  runProgram(['fleet', ...args], root, { env: { STOWAGE_FLEET: 'works', SUDO_USER: 'engineer' } });

beforeAll(() => {
  const { key, certificate } = authority.signer;
  writeFileSync(join(root, 'root.pem'), encodeCertificate(authority.root));
  writeFileSync(join(root, 'release.key.pem'), encodePrivateKey(key));
  writeFileSync(join(root, 'release.pem'), encodeCertificate(certificate));
  for (const { name, documents } of sites) writeDocuments(join(root, name), documents);
});

describe('when a fleet is created and used', () => {
  const [site, other] = sites;
  const { fingerprint } = site.signer.certificate;

  it('needs the fingerprint of its trust document', async () => {
    const ran = await fleet('init', 'works', '--name', 'works', '--trust', 'root.pem');
    expect(ran.error?.code).toBe('trust-unconfirmed');
    const unnamed = await fleet('init', 'works', '--name', 'The Works', '--trust', 'root.pem');
    expect(unnamed.status).toBe(2);
  });

  it('is created once', async () => {
    const args = ['works', '--name', 'works', '--trust', 'root.pem'];
    const given = [...args, '--fingerprint', authority.root.fingerprint];
    expect(await fleet('init', ...given)).toMatchObject({ status: 0 });
    expect((await fleet('init', ...given)).error?.code).toBe('output-exists');
    expect((await fleet('sites')).stdout).toBe('no sites\n');
  });

  it('adds a site once its fingerprint was confirmed', async () => {
    const receipt = join(site.name, '0000000.json');
    const label = ['--label', 'region=north'];
    const wrong = await fleet('add-site', receipt, ...KEY, '--fingerprint', '0'.repeat(64));
    expect(wrong.error?.code).toBe('trust-unconfirmed');
    const added = await fleet('add-site', receipt, ...KEY, ...label, '--fingerprint', fingerprint);
    expect(added).toMatchObject({ status: 0, stderr: '' });
    expect(added.stdout).toContain(`added site ${site.name}\n`);
    const again = await fleet('add-site', receipt, ...KEY, '--fingerprint', fingerprint);
    expect(again.error?.code).toBe('output-exists');
  });

  it('takes the receipts of the site, and names those that it refuses', async () => {
    expect(await fleet('take', site.name)).toMatchObject({
      status: 0,
      stdout: 'recorded 5 documents of 1 site\n',
    });
    const mixed = await fleet('take', site.name, other.name);
    expect(mixed.status).toBe(5);
    expect(mixed.stdout).toContain('5 documents known already');
    expect(mixed.stdout).toContain('[signer-untrusted]');
    expect((await fleet('take', 'nowhere')).error?.code).toBe('file-missing');
  });

  it('shows the state of the fleet in 60 columns and in 200, and for monitoring', async () => {
    const wide = await fleet('status');
    expect(wide.stdout).toMatch(
      /^fleet works: 1 site, 0 failing, 1 needs attention\nSITE +HEALTH +RECEIPT +RUNS +PROBLEMS\n/,
    );
    for (const columns of [60, 200]) {
      const screen = Object.assign(new PassThrough(), { isTTY: true, columns });
      const { status } = await runProgram(['fleet', 'status'], root, {
        ...{ stdout: screen, env: { STOWAGE_FLEET: 'works' } },
      });
      const lines = String(screen.read()).split('\n');
      expect([status, Math.max(...lines.map((line) => line.length)) <= columns]).toEqual([0, true]);
    }
    expect(await fleet('status', '--check')).toMatchObject({
      status: 5,
      stdout: `${site.name}: attention: the newest receipt is 32 days old\n`,
    });
    expect((await fleet('status', '--by-release')).stdout).toMatch(
      /^RELEASE +SEQUENCE +SITES +HEALTHY\nchat 1\./,
    );
    expect((await fleet('status', '--check', '--by-release')).status).toBe(2);
    expect((await fleet('page', 'fleet.html')).stdout).toBe(`${join(root, 'fleet.html')}\n`);
    expect(readFileSync(join(root, 'fleet.html'), 'utf8')).toContain(site.name);
    const shown = await fleet('show', site.name);
    expect(shown.stdout).toMatch(/runs chat 1\.[0-9]\.0 since 2026-/);
    expect(shown.stdout.match(/ healthy /g)).toHaveLength(5);
    expect((await fleet('show', 'nowhere')).error?.code).toBe('site-unknown');
  });

  it('records releases, promotes and recalls them, and says what must travel', async () => {
    const { folder } = await smallBundle({
      place: join(root, 'made'),
      authority,
      channel: 'candidate',
    });
    expect((await fleet('releases')).stdout).toBe('no releases\n');
    expect((await fleet('add-release', folder)).stdout).toMatch(
      /^added chat 1\.0\.0, bundle [0-9a-f]{16}\n$/,
    );
    expect((await fleet('add-release', folder)).stdout).toMatch(/^known already: chat 1\.0\.0/);
    const promote = (...args: readonly string[]): Promise<Ran> =>
      fleet('promote', 'chat@1.0.0', '--to', 'stable', ...args);
    const missing = await promote('--check');
    expect(missing).toMatchObject({ status: 4, stdout: expect.stringContaining('  MISSING: ') });
    expect((await promote(...KEY)).error?.code).toBe('promotion-blocked');
    writeFileSync(
      join(root, 'works', 'fleet.yaml'),
      'apiVersion: stowage/v1\nname: works\nchannels: { candidate: {}, stable: { from: candidate } }\n',
    );
    expect(await promote('--check')).toMatchObject({ status: 0 });
    expect((await promote()).error?.code).toBe('usage-invalid');
    expect((await promote(...KEY)).stdout).toMatch(
      /^promoted chat 1\.0\.0 to stable\n {2}promotions\/stable\/[0-9a-f]{32}\.json\n$/,
    );
    expect((await fleet('releases')).stdout).toContain('candidate, stable');
    expect((await fleet('next', site.name)).stdout).toMatch(/^site-.*\n {2}notice: 1 promotion\n$/);
    const recall = (...args: readonly string[]): Promise<Ran> =>
      fleet('recall', 'chat', '--versions', '1.2.0', '--reason', 'leak', ...args, ...KEY);
    expect((await recall()).status).toBe(2);
    expect((await recall('--forward', '--back-to', '1.0.0')).status).toBe(2);
    expect((await recall('--back-to', '1.0')).status).toBe(2);
    expect((await recall('--back-to', '1.0.0')).status).toBe(0);
    expect((await fleet('next')).stdout).toContain('recall of chat 1.2.0: leak');
    expect((await fleet('status', '--check')).status).toBe(6);
    expect((await fleet('releases')).stdout).toContain(`still running: ${site.name}`);
  });

  it('changes the site, and keeps what is not given', async () => {
    const change = (...args: readonly string[]): Promise<Ran> =>
      fleet('change-site', site.name, ...args, ...KEY);
    expect((await change('--contact', 'Night desk', '--label', 'floor=2')).status).toBe(0);
    expect((await change('--remove-label', 'region', '--retire')).status).toBe(0);
    const { result } = await fleet('sites', '--json');
    expect(result?.json).toMatchObject({
      sites: [{ number: 3, contact: 'Night desk', labels: { floor: '2' }, retired: true }],
    });
    expect((await fleet('sites', '--label', 'floor=3')).stdout).toBe('no sites\n');
    const unknown = await fleet('change-site', 'site-0000', ...KEY);
    expect(unknown.error).toMatchObject({
      code: 'site-unknown',
      hint: `did you mean ${site.name}?`,
    });
  });

  it('replaces the key of the site only by a receipt of that site', async () => {
    const receipt = join(other.name, '0000000.json');
    const { fingerprint: its } = other.signer.certificate;
    const ran = await fleet(
      'change-site',
      site.name,
      '--receipt',
      receipt,
      ...KEY,
      '--fingerprint',
      its,
    );
    expect(ran.status).toBe(2);
  });

  it('is found whole by a check', async () => {
    expect(await fleet('check')).toMatchObject({
      status: 0,
      stdout: '20 documents and 8 ledger entries verified; the index is up to date\n',
    });
    writeFileSync(join(root, 'works', 'sites', site.name, '9.json'), '{}');
    const { error } = await fleet('check');
    expect(error?.code).toBe('fleet-damaged');
    expect(error?.defects).toEqual([`sites/${site.name}/9.json: no command recorded this file`]);
  });

  it('is not there in another folder', async () => {
    const ran = await runProgram(['fleet', 'sites'], scratch.root);
    expect(ran.error?.code).toBe('fleet-absent');
  });
});
