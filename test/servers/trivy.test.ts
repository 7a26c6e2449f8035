import { cpSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { scanBill } from '../../src/fleet/scan/run-scanner.ts';
import type { Ran } from '../e2e/cli.ts';
import { hasTrivy, trivyProgram, trivyWriter } from '../lab/trivy.ts';
import { type KnownVulnerability, trivyDatabase } from '../lab/trivy-database.ts';
import { context } from '../support/context.ts';
import { scratchFolder } from '../support/scratch.ts';
import { skipBecause } from '../support/skip-because.ts';
import { billOfPrograms, oldRoot, type ScannedFleet, scannedFleet } from './scanned-fleet.ts';

// The real trivy scans what a bundle says of its images, one at a time, with a database that knows these vulnerabilities.
const known: readonly KnownVulnerability[] = [
  // Debian publishes vulnerabilities under the names of source packages.
  {
    ...{ id: 'CVE-2026-20001', severity: 'HIGH', ecosystem: 'debian', package: 'openssl' },
    below: '3.0.15-1~deb12u1',
  },
  { id: 'CVE-2026-20002', severity: 'LOW', ecosystem: 'debian', package: 'zlib' },
  {
    ...{ id: 'CVE-2026-20003', vendorIds: ['GHSA-2c2c-4f4f-9h9h'], severity: 'MEDIUM' },
    ...{ ecosystem: 'pip', package: 'jinja2', below: '3.1.6' },
  },
  {
    ...{ id: 'GHSA-3j3j-5m5m-7p7p', severity: 'CRITICAL', ecosystem: 'npm' },
    ...{ package: '@example/parser', below: '2.0.0' },
  },
  {
    ...{ id: 'CVE-2026-20005', severity: 'HIGH', ecosystem: 'npm', package: 'undici' },
    below: '7.0.1',
  },
  {
    ...{ id: 'CVE-2026-20006', vendorIds: ['GO-2026-6000'], severity: 'HIGH', ecosystem: 'go' },
    ...{ package: 'stdlib', below: '1.23.2' },
  },
];

const REASON =
  'trivy is not built: run `node test/lab/trivy.ts` once, which takes up to an hour and needs Go 1.26 and a module proxy';
const DAY_MS = 24 * 60 * 60 * 1000;
const available = hasTrivy();
const scratch = scratchFolder();
const built = new Date();
let trivy: string;
let writer: string;
let database: string;
let fleet: ScannedFleet;

const scan = (name: string, ...args: readonly string[]): Promise<Ran> =>
  fleet.scan(name, '--scanner', trivy, '--db', database, ...args);

beforeAll(async () => {
  if (!available) return;
  trivy = await trivyProgram();
  writer = await trivyWriter();
  database = await trivyDatabase(scratch.fresh('db'), writer, { built, known });
  fleet = await scannedFleet(scratch);
  await fleet.add('1.3.0', { ...oldRoot, 'usr/lib/os-release': 'ID=lab\nVERSION_ID=3\n' });
  const { 'usr/lib/os-release': _, ...unnamed } = oldRoot;
  await fleet.add('1.4.0', {
    ...unnamed,
    'lib/apk/db/installed': 'P:musl\nV:1.2.5-r0\nA:x86_64\n\n',
  });
  await fleet.add('1.5.0', { ...oldRoot, 'usr/lib/os-release': 'ID=debian\nVERSION_ID=9\n' });
});

afterAll(async () => {
  await fleet?.stop();
});

beforeEach((test) => {
  if (!available) skipBecause(test, REASON);
});

describe('when trivy scans the SBOM of a bundle', () => {
  it('finds every package that its database knows as bad', async () => {
    const ran = await scan('chat@1.0.0');
    expect([ran.status, ran.complaints]).toEqual([5, []]);
    expect(ran.json.advisories).toMatchObject([
      {
        ...{ total: 4, open: 4, unscanned: [] },
        databaseBuilt: expect.stringContaining(built.toISOString().slice(0, 10)),
      },
    ]);
    const property = (value: string): object => ({ name: 'stowage:package', value });
    const { vulnerabilities } = fleet.advisoryOf(ran);
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
        ...{ id: 'CVE-2026-20003', ratings: [{ severity: 'medium' }] },
        recommendation: 'fixed in Jinja2 3.1.6',
        properties: [property('Jinja2 3.1.2')],
      },
      {
        ...{ id: 'GHSA-3j3j-5m5m-7p7p', ratings: [{ severity: 'critical' }] },
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
      'CVE-2026-20002': `package: libssl3, ${unreachable}`,
      'CVE-2026-20003': unreachable,
      'GHSA-3j3j-5m5m-7p7p': 'state: exploitable',
    });
    const ran = await scan('chat@1.0.0');
    expect([ran.status, ran.json.advisories]).toMatchObject([5, [{ total: 4, open: 2 }]]);
    const closed = { analysis: { state: 'not_affected', justification: 'code_not_reachable' } };
    expect(fleet.advisoryOf(ran).vulnerabilities).toMatchObject([
      closed,
      // That verdict is about another package.
      { analysis: { state: 'in_triage' } },
      closed,
      { analysis: { state: 'exploitable', detail: 'no certificate is read (J. Officer)' } },
    ]);
    expect((await fleet.run('check')).status).toBe(0);
  });

  it('finds nothing where the packages are fixed or gone', async () => {
    const ran = await scan('chat@1.1.0');
    expect([ran.status, ran.complaints]).toEqual([0, []]);
    expect(ran.json.advisories).toMatchObject([{ total: 0, open: 0, unscanned: [] }]);
    expect(fleet.advisoryOf(ran).vulnerabilities).toEqual([]);
  });

  it.each([
    ['without a version', 'chat@1.2.0', 'debian without a version'],
    ['that it does not know', 'chat@1.3.0', 'trivy does not know lab 3'],
  ])('says that packages of a distribution %s were not scanned', async (_, name, why) => {
    const ran = await scan(name);
    expect(ran.status).toBe(5);
    expect(ran.json.advisories).toMatchObject([
      { total: 2, unscanned: [`the packages of image:server: ${why}`] },
    ]);
  });

  it('scans what it can where an image has packages of two systems, and names neither', async () => {
    const ran = await scan('chat@1.4.0');
    expect(ran.status).toBe(5);
    expect(ran.json.advisories).toMatchObject([
      {
        total: 2,
        unscanned: ['the packages of image:server: an unknown system without a version'],
      },
    ]);
  });

  it('warns of a distribution that is no longer supported', async () => {
    const ran = await scan('chat@1.5.0');
    expect(ran.complaints).toEqual([
      expect.stringContaining('debian 9 of image:server is no longer supported'),
    ]);
  });

  it('looks at all packages, whatever its variables say', async () => {
    const variables = {
      TRIVY_SCANNERS: 'license',
      TRIVY_PKG_TYPES: 'library',
      TRIVY_EXIT_CODE: '1',
    };
    const env = { PATH: process.env['PATH'], ...variables };
    const scanner = { program: trivy, database, env, root: process.getuid?.() === 0 };
    const { findings } = await scanBill(fleet.bill('1.0.0'), scanner, context());
    expect(findings).toHaveLength(4);
  });

  it('warns of a database that does not say when it was built', async () => {
    const place = scratch.fresh('db');
    cpSync(database, place, { recursive: true });
    writeFileSync(join(place, 'db/metadata.json'), JSON.stringify({ Version: 2 }));
    const ran = await scan('chat@1.1.0', '--db', place);
    expect(ran.complaints).toEqual([
      expect.stringContaining('trivy does not say when its database was built'),
    ]);
    expect(ran.json.advisories[0]).not.toHaveProperty('databaseBuilt');
  });

  it('warns of an old database, and states its date', async () => {
    const old = new Date(built.getTime() - 40 * DAY_MS);
    const place = await trivyDatabase(scratch.fresh('db'), writer, { built: old, known });
    const ran = await scan('chat@1.1.0', '--db', place);
    expect(ran.complaints).toEqual([
      expect.stringContaining('the database of trivy is 40 days old'),
    ]);
    expect(ran.json.advisories[0].databaseBuilt).toContain(old.toISOString().slice(0, 10));
  });
});

describe('when the database of trivy cannot be used', () => {
  it.each<[string, (folder: string) => void, RegExp]>([
    ['is missing', (folder) => mkdirSync(folder), /cannot be specified on the first run/],
    [
      'has no date',
      (folder) => rmSync(join(copied(folder), 'metadata.json')),
      /cannot be specified on the first run/,
    ],
    ['is of another schema', (folder) => changeSchema(copied(folder)), /old DB schema/],
    ['is cut off', (folder) => truncateSync(join(copied(folder), 'trivy.db'), 4096), /exit status/],
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

  /** The folder of the files of a copy of the database. */
  function copied(folder: string): string {
    cpSync(database, folder, { recursive: true });
    return join(folder, 'db');
  }

  function changeSchema(folder: string): void {
    const file = join(folder, 'metadata.json');
    const { Version: _, ...rest } = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ Version: 1, ...rest }));
  }
});

describe('when trivy scans what no package manager installed', () => {
  it('finds the library of a program in Go, and a package of the installer', async () => {
    const env = { PATH: process.env['PATH'] };
    const scanner = { program: trivy, database, env, root: process.getuid?.() === 0 };
    const { findings } = await scanBill(billOfPrograms(), scanner, context());
    expect(findings.map((each) => [each.id, each.package, each.purl])).toEqual([
      ['CVE-2026-20005', 'undici', 'pkg:npm/undici@7.0.0'],
      ['CVE-2026-20006', 'stdlib', 'pkg:golang/stdlib@1.23.1'],
    ]);
  });
});
