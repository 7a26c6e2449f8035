import { createSign, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type AlgorithmName, allAlgorithms } from '../../src/trust/algorithm.ts';
import { encodeCertificate } from '../../src/trust/certificate-file.ts';
import { attachSignature, prepareSignature, signDetached } from '../../src/trust/cms-sign.ts';
import { verifyDetached } from '../../src/trust/cms-verify.ts';
import { expectCode } from '../support/error.ts';
import { type Holder, makeAuthority, makeRoot, makeSigner, signedAt } from './authority.ts';
import { atSigning, openssl } from './openssl.ts';

const folder = mkdtempSync(join(tmpdir(), 'stowage-cms-'));
afterAll(() => rmSync(folder, { recursive: true }));

const content = Buffer.from(`${'ab'.repeat(64)}  bundle.json\n`);
const all: ReadonlySet<AlgorithmName> = new Set(allAlgorithms);
const root = makeRoot({ pathLength: 1 });
const p384 = makeSigner(root);
const rsa = makeSigner(root, { algorithm: 'rsa-pkcs1-sha384', name: 'RSA release' });
const mlDsa = makeSigner(makeRoot({ algorithm: 'ml-dsa-87' }), { algorithm: 'ml-dsa-87' });

describe('when content is signed', () => {
  it.each<[AlgorithmName, Holder]>([
    ['ecdsa-p384-sha384', p384],
    ['rsa-pkcs1-sha384', rsa],
    ['rsa-pss-sha384', rsa],
    ['ml-dsa-87', mlDsa],
  ])('verifies %s, with what it says', (algorithm, signer) => {
    const cms = signDetached(content, { ...signer, algorithm }, signedAt);
    const verified = verifyDetached(cms, content, all);
    expect(verified).toMatchObject({ algorithm, intermediates: [], signingTime: signedAt });
    expect(verified.certificate.fingerprint).toBe(signer.certificate.fingerprint);
  });

  it('truncates the signing time to the second', () => {
    const cms = signDetached(content, p384, new Date(signedAt.getTime() + 999));
    expect(verifyDetached(cms, content, all).signingTime).toEqual(signedAt);
  });

  it.each([0, 1, 1_000_000])('signs %i bytes', (length) => {
    const bytes = Buffer.alloc(length, 'x');
    const cms = signDetached(bytes, p384, signedAt);
    expect(verifyDetached(cms, bytes, all).signingTime).toEqual(signedAt);
  });

  it('includes the intermediate CA', () => {
    const authority = makeAuthority(root);
    const signer = { ...makeSigner(authority), intermediates: [authority.certificate] };
    const { intermediates } = verifyDetached(signDetached(content, signer, signedAt), content, all);
    expect(intermediates.map((each) => each.fingerprint)).toEqual([
      authority.certificate.fingerprint,
    ]);
  });
});

describe('when an officer verifies with openssl only', () => {
  const verify = (name: string, file: string): ReturnType<typeof openssl> => {
    const trust = ['-no-CApath', '-no-CAstore', '-CAfile', 'root.pem'];
    const input = ['-inform', 'DER', '-in', `${name}.p7s`, '-content', file];
    const args = ['cms', '-verify', '-binary', '-cades', ...trust, ...atSigning, ...input];
    return openssl([...args, '-out', 'verified'], folder);
  };
  writeFileSync(join(folder, 'root.pem'), encodeCertificate(root.certificate));
  writeFileSync(join(folder, 'SHA512SUMS'), content);
  writeFileSync(join(folder, 'CHANGED'), content.toString().replace('bundle', 'bungle'));
  const authority = makeAuthority(root);
  const below = { ...makeSigner(authority), intermediates: [authority.certificate] };

  it.each<[string, Parameters<typeof signDetached>[1]]>([
    ['P-384', p384],
    ['RSA PKCS #1', { ...rsa, algorithm: 'rsa-pkcs1-sha384' }],
    ['RSA PSS', { ...rsa, algorithm: 'rsa-pss-sha384' }],
    ['P-384 under an authority', below],
  ])('accepts %s and refuses changed content', (name, signer) => {
    writeFileSync(join(folder, `${name}.p7s`), signDetached(content, signer, signedAt));
    const { ok, stderr } = verify(name, 'SHA512SUMS');
    expect([ok, stderr]).toEqual([true, 'CAdES Verification successful\n']);
    expect(verify(name, 'CHANGED').ok).toBe(false);
  });

  it('refuses a signer of another root', () => {
    writeFileSync(
      join(folder, 'other.p7s'),
      signDetached(content, makeSigner(makeRoot()), signedAt),
    );
    expect(verify('other', 'SHA512SUMS').ok).toBe(false);
  });
});

describe('when the key is external', () => {
  const prepared = prepareSignature(content, p384, signedAt);

  it('prepares the same bytes each time', () => {
    const again = prepareSignature(content, p384, new Date(signedAt));
    expect(again.toBeSigned).toEqual(prepared.toBeSigned);
  });

  it('attaches the result of a token, in either form of ECDSA', () => {
    const der = createSign('sha384').update(prepared.toBeSigned).sign(p384.key);
    const raw = sign('sha384', prepared.toBeSigned, { key: p384.key, dsaEncoding: 'ieee-p1363' });
    expect(raw.length).toBe(96);
    for (const signature of [der, raw]) {
      const cms = attachSignature(prepared, signature);
      expect(verifyDetached(cms, content, all).algorithm).toBe('ecdsa-p384-sha384');
    }
  });

  it('refuses r and s with an additional zero', async () => {
    const raw = sign('sha384', prepared.toBeSigned, { key: p384.key, dsaEncoding: 'ieee-p1363' });
    const zero = Buffer.alloc(1);
    const longer = Buffer.concat([zero, raw.subarray(0, 48), zero, raw.subarray(48)]);
    await expectCode(() => attachSignature(prepared, longer), 'signature-invalid');
  });

  it.each([
    ['another key', sign('sha384', prepared.toBeSigned, makeSigner(root).key)],
    ['another hash', sign('sha256', prepared.toBeSigned, p384.key)],
    ['other bytes', sign('sha384', content, p384.key)],
    ['nothing', Buffer.alloc(0)],
    ['96 zeros', Buffer.alloc(96)],
  ])('refuses a signature by %s', async (_, signature) => {
    await expectCode(() => attachSignature(prepared, signature), 'signature-invalid');
  });
});

describe('when content cannot be signed', () => {
  it('refuses a key that does not match the certificate', async () => {
    const signer = { ...p384, key: makeSigner(root).key };
    await expectCode(() => signDetached(content, signer, signedAt), 'key-invalid');
  });

  it('refuses an algorithm of another kind of key', async () => {
    const signer = { ...p384, algorithm: 'rsa-pss-sha384' } as const;
    await expectCode(() => signDetached(content, signer, signedAt), 'algorithm-refused');
    await expectCode(() => prepareSignature(content, signer, signedAt), 'algorithm-refused');
  });

  it('refuses more certificates than a verifier accepts', async () => {
    const intermediates = [1, 2, 3, 4].map(() => makeAuthority(root).certificate);
    const signer = { ...p384, intermediates };
    await expectCode(() => signDetached(content, signer, signedAt), 'certificate-invalid');
    const most = { ...p384, intermediates: intermediates.slice(1) };
    const cms = signDetached(content, most, signedAt);
    expect(verifyDetached(cms, content, all).intermediates).toHaveLength(3);
  });
});
