import { describe, expect, it } from 'vitest';
import { describeTrust } from '../../../src/bundle/report/describe-trust.ts';
import { makeAuthority } from '../../support/small-bundle.ts';

const { root, trust } = makeAuthority();
const document = { trust, fingerprint: 'ab'.repeat(32), subject: 'trust document 1' };

describe('when a report describes the trusted roots', () => {
  it('distinguishes a root certificate from a trust document', () => {
    const bare = { trust, fingerprint: root.fingerprint, subject: root.subject };
    expect(describeTrust(bare, trust).kind).toBe('root');
    expect(describeTrust(document, trust).kind).toBe('document');
  });

  it('describes the document that applied, and names the given one', () => {
    const newer = {
      ...trust,
      version: 3,
      issuedAt: '2026-11-20T00:00:00Z',
      expiresAt: '2027-11-20T00:00:00Z',
      revoked: [{ issuer: root.fingerprint, serial: '2f', reason: 'laptop stolen' }],
    };
    expect(describeTrust(document, newer)).toMatchObject({
      subject: 'trust document 1',
      fingerprint: document.fingerprint,
      walkedFrom: 1,
      version: 3,
      issuedAt: '2026-11-20T00:00:00Z',
      expiresAt: '2027-11-20T00:00:00Z',
      revoked: 1,
      roots: [{ certificate: root.fingerprint, subject: root.subject }],
    });
    expect(describeTrust(document, trust).walkedFrom).toBeUndefined();
  });
});
