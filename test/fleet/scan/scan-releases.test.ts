import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { addRelease } from '../../../src/fleet/record-fact.ts';
import { takeDocuments } from '../../../src/fleet/take.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { encodePrivateKey } from '../../../src/trust/key.ts';
import { signed, siteSignerOf, writeDocuments } from '../../lab/simulated-fleet.ts';
import { packedAt } from '../../support/context.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { addSites, authority, byEngineer, newFleet } from '../../support/small-fleet.ts';
import { smallScanner } from '../../support/small-scanner.ts';

const scratch = scratchFolder(true);
const { root } = scratch;
const vault = { name: 'vault', signer: siteSignerOf('vault', new Date('2026-01-01T00:00:00Z')) };
const KEY = ['--key', 'release.key.pem', '--certificate', 'release.pem'];
let bundle: SmallBundle;
let scanner: string;
let clock = packedAt.getTime();

const fleet = (...args: readonly string[]): Promise<Ran> => {
  clock += 60_000;
  const now = (): Date => new Date(clock);
  const env = { STOWAGE_FLEET: 'works', PATH: process.env['PATH'] ?? '' };
  return runProgram(['fleet', ...args], root, { env, now });
};
const scan = (...args: readonly string[]): Promise<Ran> =>
  fleet('scan', '--scanner', scanner, '--db', 'db', ...args, ...KEY);

beforeAll(async () => {
  const { key, certificate } = authority.signer;
  writeFileSync(join(root, 'release.key.pem'), encodePrivateKey(key));
  writeFileSync(join(root, 'release.pem'), encodeCertificate(certificate));
  bundle = await smallBundle({ place: join(root, 'made'), authority });
  const folder = await newFleet(join(root, 'works'));
  await addSites(folder, [vault]);
  await addRelease(folder, bundle.folder, byEngineer());
  const { name, version, seq } = bundle.bundle;
  const receipt = signed(
    {
      schema: 'stowage/receipt/v4',
      ...{ site: 'vault', at: '2026-11-21T09:00:00Z', tool: 'stowage 0.1.0', intent: 'install' },
      ...{ outcome: 'kept', generation: 1, generations: [1], held: { blobs: 1, bytes: 1 } },
      releases: [{ name, version, seq, bundle: bundle.id }],
      ...{ health: [], gates: [] },
      host: { platform: 'linux/amd64', kernel: '6.1', engine: 'podman 5.2.0', labels: {} },
      ledger: { number: 4, digest: '4'.repeat(128) },
    },
    vault.signer,
    packedAt.getTime(),
  );
  writeDocuments(join(root, 'home'), [receipt]);
  await takeDocuments(folder, [join(root, 'home')], byEngineer());
  scanner = smallScanner(join(root, 'bin'), { 'example/tiny': 'Critical' });
});

/** A program in the place of grype. */
function script(text: string): string {
  const folder = scratch.fresh();
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'grype-odd');
  writeFileSync(program, `#!/bin/sh\n${text}\n`);
  chmodSync(program, 0o755);
  return program;
}

describe('when what the sites run is scanned', () => {
  it('records a signed advisory, and shows what is open', async () => {
    const ran = await scan();
    expect(ran.stdout).toMatch(
      /^chat 1\.0\.0: 1 vulnerability, 1 open, database of [^ ]*\n {2}advisories\/chat\/1\.json\n/,
    );
    expect(ran.status).toBe(5);
    const text = readFileSync(join(root, 'works/advisories/chat/1.json'), 'utf8');
    expect(JSON.parse(text)).toMatchObject({
      ...{ bomFormat: 'CycloneDX', specVersion: '1.6' },
      metadata: { component: { name: 'chat', hashes: [{ alg: 'SHA-512', content: bundle.id }] } },
      vulnerabilities: [
        {
          ...{ id: 'CVE-2026-12', ratings: [{ severity: 'critical' }] },
          ...{ analysis: { state: 'in_triage' }, recommendation: 'fixed in example/tiny 9.9.9' },
        },
      ],
    });
    expect((await fleet('status', '--check')).stdout).toContain(
      'chat 1.0.0 has 1 open vulnerability, by its scan of 2026-',
    );
    expect((await fleet('releases')).stdout).toContain('1 of 1 open, 2026-');
    expect((await fleet('check')).status).toBe(0);
  });

  it('is not affected because a person says so', async () => {
    writeFileSync(
      join(root, 'works/verdicts.yaml'),
      'apiVersion: stowage/v1\nverdicts:\n  - { id: CVE-2026-12, release: chat, state: not_affected, because: code_not_reachable, detail: no parser is called, by: J. Officer }\n',
    );
    const ran = await scan('chat@1.0.0');
    expect(ran).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('1 vulnerability, 0 open'),
    });
    const text = readFileSync(join(root, 'works/advisories/chat/2.json'), 'utf8');
    expect(JSON.parse(text)).toMatchObject({
      vulnerabilities: [
        {
          analysis: {
            ...{ state: 'not_affected', justification: 'code_not_reachable' },
            detail: 'no parser is called (J. Officer)',
          },
        },
      ],
    });
    expect((await fleet('status', '--check')).stdout).not.toContain('vulnerability');
  });

  it('does not count if the advisory was edited', async () => {
    const place = join(root, 'works/advisories/chat/2.json');
    const before = readFileSync(place, 'utf8');
    writeFileSync(place, before.replace('"not_affected"', '"exploitable" '));
    expect((await fleet('check')).error?.code).toBe('fleet-damaged');
    writeFileSync(place, before);
    expect((await fleet('check')).status).toBe(0);
  });

  it.each([
    ['fails', 'echo no database >&2; exit 1'],
    ['prints something else', 'echo done'],
    ['prints nothing', 'exit 0'],
    ['is killed', 'kill -9 $$'],
  ])('is refused where the scanner %s, and records nothing', async (_, text) => {
    const ran = await fleet('scan', '--scanner', script(text), ...KEY);
    expect(ran.error?.code).toBe('scan-failed');
    expect((await fleet('releases', '--json')).stdout).toContain('advisories/chat/2.json');
  });

  it('names a scanner that is missing, or that it does not know', async () => {
    const missing = await fleet('scan', '--scanner', './grype-that-is-not-there', ...KEY);
    expect(missing.error?.code).toBe('scan-failed');
    expect((await fleet('scan', '--scanner', 'clamav', ...KEY)).status).toBe(2);
    expect((await fleet('scan', 'chat@9.9.9', ...KEY)).error?.code).toBe('release-unknown');
  });

  it.each([
    [4, ''],
    [40, 'the database of grype is 40 days old'],
  ])('states that a database is %i days old, and warns: %j', async (days, warning) => {
    const built = new Date(clock - days * 24 * 60 * 60 * 1000).toISOString();
    const output = { matches: [], descriptor: { db: { status: { built } } } };
    const ran = await fleet(
      'scan',
      '--scanner',
      script(`echo '${JSON.stringify(output)}'`),
      ...KEY,
    );
    expect(ran.status).toBe(0);
    expect(ran.stdout).toContain(`0 vulnerabilities, 0 open, database of ${built.slice(0, 10)}\n`);
    expect(ran.stderr).toContain(warning);
    expect(ran.stderr.includes('days old')).toBe(warning !== '');
  });
});
