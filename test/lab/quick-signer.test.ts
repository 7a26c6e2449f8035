import { describe, expect, it } from 'vitest';
import { parseSiteDocument } from '../../src/fleet/site-document.ts';
import { allAlgorithms } from '../../src/trust/algorithm.ts';
import { verifyDetached } from '../../src/trust/cms-verify.ts';
import { expectCode } from '../support/error.ts';
import { quickSigner } from './quick-signer.ts';
import { simulatedReleases, simulateSites, siteSignerOf } from './simulated-fleet.ts';

const at = new Date('2026-11-21T10:00:00Z');

describe('when a corpus is signed', () => {
  it('has signatures that verify, and do not for other content', async () => {
    const signer = siteSignerOf('vault', at);
    const sign = quickSigner(signer);
    for (const text of ['one', 'two', '']) {
      const content = Buffer.from(text);
      const signature = sign(content, at);
      const { certificate } = verifyDetached(signature, content, new Set(allAlgorithms));
      expect(certificate.fingerprint).toBe(signer.certificate.fingerprint);
      const other = Buffer.from(`${text}.`);
      await expectCode(
        () => verifyDetached(signature, other, new Set(allAlgorithms)),
        'signature-invalid',
      );
    }
  });

  it('has receipts that a site could have written', () => {
    const [site] = simulateSites({
      ...{ seed: 1, sites: 1, receipts: 30, faulty: 0, failing: 0.2, until: at },
      releases: simulatedReleases(5),
    });
    const outcomes = site?.documents.map(({ bytes, signature }) => {
      const { content } = parseSiteDocument(bytes, signature);
      return content.kind === 'receipt' ? content.receipt.outcome : content.kind;
    });
    expect(new Set(outcomes)).toEqual(new Set(['kept', 'rolled-back']));
  });
});
