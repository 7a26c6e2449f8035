import { describe, expect, it } from 'vitest';
import { isSignedBy } from '../../src/trust/certificate.ts';
import { positive, throwawayAuthority } from '../../src/trust/throwaway.ts';

const now = new Date('2026-11-21T10:00:00Z');

describe('when an authority for trials is made', () => {
  const serials = [Buffer.alloc(16, 0xff), Buffer.alloc(16)] as const;
  const { root, release } = throwawayAuthority('Example Agency', now, serials);

  it('is valid from now, the root for ten years and the signer for two', () => {
    expect(root.certificate.notBefore).toEqual(now);
    expect(root.certificate.notAfter).toEqual(new Date('2036-11-21T10:00:00Z'));
    expect(release.certificate.notBefore).toEqual(now);
    expect(release.certificate.notAfter).toEqual(new Date('2028-11-21T10:00:00Z'));
  });

  it('is a root and a signer under it, by the serial numbers given', () => {
    expect(isSignedBy(release.certificate, root.certificate)).toBe(true);
    expect([root, release].map(({ certificate }) => certificate.authority)).toEqual([true, false]);
    expect(root.certificate.serial).toBe(`7f${'ff'.repeat(15)}`);
    expect(release.certificate.serial).toBe(`40${'00'.repeat(15)}`);
  });

  it('signs both certificates with ML-DSA-87 if that is chosen', () => {
    const made = throwawayAuthority('Example Agency', now, serials, 'ml-dsa-87');
    for (const { certificate } of [made.root, made.release])
      expect(certificate.signed.algorithm).toBe('ml-dsa-87');
    expect(isSignedBy(made.release.certificate, made.root.certificate)).toBe(true);
  });

  it('converts any 16 bytes to a positive number of 16 bytes', () => {
    for (const first of [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xff]) {
      const [byte = 0] = positive(Buffer.from([first, ...Array(15).fill(0)]));
      expect(byte & 0xc0).toBe(0x40);
      expect(byte & 0x3f).toBe(first & 0x3f);
    }
  });
});
