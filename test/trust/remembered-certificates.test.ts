import { describe, expect, it } from 'vitest';
import { MAX_CERTIFICATE_BYTES } from '../../src/core/limits.ts';
import { rememberedCertificates } from '../../src/trust/remembered-certificates.ts';
import { siteSignerOf } from '../lab/simulated-fleet.ts';
import { expectCode } from '../support/error.ts';

const certificates = Array.from(
  { length: 17 },
  (_, at) => siteSignerOf(`site-${at}`, new Date('2026-01-01T00:00:00Z')).certificate.der,
);
const [first = Buffer.alloc(0), ...others] = certificates;

describe('when certificates are read again and again', () => {
  it('gives the one that was read before for the same bytes', () => {
    const parse = rememberedCertificates();
    const certificate = parse(first);
    expect(parse(Buffer.from(first))).toBe(certificate);
    expect(parse(new Uint8Array(first))).toBe(certificate);
    expect(parse(others[0] ?? first)).not.toBe(certificate);
  });

  it('forgets the oldest beyond sixteen', () => {
    const parse = rememberedCertificates();
    const certificate = parse(first);
    for (const each of others.slice(0, 15)) parse(each);
    expect(parse(first)).toBe(certificate);
    for (const each of others) parse(each);
    expect(parse(first)).not.toBe(certificate);
    expect(parse(first)).toEqual(certificate);
  });

  it('refuses one that differs in a byte, each time, and one that is too large', async () => {
    const parse = rememberedCertificates();
    parse(first);
    const bent = Buffer.from(first);
    bent[4] = (bent[4] ?? 0) ^ 1;
    for (const _ of [1, 2]) await expectCode(() => parse(bent), 'certificate-invalid');
    const large = Buffer.alloc(MAX_CERTIFICATE_BYTES + 1);
    await expectCode(() => parse(large), 'certificate-invalid');
  });
});
