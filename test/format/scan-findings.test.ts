import { describe, expect, it } from 'vitest';
import { databaseOfTrivy, readScan } from '../../src/format/scan-findings.ts';
import { verdictsKind } from '../../src/format/verdicts.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { expectCode } from '../support/error.ts';

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const match = (values: object = {}): object => ({
  vulnerability: {
    id: 'CVE-2026-1',
    severity: 'High',
    fix: { versions: ['3.0.2'], state: 'fixed' },
  },
  artifact: { name: 'openssl', version: '3.0.1', purl: 'pkg:deb/debian/openssl@3.0.1' },
  ...values,
});

describe('when the output of a scanner is read', () => {
  const expected = {
    ...{ id: 'CVE-2026-1', severity: 'high', package: 'openssl', version: '3.0.1' },
    ...{ purl: 'pkg:deb/debian/openssl@3.0.1', fixedIn: ['3.0.2'] },
  };

  it('is the same from grype and from trivy, each finding once', () => {
    expect(readScan('grype', bytes({ matches: [match(), match()], source: 1 }))).toEqual({
      findings: [expected],
    });
    const trivy = {
      VulnerabilityID: 'CVE-2026-1',
      ...{ Severity: 'HIGH', PkgName: 'openssl', InstalledVersion: '3.0.1' },
      ...{ FixedVersion: '3.0.2', PkgIdentifier: { PURL: 'pkg:deb/debian/openssl@3.0.1' } },
    };
    const results = [{ Class: 'os-pkgs' }, { Vulnerabilities: [trivy] }];
    expect(readScan('trivy', bytes({ Results: results }))).toEqual({
      ...{ findings: [expected], sawSystem: true },
    });
    expect(readScan('trivy', bytes({ SchemaVersion: 2 }))).toEqual({
      ...{ findings: [], sawSystem: false },
    });
  });

  it('has whether trivy says that a system is no longer supported', () => {
    const about = (OS: object): Buffer => bytes({ Metadata: { OS: { Family: 'debian', ...OS } } });
    expect(readScan('trivy', about({ EOSL: true })).systemEnded).toBe(true);
    expect(readScan('trivy', about({}))).not.toHaveProperty('systemEnded');
  });

  it.each([
    ['Negligible', 'low'],
    ['Critical', 'critical'],
    ['Bad', 'unknown'],
    [null, 'unknown'],
  ])('has severity %s as %s', (severity, level) => {
    const vulnerability = { id: 'CVE-2026-1', severity };
    const [found] = readScan('grype', bytes({ matches: [match({ vulnerability })] })).findings;
    expect(found?.severity).toBe(level);
  });

  it.each([
    ['GHSA-1', ['CVE-2026-7'], 'CVE-2026-7'],
    ['GHSA-1', ['CVE-2026-7', 'CVE-2026-7', 'PYSEC-1'], 'CVE-2026-7'],
    // A verdict on one of them says nothing of the other.
    ['ALAS-1', ['CVE-2026-7', 'CVE-2026-8'], undefined],
    ['CVE-2026-1', ['CVE-2026-7'], undefined],
    ['GHSA-1', ['GHSA-2'], undefined],
    ['GHSA-1', [], undefined],
  ])('knows %s with the related %j as %s', (id, related, cve) => {
    const relatedVulnerabilities = related.map((each) => ({ id: each }));
    const all = [match({ vulnerability: { id }, relatedVulnerabilities })];
    expect(readScan('grype', bytes({ matches: all })).findings[0]?.cve).toBe(cve);
  });

  it.each([
    ['2026-11-20T00:00:00Z', '2026-11-20T00:00:00Z'],
    ['yesterday', undefined],
    ['', undefined],
    [null, undefined],
  ])('has a database built at %j as %s', (built, expected) => {
    const descriptor = { name: 'grype', db: { status: { built } } };
    expect(readScan('grype', bytes({ matches: [], descriptor })).databaseBuilt).toBe(expected);
  });

  it('keeps the same package of two images apart, where the scanner does', () => {
    const artifact = (id: string): object => ({
      name: 'openssl',
      version: '1',
      id,
      purl: 'pkg:a/b@1',
    });
    const all = ['image:b/x', 'image:a/x'].map((id) => match({ artifact: artifact(id) }));
    const { findings } = readScan('grype', bytes({ matches: all }));
    expect(findings.map(({ ref }) => ref)).toEqual(['image:a/x', 'image:b/x']);
  });

  it('shows no control characters of it', () => {
    const vulnerability = { id: 'CVE-2026-1\u001b[2J\u202e' };
    const [found] = readScan('grype', bytes({ matches: [match({ vulnerability })] })).findings;
    expect(found?.id).not.toMatch(/[\u001b\u202e]/);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('no database')],
    ['a list', bytes([])],
    ['no matches', bytes({})],
    ['a match without a package', bytes({ matches: [{ vulnerability: { id: 'x' } }] })],
    ['a name without end', bytes({ matches: [match({ artifact: { name: 'x'.repeat(3000) } })] })],
    ['matches without end', bytes({ matches: Array.from({ length: 20_001 }, () => match()) })],
  ])('is refused: %s', async (_, output) => {
    await expectCode(() => readScan('grype', output), 'scan-failed');
  });
});

describe('when people write verdicts', () => {
  const text = (values: string): Buffer =>
    Buffer.from(`apiVersion: stowage/v1\nverdicts:\n  - { id: CVE-2026-1, ${values} }\n`);

  it('need a reason for not_affected alone, and a name', async () => {
    const good = 'state: not_affected, because: code_not_reachable, detail: off, by: J. Officer';
    expect(readYaml(verdictsKind, text(good)).verdicts).toHaveLength(1);
    for (const bad of [
      'state: not_affected, detail: off, by: J. Officer',
      'state: exploitable, because: code_not_reachable, detail: off, by: J. Officer',
      'state: not_affected, because: luck, detail: off, by: J. Officer',
      'state: exploitable, detail: bad',
      'state: fine, detail: off, by: J. Officer',
    ])
      await expectCode(() => readYaml(verdictsKind, text(bad)), 'document-invalid');
  });
});

describe('when trivy is asked when its database was built', () => {
  it.each<[string, object, string | undefined]>([
    [
      'the date',
      { VulnerabilityDB: { UpdatedAt: '2026-11-20T06:12:13.456789012Z' } },
      '2026-11-20T06:12:13Z',
    ],
    ['no database', { Version: '0.74.0' }, undefined],
    ['no date', { VulnerabilityDB: { UpdatedAt: 'soon' } }, undefined],
  ])('reads %s', (_, answer, expected) => {
    expect(databaseOfTrivy(bytes(answer))).toBe(expected);
  });

  it('fails on anything else', async () => {
    await expectCode(() => databaseOfTrivy(Buffer.from('Version: 0.74.0')), 'scan-failed');
  });
});
