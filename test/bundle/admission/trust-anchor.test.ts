import { describe, expect, it } from 'vitest';
import { anchorTrust, readTrust } from '../../../src/bundle/admission/trust-anchor.ts';
import { writeCanonical } from '../../../src/format/document.ts';
import { trustKind } from '../../../src/format/trust.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { makeAuthority } from '../../support/small-bundle.ts';

const ours = makeAuthority();
const theirs = makeAuthority('Mallory');
const pem = (certificate: typeof ours.root): Buffer => Buffer.from(encodeCertificate(certificate));
const given = readTrust(pem(ours.root), packedAt);
const never = (): Promise<boolean> => Promise.reject(new Error('nobody is asked'));

describe('when trust is read', () => {
  it('accepts a root certificate in PEM or DER', () => {
    for (const bytes of [pem(ours.root), ours.root.der]) {
      const read = readTrust(bytes, packedAt);
      expect(read.trust).toEqual(ours.trust);
      expect(read.fingerprint).toBe(ours.root.fingerprint);
    }
  });

  it('accepts a trust document, and fingerprints the document itself', () => {
    const read = readTrust(writeCanonical(trustKind, ours.trust), packedAt);
    expect(read.trust).toEqual(ours.trust);
    expect(read.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(read.fingerprint).not.toBe(ours.root.fingerprint);
  });

  const wrong = [
    ['nothing', Buffer.alloc(0), 'certificate-invalid'],
    ['two certificates', Buffer.concat([pem(ours.root), pem(theirs.root)]), 'certificate-invalid'],
    ["a signer's certificate", pem(ours.signer.certificate), 'certificate-invalid'],
    ['text', Buffer.from('hello'), 'certificate-invalid'],
    ['another document', Buffer.from('{}'), 'document-invalid'],
    ['a spaced trust document', Buffer.from('{ }'), 'document-invalid'],
  ] as const;

  it.each(wrong)('refuses %s', async (_, bytes, code) => {
    await expectCode(() => readTrust(bytes, packedAt), code);
  });
});

describe('when a site gets its trust anchor', () => {
  it('asks for confirmation once', async () => {
    expect(await anchorTrust(undefined, given, async () => true)).toEqual(ours.trust);
    expect(await anchorTrust(ours.trust, undefined, never)).toEqual(ours.trust);
    expect(await anchorTrust(ours.trust, given, never)).toEqual(ours.trust);
  });

  it('keeps the pinned document when another over the same roots is given', async () => {
    const laxer = { ...given, trust: { ...ours.trust, version: 9 } };
    expect(await anchorTrust(ours.trust, laxer, never)).toEqual(ours.trust);
  });

  it('rejects an unconfirmed trust anchor', async () => {
    const error = await expectCode(
      () => anchorTrust(undefined, given, async () => false),
      'trust-unconfirmed',
    );
    // The fingerprint comes from paper, not from what is to be confirmed.
    expect(JSON.stringify(error)).not.toContain(ours.root.fingerprint);
  });

  it('rejects a site without a trust document', async () => {
    await expectCode(() => anchorTrust(undefined, undefined, never), 'trust-missing');
  });

  it('rejects roots other than the pinned ones, even if confirmed', async () => {
    const other = readTrust(pem(theirs.root), packedAt);
    const error = await expectCode(
      () => anchorTrust(ours.trust, other, async () => true),
      'trust-conflict',
    );
    expect(error).toMatchObject({
      expected: ours.root.fingerprint,
      found: theirs.root.fingerprint,
    });
    const namesake = readTrust(pem(makeAuthority().root), packedAt);
    await expectCode(() => anchorTrust(ours.trust, namesake, never), 'trust-conflict');
  });
});
