import { describe, expect, it } from 'vitest';
import type { KeptAdvisory } from '../../src/site/notices.ts';
import { scansOf } from '../../src/site/release-scans.ts';
import { release } from '../support/deployed.ts';

const bundle = 'a'.repeat(128);
const scan: KeptAdvisory = {
  ...{ at: '2026-11-21T10:00:00Z', about: 'chat 1.0.0', bundle, scanner: 'grype' },
  ...{ vulnerabilities: [], notScanned: [], issuer: 'works', serial: 1 },
};
const { scanner: _, ...byHand } = scan;
const { bundle: __, ...ofNoBundle } = scan;

describe('when a site is asked whether its releases were scanned', () => {
  it.each<[string, readonly KeptAdvisory[], KeptAdvisory | undefined]>([
    ['was', [byHand, scan], scan],
    ['was not: there is no advisory', [], undefined],
    [
      'was not: another bundle with its version was',
      [{ ...scan, bundle: 'b'.repeat(128) }],
      undefined,
    ],
    ['was not: the scan names no bundle', [ofNoBundle], undefined],
    ['was not: a person wrote of it', [byHand], undefined],
  ])('says that one %s', (_name, advisories, expected) => {
    const about = { release: 'chat', version: '1.0.0', bundle };
    expect(scansOf([release()], advisories)).toEqual([
      expected === undefined ? about : { ...about, scan: expected },
    ]);
  });
});
