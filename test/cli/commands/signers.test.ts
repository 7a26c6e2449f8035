import { describe, expect, it } from 'vitest';
import { signerLines } from '../../../src/cli/commands/signers.ts';
import type { SignerVerdict } from '../../../src/trust/policy.ts';

const verdict = (values: Partial<SignerVerdict>): SignerVerdict => ({
  ...{ name: 'officer.p7s', subject: 'CN=Officer', serial: '1', keyFingerprint: 'a'.repeat(64) },
  ...{ algorithm: 'ecdsa-p384-sha384', signingTime: new Date('2026-11-21T10:00:00Z') },
  ...{ root: 'agency', counted: true },
  ...values,
});
const other = verdict({ counted: false, reason: 'other-role' });
const counted = verdict({});

describe('when the signatures of a bundle are listed', () => {
  it.each<[string, SignerVerdict, boolean, string]>([
    ['a release signature', counted, false, 'signed by CN=Officer, * counts, under root agency'],
    ['an approval', other, true, 'approved by CN=Officer, * counts as approval, under root agency'],
    [
      'one of both',
      counted,
      true,
      'signed by CN=Officer, * counts, under root agency, also as approval',
    ],
    [
      'one of neither',
      other,
      false,
      'signed by CN=Officer, * does not count: its root belongs to another role',
    ],
  ])('has one line for %s', (_, signer, approves, line) => {
    const lines = signerLines([signer], approves ? [{ ...signer, counted: true }] : []);
    const [start = '', end = ''] = line.split('*');
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trim().startsWith(start)).toBe(true);
    expect(lines[0]?.endsWith(end)).toBe(true);
  });
});
