import { describe, expect, it } from 'vitest';
import { scanBill } from '../../../src/fleet/scan/run-scanner.ts';
import type { ScanReport } from '../../../src/format/scan-findings.ts';
import { context } from '../../support/context.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { smallScanner, smallTrivy } from '../../support/small-scanner.ts';

const scratch = scratchFolder(true);
const trivy = smallTrivy(scratch.fresh('bin'), 'openssl');
const grype = smallScanner(scratch.fresh('bin'), { libssl3: 'High' });
const purl = 'pkg:deb/debian/libssl3@3.0.11?upstream=openssl';

function image(name: string, system: string, version?: string): object {
  const os = { type: 'operating-system', 'bom-ref': `image:${name}/os`, name: system };
  return {
    ...{ type: 'container', 'bom-ref': `image:${name}`, name },
    components: [
      { ...os, ...(version === undefined ? {} : { version }) },
      { type: 'library', 'bom-ref': `image:${name}/${purl}`, name: 'libssl3', version: '3', purl },
    ],
  };
}

function scan(program: string, ...components: readonly object[]): Promise<ScanReport> {
  const env = { PATH: process.env['PATH'] ?? '' };
  const scanner = { program, database: scratch.root, env, root: process.getuid?.() === 0 };
  return scanBill(Buffer.from(JSON.stringify({ components })), scanner, context());
}

describe('when a scanner looks at the top level of an SBOM alone', () => {
  it('is given each image by itself', async () => {
    const { findings, unscanned } = await scan(
      trivy,
      ...[image('a', 'debian', '12'), image('b', 'debian', '13')],
    );
    expect(findings.map(({ id, ref }) => [id, ref])).toEqual([
      ['CVE-2026-1', `image:a/${purl}`],
      ['CVE-2026-1', `image:b/${purl}`],
    ]);
    expect(unscanned).toEqual([]);
  });

  it('finds nothing where there are no packages', async () => {
    const { findings, unscanned } = await scan(trivy, { type: 'file', name: 'x' });
    expect([findings, unscanned]).toEqual([[], []]);
  });
});

describe('when the variables of a user would leave out packages', () => {
  it('looks at all of them', async () => {
    const env = {
      PATH: process.env['PATH'] ?? '',
      ...{ TRIVY_SCANNERS: 'license', TRIVY_PKG_TYPES: 'library', TRIVY_EXIT_CODE: '1' },
    };
    const bill = Buffer.from(JSON.stringify({ components: [image('a', 'debian', '12')] }));
    const scanner = { program: trivy, env, root: process.getuid?.() === 0 };
    const { findings } = await scanBill(bill, scanner, context());
    expect(findings.map(({ id }) => id)).toEqual(['CVE-2026-1']);
  });
});

describe('when trivy says when its database was built', () => {
  it('states the date, and warns of an old one', async () => {
    const program = smallTrivy(scratch.fresh('bin'), 'openssl', '2026-11-01T06:00:00.123456Z');
    const listening = context();
    const bill = Buffer.from(JSON.stringify({ components: [image('a', 'debian', '12')] }));
    const scanner = { program, env: {}, root: process.getuid?.() === 0 };
    const { databaseBuilt } = await scanBill(bill, scanner, listening);
    expect(databaseBuilt).toBe('2026-11-01T06:00:00Z');
    expect(listening.events).toContainEqual(
      expect.objectContaining({ message: 'the database of trivy is 20 days old' }),
    );
  });
});

describe('when the distribution of an image is no longer supported', () => {
  it('warns, and names the image', async () => {
    const listening = context();
    const components = [image('a', 'debian', '12'), image('b', 'debian', '10')];
    const scanner = { program: trivy, env: {}, root: process.getuid?.() === 0 };
    await scanBill(Buffer.from(JSON.stringify({ components })), scanner, listening);
    const messages = listening.events.flatMap((each) => ('message' in each ? [each.message] : []));
    expect(messages.filter((each) => each.includes('supported'))).toEqual([
      'debian 10 of image:b is no longer supported',
    ]);
  });
});

describe('when a scanner does not say when its database was built', () => {
  it('warns', async () => {
    const listening = context();
    const scanner = { program: trivy, env: {}, root: process.getuid?.() === 0 };
    const bill = Buffer.from(JSON.stringify({ components: [] }));
    const { databaseBuilt } = await scanBill(bill, scanner, listening);
    expect(databaseBuilt).toBeUndefined();
    expect(listening.events).toContainEqual(
      expect.objectContaining({ message: 'trivy does not say when its database was built' }),
    );
  });
});

describe('when an SBOM does not list all packages', () => {
  it('says of which image', async () => {
    const compositions = [
      { aggregate: 'incomplete', assemblies: ['image:a'] },
      { aggregate: 'complete', assemblies: ['image:b'] },
    ];
    const bill = Buffer.from(JSON.stringify({ components: [], compositions }));
    const env = { PATH: process.env['PATH'] ?? '' };
    const scanner = { program: trivy, env, root: process.getuid?.() === 0 };
    expect((await scanBill(bill, scanner, context())).unscanned).toEqual([
      'the packages of image:a: the SBOM does not list all of them',
    ]);
  });
});

describe('when a scanner does not look at the packages of an image', () => {
  const why = 'the packages of image:b';
  it.each([
    [
      'a distribution that it does not know',
      trivy,
      image('b', 'slackware', '15'),
      `${why}: trivy does not know slackware 15`,
    ],
    [
      'a distribution without a version',
      trivy,
      image('b', 'debian'),
      `${why}: debian without a version`,
    ],
    [
      'a distribution without a version',
      grype,
      image('b', 'debian'),
      `${why}: debian without a version`,
    ],
  ])('says so of %s', async (_, program, other, expected) => {
    const { unscanned } = await scan(program, image('a', 'debian', '12'), other);
    expect(unscanned).toEqual([expected]);
  });
});
