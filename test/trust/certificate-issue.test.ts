import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { oids } from '../../src/trust/algorithm.ts';
import { isSignedBy, parseCertificate } from '../../src/trust/certificate.ts';
import { encodeCertificate } from '../../src/trust/certificate-file.ts';
import {
  issueCertificate,
  positive,
  throwawayAuthority,
} from '../../src/trust/certificate-issue.ts';
import { bitString, boolean, sequence } from '../../src/trust/der.ts';
import { generateKey } from '../../src/trust/key.ts';
import { expectCode } from '../support/error.ts';
import { makeAuthority, makeRoot, makeSigner, nextSerial, validity } from './authority.ts';
import { der, extension, oddCertificate } from './odd-certificate.ts';
import { atSigning, openssl } from './openssl.ts';

const folder = mkdtempSync(join(tmpdir(), 'stowage-issue-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('when certificates are issued', () => {
  const root = makeRoot({ pathLength: 1 });
  const authority = makeAuthority(root);
  const signer = makeSigner(authority);

  it('gives a CA and a signer their extensions', () => {
    expect(root.certificate).toMatchObject({ authority: true, pathLength: 1 });
    expect(authority.certificate).toMatchObject({ authority: true, pathLength: 0 });
    expect(authority.certificate.keyUsage).toEqual(['keyCertSign', 'cRLSign']);
    expect(authority.certificate.authorityKeyId).toBe(root.certificate.subjectKeyId);
    expect(signer.certificate).toMatchObject({
      authority: false,
      keyUsage: ['digitalSignature'],
      purposes: [oids.codeSigning, oids.emailProtection],
      authorityKeyId: authority.certificate.subjectKeyId,
    });
  });

  it('names the issuing key, its own for a root, and none where the issuer does not name it', () => {
    expect(root.certificate.authorityKeyId).toBe(root.certificate.subjectKeyId);
    const silent = parseCertificate(
      oddCertificate(root, root.certificate.publicKey, {
        subject: der(root.certificate.subjectDer),
        extensions: [
          extension(oids.basicConstraints, sequence(boolean(true)), true),
          extension(oids.keyUsage, bitString(Buffer.from([0x06]), 1), true),
        ],
      }),
    );
    const below = makeSigner({ certificate: silent, key: root.key }).certificate;
    expect(below.authorityKeyId).toBeUndefined();
  });

  it('does not limit the purposes of a CA', () => {
    expect(root.certificate.purposes).toBeUndefined();
    expect(authority.certificate.purposes).toBeUndefined();
  });

  it('makes a chain that openssl accepts in strict mode', () => {
    for (const [name, { certificate }] of Object.entries({ root, authority, signer }))
      writeFileSync(join(folder, `${name}.pem`), encodeCertificate(certificate));
    const chain = ['-CAfile', 'root.pem', '-untrusted', 'authority.pem', 'signer.pem'];
    const { stdout, stderr } = openssl(['verify', '-x509_strict', ...atSigning, ...chain], folder);
    expect(stderr + stdout).toBe('signer.pem: OK\n');
  });

  it('accepts a name of 64 letters', () => {
    const name = 'x'.repeat(64);
    expect(makeRoot({ name }).certificate.subject).toBe(`O=Example Agency, CN=${name}`);
  });

  it('encodes validity past 2049 as GeneralizedTime', () => {
    const notAfter = new Date('2060-01-01T00:00:00Z');
    expect(makeRoot({ notAfter }).certificate.notAfter).toEqual(notAfter);
  });
});

describe('when a certificate cannot be issued', () => {
  const { privateKey, publicKey } = generateKey();
  const other = generateKey();
  const root = makeRoot();
  const base = {
    subject: { commonName: 'Release', organization: 'Example Agency' },
    publicKey,
    key: privateKey,
    authority: true,
    serial: nextSerial(),
    ...validity,
  } as const;

  it.each([
    ['a key that is not its own', { ...base, key: other.privateKey }],
    ['a key that is not the issuer', { ...base, issuer: { ...root, key: other.privateKey } }],
    ['no key', { ...base, key: undefined }],
    ['an empty name', { ...base, subject: { ...base.subject, commonName: '' } }],
    ['a name of 65 letters', { ...base, subject: { ...base.subject, commonName: 'x'.repeat(65) } }],
    ['a name with a newline', { ...base, subject: { ...base.subject, organization: 'a\nb' } }],
    ['serial number zero', { ...base, serial: Buffer.alloc(4) }],
    ['a serial number that takes 21 bytes', { ...base, serial: Buffer.alloc(20, 0xff) }],
    ['an end before its start', { ...base, notAfter: new Date('2020-01-01T00:00:00Z') }],
  ])('refuses %s', async (_, { key, ...request }) => {
    const asked = key === undefined ? request : { ...request, key };
    await expectCode(() => issueCertificate(asked), 'certificate-invalid');
  });
});

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
