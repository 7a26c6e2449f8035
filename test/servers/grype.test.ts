import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sbom } from '../../src/build/sbom/sbom.ts';
import type { ImagePackages } from '../../src/content/bill-entry.ts';
import { packageUrl } from '../../src/content/package.ts';
import type { Digest } from '../../src/core/digest.ts';
import { canonicalBytes } from '../../src/core/json.ts';
import { scanBill } from '../../src/fleet/scan/run-scanner.ts';
import { sampleOf } from '../build/samples.ts';
import { type Ran, stowage } from '../e2e/cli.ts';
import { type ConnectedSide, connectedSide } from '../e2e/connected.ts';
import { installerComponents } from '../format/samples.ts';
import { grypeProgram, hasGrype } from '../lab/grype.ts';
import { grypeDatabase, type KnownVulnerability } from '../lab/grype-database.ts';
import { beginLayout, writeImage, writeLayer, writeTags } from '../lab/image-layout.ts';
import { pushLayout, type Registry, startRegistry } from '../lab/registry.ts';
import { context } from '../support/context.ts';
import { cyclonedx } from '../support/cyclonedx.ts';
import { scratchFolder } from '../support/scratch.ts';
import { skipBecause } from '../support/skip-because.ts';

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
const work = scratch.fresh('work');
const at = (...names: readonly string[]): string => join(work, ...names);
const KEY = ['--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem'];
const built = new Date();
let grype: string;
let database: string;
let registry: Registry;
let side: ConnectedSide;

interface Versions {
  readonly openssl: string;
  readonly jinja2: string;
  readonly parser: string;
}

/** The files of an image, by which package managers know what is in it. */
function rootOf({ openssl, jinja2, parser }: Versions): Readonly<Record<string, string>> {
  return {
    'usr/lib/os-release':
      'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
    'var/lib/dpkg/status': [
      'Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.4+deb12u8\n',
      `Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: ${openssl}\n`,
      'Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib (1:1.2.13.dfsg-1)\nVersion: 1:1.2.13.dfsg-1+b1\n',
    ].join('\n'),
    'usr/lib/python3/dist-packages/Jinja2.dist-info/METADATA': `Metadata-Version: 2.1\nName: Jinja2\nVersion: ${jinja2}\n`,
    'app/node_modules/@example/parser/package.json': JSON.stringify({
      ...{ name: '@example/parser', version: parser },
    }),
  };
}

async function release(version: string, files: Readonly<Record<string, string>>): Promise<string> {
  const [root, layout] = [scratch.fresh('root'), scratch.fresh('layout')];
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  beginLayout(layout);
  const layers = [await writeLayer(layout, root)];
  const platform = { os: 'linux', architecture: 'amd64' };
  writeTags(layout, { [version]: writeImage(layout, { platform, layers, config: {} }) });
  const image = `${registry.host}/lab/server:${version}`;
  await pushLayout(layout, version, image);
  const manifest = `apiVersion: stowage/v1
name: chat
version: ${version}
platforms: [linux/amd64]
images:
  - name: server
    source: ${image}
`;
  return side.release(manifest, `chat-${version}`, '--no-installer');
}

const fleet = (...args: readonly string[]): Promise<Ran> =>
  stowage({ cwd: work, env: { STOWAGE_FLEET: at('fleet') } }, 'fleet', ...args);
const scan = (name: string, ...args: readonly string[]): Promise<Ran> =>
  fleet('scan', name, '--scanner', grype, '--db', database, ...args, ...KEY);

async function must(running: Promise<Ran>): Promise<void> {
  const { status, stdout, stderr } = await running;
  expect(status, `${stdout}${stderr}`).toBe(0);
}

interface Recorded {
  readonly vulnerabilities: readonly {
    readonly id: string;
    readonly affects: readonly { readonly ref: string }[];
  }[];
}

/** The advisory that a scan made, which is valid CycloneDX. */
function advisoryOf({ json }: Ran): Recorded {
  const advisory = JSON.parse(
    readFileSync(at('fleet', json.advisories[0].document), 'utf8'),
  ) as Recorded;
  const valid = cyclonedx();
  valid(advisory);
  expect(valid.errors ?? []).toEqual([]);
  return advisory;
}

beforeAll(async () => {
  if (!available) return;
  grype = await grypeProgram();
  database = await grypeDatabase(scratch.fresh('db'), grype, { built, known });
  mkdirSync(work);
  registry = await startRegistry(scratch.fresh('registry'));
  side = await connectedSide(work, { hub: { url: 'http://127.0.0.1:9' } });
  const trust = ['--trust', side.root, '--fingerprint', side.fingerprint];
  await must(fleet('init', at('fleet'), '--name', 'works', ...trust));
  const old = { openssl: '3.0.11-1~deb12u2', jinja2: '3.1.2', parser: '1.4.0' };
  await must(fleet('add-release', await release('1.0.0', rootOf(old))));
  const { 'var/lib/dpkg/status': status = '', ...newer } = rootOf({
    ...{ openssl: '3.0.15-1~deb12u1', jinja2: '3.1.6', parser: '2.0.0' },
  });
  const without = status.split('\n\n').filter((each) => !each.includes('zlib1g'));
  const files = { ...newer, 'var/lib/dpkg/status': `${without.join('\n\n')}\n` };
  await must(fleet('add-release', await release('1.1.0', files)));
  const unstable = { ...rootOf(old), 'usr/lib/os-release': 'ID=debian\n' };
  await must(fleet('add-release', await release('1.2.0', unstable)));
}, BUILD_TIME);

afterAll(async () => {
  await registry?.stop();
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
    const { vulnerabilities } = advisoryOf(ran);
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
    const bill = JSON.parse(readFileSync(at('chat-1.0.0/attestations/sbom.cdx.json'), 'utf8'));
    const refs = bill.components[0].components.map(
      (each: { 'bom-ref': string }) => each['bom-ref'],
    );
    const links = advisoryOf(await scan('chat@1.0.0')).vulnerabilities.flatMap(({ affects }) =>
      affects.map(({ ref }) => ref.split('#')),
    );
    expect(links).toHaveLength(4);
    for (const [document, ref = ''] of links) {
      expect(document).toBe(`${bill.serialNumber.replace('urn:uuid:', 'urn:cdx:')}/1`);
      expect(refs).toContain(decodeURIComponent(ref));
    }
  });

  it('shows the verdicts of a person in the next scan', async () => {
    const verdict = (id: string, more: string): string =>
      `  - { id: ${id}, ${more}, detail: no certificate is read, by: J. Officer }\n`;
    const unreachable = 'state: not_affected, because: code_not_reachable';
    writeFileSync(
      at('fleet/verdicts.yaml'),
      [
        'apiVersion: stowage/v1\nverdicts:\n',
        verdict('CVE-2026-20001', `package: libssl3, ${unreachable}`),
        verdict('CVE-2026-20002', unreachable),
        // What grype calls by another name.
        verdict('CVE-2026-20003', unreachable),
        verdict('GHSA-3j3j-5m5m-7p7p', 'state: exploitable'),
      ].join(''),
    );
    const ran = await scan('chat@1.0.0');
    expect([ran.status, ran.json.advisories]).toMatchObject([5, [{ total: 4, open: 1 }]]);
    const closed = { analysis: { state: 'not_affected', justification: 'code_not_reachable' } };
    expect(advisoryOf(ran).vulnerabilities).toMatchObject([
      ...[closed, closed, closed],
      { analysis: { state: 'exploitable', detail: 'no certificate is read (J. Officer)' } },
    ]);
    expect((await fleet('check')).status).toBe(0);
  });

  it('finds nothing where the packages are fixed or gone', async () => {
    const ran = await scan('chat@1.1.0');
    expect([ran.status, ran.complaints]).toEqual([0, []]);
    expect(ran.json.advisories).toMatchObject([{ total: 0, open: 0 }]);
    expect(advisoryOf(ran).vulnerabilities).toEqual([]);
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
    const before = (await fleet('releases')).stdout;
    const { json } = await scan('chat@1.0.0', '--db', folder);
    expect(json.error).toMatchObject({
      code: 'scan-failed',
      found: expect.stringMatching(found),
    });
    expect((await fleet('releases')).stdout).toBe(before);
  });

  /** The file of a copy of the database. */
  function copied(folder: string): string {
    cpSync(database, folder, { recursive: true });
    return join(folder, '6/vulnerability.db');
  }
});

describe('when grype scans what no package manager installed', () => {
  it('finds the Node of the installer, and the library of a program in Go', async () => {
    const { lock } = sampleOf(100);
    const components = installerComponents();
    const installer = {
      ...{ platform: 'linux/amd64', path: 'stowage-linux-x64', size: 1, crc32: '00000000' },
      ...{ sha512: components.sha512, components },
    };
    const library = { type: 'golang', name: 'stdlib', version: '1.23.1' } as const;
    const found = { ...library, url: packageUrl(library, undefined), locations: ['usr/bin/tool'] };
    const packages = new Map<Digest, ImagePackages>(
      lock.images.flatMap(({ platforms }) =>
        platforms.map(({ manifest }) => [manifest, { packages: [found], unread: [] }] as const),
      ),
    );
    const bill = canonicalBytes(sbom(lock, { packages, models: new Map() }, [installer]));
    const env = { PATH: process.env['PATH'] };
    const scanner = { program: grype, database, env, root: process.getuid?.() === 0 };
    const { findings } = await scanBill(bill, scanner, context());
    expect(findings.map((each) => [each.id, each.package, each.purl])).toEqual([
      ['CVE-2026-20005', 'node', 'pkg:generic/node@24.0.0'],
      ['GO-2026-6000', 'stdlib', 'pkg:golang/stdlib@1.23.1'],
    ]);
  });
});
