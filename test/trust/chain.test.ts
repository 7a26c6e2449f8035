import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/error.ts';
import { oids } from '../../src/trust/algorithm.ts';
import { type Certificate, parseCertificate } from '../../src/trust/certificate.ts';
import { anchorOf, revocation } from '../../src/trust/chain.ts';
import { bitString, boolean, type Der, integer, oid, sequence } from '../../src/trust/der.ts';
import { expectCode } from '../support/error.ts';
import {
  type Holder,
  makeAuthority,
  makeRoot,
  makeSigner,
  nextSerial,
  signedAt,
  validity,
} from './authority.ts';
import {
  der,
  extension,
  leafExtensions,
  oddCertificate,
  type Pieces,
  subjectName,
} from './odd-certificate.ts';

const root = makeRoot();
const tall = makeRoot({ name: 'Tall root', pathLength: 1 });
const authority = makeAuthority(tall);
const signer = makeSigner(root);
const deep = makeSigner(authority);

interface Situation {
  readonly leaf: Certificate;
  readonly beside?: readonly Certificate[];
  readonly roots?: readonly Certificate[];
  readonly revoked?: readonly string[];
  readonly at?: Date;
}

function anchor({ leaf, beside = [], roots, revoked = [], at = signedAt }: Situation): Certificate {
  const signature = { certificate: leaf, intermediates: beside, signingTime: at };
  const pinned = roots ?? [root.certificate, tall.certificate];
  return anchorOf(signature, pinned, new Map(revoked.map((each) => [each, 'in 2026: key lost'])));
}

const refuses = (situation: Situation, code: ErrorCode = 'certificate-invalid') =>
  expectCode(() => anchor(situation), code);

/** Somebody who holds a certificate that is not as it should be. */
function odd(issuer: Holder, changes: Partial<Pieces>, base: Holder = signer): Holder {
  const bytes = oddCertificate(issuer, base.certificate.publicKey, changes);
  return { certificate: parseCertificate(bytes), key: base.key };
}

const { constraints, usage, purposes } = leafExtensions;
const authorityConstraints = extension(oids.basicConstraints, sequence(boolean(true)), true);
const authorityUsage = extension(oids.keyUsage, bitString(Buffer.from([0x06]), 1), true);
const purposesOf = (...list: string[]): Der =>
  extension(oids.extendedKeyUsage, sequence(...list.map(oid)), true);

describe('when a path leads to a pinned root', () => {
  it('finds it directly and through one authority', () => {
    expect(anchor({ leaf: signer.certificate })).toBe(root.certificate);
    const beside = [authority.certificate];
    expect(anchor({ leaf: deep.certificate, beside })).toBe(tall.certificate);
  });

  it('accepts the root itself in the file, if it is the pinned one', () => {
    expect(anchor({ leaf: signer.certificate, beside: [root.certificate] })).toBe(root.certificate);
    const beside = [authority.certificate, tall.certificate];
    expect(anchor({ leaf: deep.certificate, beside })).toBe(tall.certificate);
  });

  it('accepts the first and the last second of validity', () => {
    for (const at of [validity.notBefore, validity.notAfter])
      expect(anchor({ leaf: signer.certificate, at })).toBe(root.certificate);
  });

  it('accepts an intermediate CA that is pinned itself', () => {
    const roots = [authority.certificate];
    expect(anchor({ leaf: deep.certificate, roots })).toBe(authority.certificate);
  });

  it('uses the root that was valid when two have one key', () => {
    const pair = { privateKey: root.key, publicKey: root.certificate.publicKey };
    const notAfter = new Date('2026-02-01T00:00:00Z');
    const old = makeRoot({ pair, notAfter });
    const roots = [old.certificate, root.certificate];
    expect(anchor({ leaf: signer.certificate, roots })).toBe(root.certificate);
  });

  it('accepts a root without a key identifier, for a signer that names its issuer', () => {
    const extensions = [authorityConstraints, authorityUsage];
    const subject = der(root.certificate.subjectDer);
    const silent = odd(root, { subject, extensions }, root).certificate;
    expect(silent.subjectKeyId).toBeUndefined();
    expect(signer.certificate.authorityKeyId).toBeDefined();
    expect(anchor({ leaf: signer.certificate, roots: [silent] })).toBe(silent);
  });

  it('accepts a CA whose purposes include codeSigning', () => {
    const extensions = [authorityConstraints, authorityUsage, purposesOf(oids.codeSigning)];
    const issuer = odd(tall, { extensions, subject: subjectName });
    const leaf = makeSigner(issuer).certificate;
    expect(anchor({ leaf, beside: [issuer.certificate] })).toBe(tall.certificate);
  });

  it('accepts codeSigning among other purposes', () => {
    const { certificate: leaf } = odd(root, {
      extensions: [constraints, usage, purposesOf('1.3.6.1.5.5.7.3.1', oids.codeSigning)],
    });
    expect(anchor({ leaf })).toBe(root.certificate);
  });
});

describe('when no path leads to a pinned root', () => {
  it('refuses a root of the attacker with the same names', async () => {
    const twin = makeRoot();
    expect(twin.certificate.subjectDer).toEqual(root.certificate.subjectDer);
    const leaf = makeSigner(twin).certificate;
    const error = await refuses({ leaf }, 'signer-untrusted');
    expect(error.found).toContain('another root with the same name');
  });

  it('refuses a root of the attacker with the same names and key identifier', async () => {
    const twin = makeRoot();
    const id = (certificate: Certificate): Buffer =>
      Buffer.from(certificate.subjectKeyId ?? '', 'hex');
    const extensions = [
      constraints,
      usage,
      purposes,
      extension(
        oids.authorityKeyIdentifier,
        der(Buffer.concat([Buffer.from([0x30, 22, 0x80, 20]), id(root.certificate)])),
      ),
    ];
    await refuses({ leaf: odd(twin, { extensions }).certificate }, 'signer-untrusted');
    const { certificate } = odd(root, { extensions });
    expect(anchor({ leaf: certificate })).toBe(root.certificate);
  });

  it('refuses a root from the signature file', async () => {
    const twin = makeRoot();
    const leaf = makeSigner(twin).certificate;
    await refuses({ leaf, beside: [twin.certificate] }, 'signer-untrusted');
  });

  it('refuses every signer when nothing is pinned', async () => {
    await refuses({ leaf: signer.certificate, roots: [] }, 'signer-untrusted');
  });

  it('refuses the right key under another name', async () => {
    const pair = { privateKey: root.key, publicKey: root.certificate.publicKey };
    const renamed = makeRoot({ name: 'Renamed', pair });
    expect(renamed.certificate.subjectKeyId).toBe(root.certificate.subjectKeyId);
    const roots = [renamed.certificate];
    await refuses({ leaf: signer.certificate, roots }, 'signer-untrusted');
  });

  it('refuses a signer whose intermediate CA is missing', async () => {
    await refuses({ leaf: deep.certificate }, 'signer-untrusted');
  });

  it('refuses two intermediate CAs', async () => {
    const top = makeRoot({ name: 'Top', pathLength: 1 });
    const middle = makeAuthority(top, { name: 'Middle', pathLength: 1 });
    const low = makeAuthority(middle, { name: 'Low' });
    const leaf = makeSigner(low).certificate;
    const beside = [low.certificate, middle.certificate];
    await refuses({ leaf, beside, roots: [top.certificate] }, 'signer-untrusted');
  });

  it('refuses another key identifier under the right name and key', async () => {
    const extensions = [
      constraints,
      usage,
      purposes,
      extension(oids.authorityKeyIdentifier, der(Buffer.from('30048002abcd', 'hex'))),
    ];
    await refuses({ leaf: odd(root, { extensions }).certificate }, 'signer-untrusted');
  });

  it('refuses a certificate whose signature is damaged', async () => {
    const bytes = Buffer.from(signer.certificate.der);
    const at = bytes.length - 1;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await refuses({ leaf: parseCertificate(bytes) }, 'signer-untrusted');
  });

  it('does not follow certificates that sign each other', async () => {
    const a = makeRoot({ name: 'A' });
    const b = makeRoot({ name: 'B' });
    const pair = ({ key, certificate }: Holder): Parameters<typeof makeRoot>[0] => ({
      pair: { privateKey: key, publicKey: certificate.publicKey },
    });
    const ab = makeAuthority(b, { name: 'A', ...pair(a) });
    const ba = makeAuthority(a, { name: 'B', ...pair(b) });
    const leaf = makeSigner(a).certificate;
    const beside = [ab.certificate, ba.certificate, a.certificate];
    await refuses({ leaf, beside }, 'signer-untrusted');
    await refuses({ leaf, beside, roots: [b.certificate] });
    await refuses({ leaf: ab.certificate, beside: [ba.certificate] }, 'signer-untrusted');
  });
});

describe('when a certificate of the path is not valid for its use', () => {
  it.each<[string, readonly Der[]]>([
    ['without purposes', [constraints, usage]],
    ['for web servers alone', [constraints, usage, purposesOf('1.3.6.1.5.5.7.3.1')]],
    ['for mail alone', [constraints, usage, purposesOf(oids.emailProtection)]],
    ['for any purpose', [constraints, usage, purposesOf('2.5.29.37.0')]],
    ['without key usage', [constraints, purposes]],
    [
      'for encryption alone',
      [constraints, extension(oids.keyUsage, bitString(Buffer.from([0x20]), 5), true), purposes],
    ],
    ['that is an authority', [authorityConstraints, usage, purposes]],
  ])('refuses a signer %s', async (_, extensions) => {
    await refuses({ leaf: odd(root, { extensions }).certificate });
  });

  it('refuses a CA as the signer', async () => {
    const error = await refuses({ leaf: makeAuthority(root).certificate });
    expect(error.found).toBe('a CA certificate');
    const own = await refuses({ leaf: root.certificate });
    expect(own.found).toBe('a root certificate');
    expect(own.hint).toContain('the certificate of a signer');
  });

  it('refuses a signer that issued a signer', async () => {
    const leaf = oddCertificate(signer, deep.certificate.publicKey);
    const error = await refuses({
      leaf: parseCertificate(leaf),
      beside: [signer.certificate],
    });
    expect(error.found).toBe('not a CA certificate');
  });

  it.each<[string, readonly Der[]]>([
    ['without the key usage for it', [authorityConstraints]],
    ['with the key usage of a signer', [authorityConstraints, usage]],
    ['without constraints', [authorityUsage]],
    ['for web servers', [authorityConstraints, authorityUsage, purposesOf('1.3.6.1.5.5.7.3.1')]],
  ])('refuses an authority %s', async (_, extensions) => {
    const issuer = odd(tall, { extensions, subject: subjectName });
    const leaf = makeSigner(issuer).certificate;
    const error = await refuses({ leaf, beside: [issuer.certificate] });
    expect(error.message).toBe('O=Example Agency, CN=Odd is not valid for this use');
  });

  it('refuses an authority below a root whose path length is 0', async () => {
    const below = makeAuthority(root);
    const leaf = makeSigner(below).certificate;
    const error = await refuses({ leaf, beside: [below.certificate] });
    expect(error.expected).toContain('at most 0 CA certificates');
  });

  it('counts a self-issued CA in the path length', async () => {
    const self = odd(root, {
      subject: der(root.certificate.subjectDer),
      extensions: [authorityConstraints, authorityUsage],
    });
    const leaf = makeSigner(self).certificate;
    const error = await refuses({ leaf, beside: [self.certificate] });
    expect(error.expected).toContain('at most 0 CA certificates');
  });

  it('refuses a pinned certificate that is not a CA', async () => {
    const leaf = parseCertificate(oddCertificate(signer, deep.certificate.publicKey));
    await refuses({ leaf, roots: [signer.certificate] });
  });

  it('refuses an unrelated certificate', async () => {
    const strangers = [makeRoot().certificate, makeSigner(root).certificate, tall.certificate];
    for (const stranger of strangers) {
      const error = await refuses({ leaf: signer.certificate, beside: [stranger] });
      expect(error.found).toBe(stranger.subject);
    }
  });
});

describe('when a certificate was not valid at the signing time', () => {
  const second = 1000;
  const early = new Date(validity.notBefore.getTime() - second);
  const late = new Date(validity.notAfter.getTime() + second);

  it.each([
    ['a second before', early, 'before that'],
    ['a second after', late, 'after that'],
  ])('refuses a signature %s', async (_, at, found) => {
    const error = await refuses({ leaf: signer.certificate, at });
    expect(error.found).toBe(`${at.toISOString()}, ${found}`);
  });

  it.each([
    ['signer', { signer: { notAfter: early } }],
    ['authority', { authority: { notAfter: early } }],
    ['root', { root: { notAfter: early } }],
    ['signer of the future', { signer: { notBefore: late } }],
  ] as const)('refuses an expired %s', async (_, changes) => {
    const notBefore = new Date('2020-01-01T00:00:00Z');
    const end = new Date('2040-01-01T00:00:00Z');
    const dates = (change: object | undefined) => ({ notBefore, notAfter: end, ...change });
    const named = changes as Record<string, object | undefined>;
    const top = makeRoot({ pathLength: 1, ...dates(named['root']) });
    const middle = makeAuthority(top, dates(named['authority']));
    const leaf = makeSigner(middle, dates(named['signer'])).certificate;
    const beside = [middle.certificate];
    const error = await refuses({ leaf, beside, roots: [top.certificate] });
    expect(error.message).toContain('was not valid at the signing time');
  });
});

describe('when a certificate is revoked', () => {
  const { serial } = signer.certificate;
  const { fingerprint, keyFingerprint } = root.certificate;

  it('refuses its signatures, by either name of its issuer', async () => {
    for (const issuer of [fingerprint, keyFingerprint]) {
      const revoked = [revocation(issuer, serial)];
      const error = await refuses({ leaf: signer.certificate, revoked }, 'signer-revoked');
      expect(error.found).toContain(serial);
      expect(error.found).toContain('in 2026: key lost');
    }
  });

  it('refuses the certificates of a revoked CA', async () => {
    const revoked = [revocation(tall.certificate.fingerprint, authority.certificate.serial)];
    const beside = [authority.certificate];
    await refuses({ leaf: deep.certificate, beside, revoked }, 'signer-revoked');
  });

  it('refuses it also under a second certificate of the same root', async () => {
    const pair = { privateKey: root.key, publicKey: root.certificate.publicKey };
    const renewed = makeRoot({ pair });
    const roots = [renewed.certificate, root.certificate];
    const revoked = [revocation(fingerprint, serial)];
    await refuses({ leaf: signer.certificate, roots, revoked }, 'signer-revoked');
  });

  it('does not affect the same serial number of another issuer', () => {
    const revoked = [
      revocation(tall.certificate.fingerprint, serial),
      revocation(fingerprint, integer(nextSerial()).content.toString('hex')),
    ];
    expect(anchor({ leaf: signer.certificate, revoked })).toBe(root.certificate);
  });
});
