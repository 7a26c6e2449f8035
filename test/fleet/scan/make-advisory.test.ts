import { describe, expect, it } from 'vitest';
import { makeAdvisory } from '../../../src/fleet/scan/make-advisory.ts';
import type { ScanFinding } from '../../../src/format/scan-findings.ts';
import type { Verdict } from '../../../src/format/verdicts.ts';
import { cyclonedx } from '../../support/cyclonedx.ts';

const purl = 'pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&distro=debian-12&upstream=openssl';
const library = (image: string): object => ({
  ...{ type: 'library', 'bom-ref': `image:${image}/${purl}`, name: 'libssl3', purl },
});
const image = (name: string): object => ({
  ...{ type: 'container', 'bom-ref': `image:${name}`, name, components: [library(name)] },
});
const bill = Buffer.from(
  JSON.stringify({
    serialNumber: 'urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79',
    components: [image('server'), image('proxy')],
  }),
);
const ghsa: ScanFinding = {
  ...{ id: 'GHSA-aaaa-bbbb-cccc', cve: 'CVE-2026-20002', severity: 'medium' },
  ...{ package: 'libssl3', version: '3.0.11-1~deb12u2', purl, fixedIn: ['3.0.15-1~deb12u1'] },
};
const unaffected: Verdict = {
  ...{ id: 'CVE-2026-20002', state: 'not_affected', because: 'code_not_reachable' },
  ...{ detail: 'no certificate is read', by: 'J. Officer' },
};

interface Made {
  readonly vulnerabilities: readonly Readonly<Record<string, unknown>>[];
  readonly metadata: {
    readonly tools: { readonly components: readonly object[] };
    readonly properties: readonly object[];
  };
}

function made(findings: readonly ScanFinding[], verdicts: readonly Verdict[] = []): Made {
  const advisory = makeAdvisory({
    ...{ bill, verdicts, scanner: 'grype', at: '2026-11-30T00:00:00Z' },
    release: { name: 'chat', version: '1.0.0', bundle: 'a'.repeat(128) },
    report: { findings, databaseBuilt: '2026-11-28T00:00:00Z', unscanned: ['an image'] },
  });
  const valid = cyclonedx();
  valid(advisory);
  expect(valid.errors ?? []).toEqual([]);
  return advisory as unknown as Made;
}

describe('when findings become an advisory', () => {
  it('names a package in each image that has it', () => {
    const [found] = made([ghsa]).vulnerabilities;
    const link = 'urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#';
    expect(found?.['affects']).toEqual(
      ['server', 'proxy'].map((name) => ({
        ref: `${link}${encodeURIComponent(`image:${name}/${purl}`)}`,
        versions: [{ version: '3.0.11-1~deb12u2', status: 'unknown' }],
      })),
    );
  });

  it.each([
    [`image:proxy/${purl}`, ['proxy']],
    ['0123456789abcdef', ['server', 'proxy']],
  ])(
    'names the one component that the scanner calls %s, if that is one of the SBOM',
    (ref, images) => {
      const [found] = made([{ ...ghsa, ref }]).vulnerabilities;
      const refs = images.map((name) => encodeURIComponent(`image:${name}/${purl}`));
      const affected = found?.['affects'] as readonly { readonly ref: string }[];
      expect(affected.map((each) => each.ref.replace(/^.*#/, ''))).toEqual(refs);
    },
  );

  it('applies a verdict on the CVE to the same vulnerability under another name', () => {
    const { vulnerabilities } = made([ghsa], [unaffected]);
    expect(vulnerabilities).toMatchObject([
      {
        id: 'GHSA-aaaa-bbbb-cccc',
        references: [{ id: 'CVE-2026-20002', source: { name: 'CVE' } }],
        analysis: { state: 'not_affected', justification: 'code_not_reachable' },
      },
    ]);
  });

  it('applies no verdict on one CVE to an id that stands for several', () => {
    const { cve: _, ...several } = ghsa;
    const [found] = made([several], [unaffected]).vulnerabilities;
    expect(found).toMatchObject({ analysis: { state: 'in_triage' } });
    expect(found).not.toHaveProperty('references');
  });

  it('rates a vulnerability by the package that it is worst in', () => {
    const { purl: _, ...other } = { ...ghsa, package: 'openssl', severity: 'high' as const };
    const [found, ...rest] = made([ghsa, other]).vulnerabilities;
    expect(rest).toEqual([]);
    expect(found).toMatchObject({ ratings: [{ severity: 'high' }] });
  });

  it('states what was not scanned', () => {
    expect(made([]).metadata.properties).toEqual([
      { name: 'stowage:not-scanned', value: 'an image' },
    ]);
  });

  it('states when the database of the scanner was built', () => {
    expect(made([]).metadata.tools.components[1]).toEqual({
      ...{ type: 'application', name: 'grype' },
      properties: [{ name: 'stowage:database-built', value: '2026-11-28T00:00:00Z' }],
    });
  });
});
