import { appendFileSync, cpSync, mkdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { scanBill } from '../../src/fleet/scan/run-scanner.ts';
import type { Ran } from '../e2e/cli.ts';
import { grypeProgram, hasGrype } from '../lab/grype.ts';
import { grypeDatabase, type KnownVulnerability } from '../lab/grype-database.ts';
import { context } from '../support/context.ts';
import { scratchFolder } from '../support/scratch.ts';
import { skipBecause } from '../support/skip-because.ts';
import { billOfPrograms, type ScannedFleet, scannedFleet } from './scanned-fleet.ts';

// The real grype scans what a bundle says of its images and of its installer, with a database that knows these vulnerabilities.
const known: readonly KnownVulnerability[] = [
  // Debian publishes vulnerabilities under the names of source packages.
  {
    ...{ id: 'CVE-2026-20001', provider: 'debian', severity: 'high' },
    ...{ package: { ecosystem: 'deb', name: 'openssl' }, below: '3.0.15-1~deb12u1', fixed: true },
  },
  {
    ...{ id: 'CVE-2026-20002', provider: 'debian', severity: 'negligible' },
    ...{ package: { ecosystem: 'deb', name: 'zlib' }, below: '1:1.3', fixed: false },
  },
  {
    ...{ id: 'GHSA-2c2c-4f4f-9h9h', aliases: ['CVE-2026-20003'], provider: 'github' },
    ...{ severity: 'medium', package: { ecosystem: 'python', name: 'jinja2' } },
    ...{ below: '3.1.6', fixed: true },
  },
  {
    ...{ id: 'GHSA-3j3j-5m5m-7p7p', aliases: ['CVE-2026-20004'], provider: 'github' },
    ...{ severity: 'critical', package: { ecosystem: 'npm', name: '@example/parser' } },
    ...{ below: '2.0.0', fixed: true },
  },
  {
    ...{ id: 'CVE-2026-20005', provider: 'nvd', severity: 'high' },
    ...{ product: { vendor: 'nodejs', name: 'node.js' }, below: '24.0.1', fixed: true },
  },
  {
    ...{ id: 'GO-2026-6000', aliases: ['CVE-2026-20006'], provider: 'govulndb' },
    ...{ severity: 'high', package: { ecosystem: 'go-module', name: 'stdlib' } },
    ...{ below: '1.23.2', fixed: true },
  },
];

const REASON = 'grype is built from its sources, which needs Go 1.26 and a module proxy';
const BUILD_TIME = 2_400_000;
const available = await hasGrype();
const scratch = scratchFolder();
const built = new Date();
let grype: string;
let database: string;
let fleet: ScannedFleet;

const scan = (name: string, ...args: readonly string[]): Promise<Ran> =>
  fleet.scan(name, '--scanner', grype, '--db', database, ...args);

beforeAll(async () => {
  if (!available) return;
  grype = await grypeProgram();
  database = await grypeDatabase(scratch.fresh('db'), grype, { built, known });
  fleet = await scannedFleet(scratch);
}, BUILD_TIME);

afterAll(async () => {
  await fleet?.stop();
});

beforeEach((test) => {
  if (!available) skipBecause(test, REASON);
});

describe('when grype scans the SBOM of a bundle', () => {
  it('finds every package that its database knows as bad', async () => {
    const ran = await scan('chat@1.0.0');
    expect([ran.status, ran.complaints]).toEqual([5, []]);
    expect(ran.json.advisories).toMatchObject([
      {
        total: 4,
        open: 4,
        databaseBuilt: expect.stringContaining(built.toISOString().slice(0, 10)),
      },
    ]);
    const { vulnerabilities } = fleet.advisoryOf(ran);
    const property = (value: string): object => ({ name: 'stowage:package', value });
    expect(vulnerabilities).toMatchObject([
      {
        ...{ id: 'CVE-2026-20001', ratings: [{ severity: 'high' }] },
        recommendation: 'fixed in libssl3 3.0.15-1~deb12u1',
        properties: [property('libssl3 3.0.11-1~deb12u2')],
      },
      {
        ...{ id: 'CVE-2026-20002', ratings: [{ severity: 'low' }] },
        properties: [property('zlib1g 1:1.2.13.dfsg-1+b1')],
      },
      {
        ...{ id: 'GHSA-2c2c-4f4f-9h9h', ratings: [{ severity: 'medium' }] },
        references: [{ id: 'CVE-2026-20003' }],
        properties: [property('Jinja2 3.1.2')],
      },
      {
        ...{ id: 'GHSA-3j3j-5m5m-7p7p', ratings: [{ severity: 'critical' }] },
        references: [{ id: 'CVE-2026-20004' }],
        properties: [property('@example/parser 1.4.0')],
      },
    ]);
    for (const each of vulnerabilities)
      expect(each).toMatchObject({ analysis: { state: 'in_triage' } });
  });

  it('links each finding to its component in the SBOM', async () => {
    const ran = await scan('chat@1.0.0');
    expect(fleet.linkedComponents(ran, '1.0.0')).toHaveLength(4);
  });

  it('shows the verdicts of a person in the next scan', async () => {
    const unreachable = 'state: not_affected, because: code_not_reachable';
    fleet.judge({
      'CVE-2026-20001': `package: libssl3, ${unreachable}`,
      'CVE-2026-20002': unreachable,
      // What grype calls by another name.
      'CVE-2026-20003': unreachable,
      'GHSA-3j3j-5m5m-7p7p': 'state: exploitable',
    });
    const ran = await scan('chat@1.0.0');
    expect([ran.status, ran.json.advisories]).toMatchObject([5, [{ total: 4, open: 1 }]]);
    const closed = { analysis: { state: 'not_affected', justification: 'code_not_reachable' } };
    expect(fleet.advisoryOf(ran).vulnerabilities).toMatchObject([
      ...[closed, closed, closed],
      { analysis: { state: 'exploitable', detail: 'no certificate is read (J. Officer)' } },
    ]);
    expect((await fleet.run('check')).status).toBe(0);
  });

  it('finds nothing where the packages are fixed or gone', async () => {
    const ran = await scan('chat@1.1.0');
    expect([ran.status, ran.complaints]).toEqual([0, []]);
    expect(ran.json.advisories).toMatchObject([{ total: 0, open: 0 }]);
    expect(fleet.advisoryOf(ran).vulnerabilities).toEqual([]);
  });

  it('says that packages of a distribution without a version were not scanned', async () => {
    const ran = await scan('chat@1.2.0');
    expect(ran.status).toBe(5);
    expect(ran.json.advisories).toMatchObject([
      { total: 2, unscanned: ['the packages of image:server: debian without a version'] },
    ]);
  });

  it('warns of an old database, and states its date', async () => {
    const old = new Date(built.getTime() - 40 * 24 * 60 * 60 * 1000);
    const place = await grypeDatabase(scratch.fresh('db'), grype, { built: old, known });
    const ran = await scan('chat@1.1.0', '--db', place);
    expect(ran.complaints).toEqual([
      expect.stringContaining('the database of grype is 40 days old'),
    ]);
    expect(ran.json.advisories[0].databaseBuilt).toContain(old.toISOString().slice(0, 10));
  });
});

describe('when the database of grype cannot be used', () => {
  it.each<[string, (folder: string) => void, RegExp]>([
    ['is missing', (folder) => mkdirSync(folder), /database does not exist/],
    [
      'is not as it was imported',
      (folder) => appendFileSync(copied(folder), 'x'),
      /bad db checksum/,
    ],
    ['is cut off', (folder) => truncateSync(copied(folder), 4096), /^exit status 1: .*database/],
  ])('is refused where it %s, and records nothing', async (_, prepare, found) => {
    const folder = scratch.fresh('database');
    prepare(folder);
    const before = (await fleet.run('releases')).stdout;
    const { json } = await scan('chat@1.0.0', '--db', folder);
    expect(json.error).toMatchObject({
      code: 'scan-failed',
      found: expect.stringMatching(found),
    });
    expect((await fleet.run('releases')).stdout).toBe(before);
  });

  /** The file of a copy of the database. */
  function copied(folder: string): string {
    cpSync(database, folder, { recursive: true });
    return join(folder, '6/vulnerability.db');
  }
});

describe('when grype scans what no package manager installed', () => {
  it('finds the Node of the installer, and the library of a program in Go', async () => {
    const env = { PATH: process.env['PATH'] };
    const scanner = { program: grype, database, env, root: process.getuid?.() === 0 };
    const { findings } = await scanBill(billOfPrograms(), scanner, context());
    expect(findings.map((each) => [each.id, each.package, each.purl])).toEqual([
      ['CVE-2026-20005', 'node', 'pkg:generic/node@24.0.0'],
      ['GO-2026-6000', 'stdlib', 'pkg:golang/stdlib@1.23.1'],
    ]);
  });
});
