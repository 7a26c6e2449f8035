import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/error.ts';
import { algorithmIdentifier, oids } from '../../src/trust/algorithm.ts';
import { type Certificate, isSignedBy, parseCertificate } from '../../src/trust/certificate.ts';
import {
  bitString,
  boolean,
  contextTag,
  type Der,
  explicit,
  integer,
  nullValue,
  octetString,
  oid,
  primitive,
  sequence,
  setOf,
  time,
  utf8String,
} from '../../src/trust/der.ts';
import { generateKey } from '../../src/trust/key.ts';
import { encodePublicKey } from '../../src/trust/public-key.ts';
import { expectCode } from '../support/error.ts';
import { makeRoot, validity } from './authority.ts';
import {
  der,
  extension,
  leafExtensions,
  oddCertificate,
  type Pieces,
  signWithHash,
} from './odd-certificate.ts';

const root = makeRoot();
const leaf = generateKey();
const { constraints, usage, purposes } = leafExtensions;

const make = (changes: Partial<Pieces>, key: KeyObject = leaf.publicKey): Buffer =>
  oddCertificate(root, key, changes);
const refuses = (changes: Partial<Pieces>, code: ErrorCode = 'certificate-invalid') =>
  expectCode(() => parseCertificate(make(changes)), code);

describe('when a certificate is within the profile', () => {
  it('returns its fields', () => {
    const bytes = make({ serial: integer(0x00a1b2) });
    const certificate = parseCertificate(bytes);
    const oracle = new X509Certificate(bytes);
    expect(certificate.der).toEqual(bytes);
    expect(certificate.subject).toBe('O=Example Agency, CN=Odd');
    expect(certificate.issuer).toBe('O=Example Agency, CN=Root');
    expect(certificate.serial).toBe('a1b2');
    expect(certificate.fingerprint).toBe(oracle.fingerprint256.replaceAll(':', '').toLowerCase());
    expect(certificate.notBefore).toEqual(oracle.validFromDate);
    expect(certificate.notAfter).toEqual(oracle.validToDate);
    expect(encodePublicKey(certificate.publicKey)).toEqual(encodePublicKey(leaf.publicKey));
    expect(certificate.authority).toBe(false);
    expect(certificate.keyUsage).toEqual(['digitalSignature']);
    expect(certificate.purposes).toEqual([oids.codeSigning]);
  });

  it('verifies the signature of its issuer and of no other', () => {
    const certificate = parseCertificate(make({}));
    expect(isSignedBy(certificate, root.certificate)).toBe(true);
    expect(isSignedBy(certificate, makeRoot().certificate)).toBe(false);
    const mlDsa = makeRoot({ algorithm: 'ml-dsa-87' }).certificate;
    expect(isSignedBy(certificate, mlDsa)).toBe(false);
  });

  it.each<[string, readonly Der[]]>([
    ['a subject alternative name', [extension(oids.subjectAltName, sequence())]],
    ['a policy', [extension(oids.certificatePolicies, sequence(sequence(oid('2.5.29.32.0'))))]],
    ['a list of revocations', [extension(oids.crlDistributionPoints, sequence())]],
    ['an address of its authority', [extension(oids.authorityInfoAccess, sequence())]],
  ])('passes over %s', (_, extensions) => {
    expect(parseCertificate(make({ extensions })).authority).toBe(false);
  });

  it('escapes control characters', () => {
    const name = (text: string): Der =>
      sequence(setOf([sequence(oid('2.5.4.3'), utf8String(text))]));
    const { subject } = parseCertificate(make({ subject: name('a,b\u001b[2J\u202e\n') }));
    expect(subject).toBe('CN=a\\,b<U+001B>[2J<U+202E><U+000A>');
    const teletex = sequence(oid('2.5.4.3'), primitive(0x14, Buffer.from('\u001b[2J')));
    const odd = parseCertificate(make({ subject: sequence(setOf([teletex])) }));
    expect(odd.subject).toBe('CN=#14041b5b324a');
  });
});

describe('when a certificate is outside the profile', () => {
  const unknown = '1.3.6.1.4.1.99999.1';
  const sizedInteger = (bytes: number, fill: number): Der =>
    primitive(0x02, Buffer.alloc(bytes, fill));
  const moment = (text: string): Der => time(new Date(text));

  it.each<[string, string, Partial<Pieces>]>([
    ['version 1', 'a version other than 3', { version: [], extensions: [] }],
    ['version 1 with extensions', 'a version other than 3', { version: [] }],
    ['no extension at all', 'a body of 7 fields', { extensions: [] }],
    ['version 2', 'a version other than 3', { version: [explicit(0, integer(1))] }],
    ['version 4', 'a version other than 3', { version: [explicit(0, integer(3))] }],
    [
      'a negative serial number',
      'a serial number that is not positive',
      { serial: sizedInteger(4, 0x80) },
    ],
    ['serial number zero', 'a serial number that is not positive', { serial: integer(0) }],
    [
      'a serial number of 21 bytes',
      'a serial number of 21 bytes',
      { serial: sizedInteger(21, 0x11) },
    ],
    ['an issuer without attributes', 'the issuer has 0 members', { issuer: sequence() }],
    ['a subject without attributes', 'the subject has 0 members', { subject: sequence() }],
    [
      'a unique identifier',
      'a body of 9 fields',
      { ids: [primitive(contextTag(1), Buffer.from([0, 1]))] },
    ],
    [
      'a validity that ends before it starts',
      'a validity that ends before it starts',
      { validity: sequence(moment('2027-01-01T00:00:00Z'), moment('2026-01-01T00:00:00Z')) },
    ],
    [
      'a validity without an end',
      'the validity has 1 member',
      { validity: sequence(time(validity.notBefore)) },
    ],
    [
      'an unknown critical extension',
      'unknown extension 1.3.6.1.4.1.99999.1, critical',
      { extensions: [extension(unknown, nullValue(), true)] },
    ],
    [
      'an unknown extension',
      'unknown extension 1.3.6.1.4.1.99999.1',
      { extensions: [extension(unknown, nullValue())] },
    ],
    [
      'name constraints, which are not supported',
      'unknown extension 2.5.29.30, critical',
      { extensions: [extension('2.5.29.30', sequence(), true)] },
    ],
    [
      'name constraints that are not critical',
      'unknown extension 2.5.29.30',
      { extensions: [extension('2.5.29.30', sequence())] },
    ],
    ['an extension twice', 'keyUsage twice', { extensions: [constraints, usage, purposes, usage] }],
    [
      'a critical extension that is passed over',
      'certificatePolicies marked critical',
      { extensions: [extension(oids.certificatePolicies, sequence(), true)] },
    ],
    [
      'a criticality that is the default',
      'an explicitly encoded default criticality',
      { extensions: [sequence(oid(oids.keyUsage), boolean(false), octetString(usage.bytes))] },
    ],
    [
      'an authority whose constraints are not critical',
      'basicConstraints of a CA certificate not marked critical',
      { extensions: [extension(oids.basicConstraints, sequence(boolean(true)))] },
    ],
    [
      'an authority spelled out as none',
      'an explicitly encoded default in basicConstraints',
      { extensions: [extension(oids.basicConstraints, sequence(boolean(false)), true)] },
    ],
    [
      'a path length without an authority',
      'basicConstraints has tag 0x2',
      { extensions: [extension(oids.basicConstraints, sequence(integer(0)), true)] },
    ],
    [
      'a negative path length',
      'the path length is out of range',
      {
        extensions: [
          extension(oids.basicConstraints, sequence(boolean(true), sizedInteger(1, 0xff)), true),
        ],
      },
    ],
    [
      'a key usage without bits',
      'keyUsage is not a list of known bits',
      { extensions: [extension(oids.keyUsage, bitString(Buffer.alloc(0)), true)] },
    ],
    [
      'a key usage with a trailing zero bit',
      'keyUsage is not a list of known bits',
      { extensions: [extension(oids.keyUsage, bitString(Buffer.from([0x80]), 0), true)] },
    ],
    [
      'a key usage of too many bits',
      'keyUsage is not a list of known bits',
      { extensions: [extension(oids.keyUsage, bitString(Buffer.from([0, 0x40]), 6), true)] },
    ],
    [
      'a key usage with a bit in its padding',
      'keyUsage is not a list of known bits',
      { extensions: [extension(oids.keyUsage, bitString(Buffer.from([0x80, 0x81]), 7), true)] },
    ],
    [
      'an empty list of purposes',
      'extKeyUsage has 0 members',
      { extensions: [extension(oids.extendedKeyUsage, sequence(), true)] },
    ],
    [
      'an authority named by serial number',
      'authorityKeyIdentifier has tag 0x82',
      {
        extensions: [
          extension(
            oids.authorityKeyIdentifier,
            sequence(primitive(contextTag(2), Buffer.from([1]))),
          ),
        ],
      },
    ],
    [
      'an extension that is not DER',
      'an indefinite length, which is BER and not DER',
      { extensions: [sequence(oid(oids.keyUsage), octetString(Buffer.from([0x03, 0x80])))] },
    ],
    [
      'two signature algorithms',
      'two different signature algorithms',
      { outer: algorithmIdentifier('rsa-pkcs1-sha384') },
    ],
  ])('refuses %s', async (_, found, changes) => {
    expect((await refuses(changes)).found).toBe(found);
  });

  it.each([
    ['no bytes', Buffer.alloc(0)],
    ['a trailing byte', Buffer.concat([root.certificate.der, Buffer.alloc(1)])],
    ['half a certificate', root.certificate.der.subarray(0, 200)],
    ['40 kB', Buffer.alloc(40_000)],
  ])('refuses %s', async (_, bytes) => {
    await expectCode(() => parseCertificate(bytes), 'certificate-invalid');
  });

  it('accepts a validity of one second', () => {
    const { notBefore } = validity;
    const at = { validity: sequence(time(notBefore), time(notBefore)) };
    expect(parseCertificate(make(at)).notAfter).toEqual(notBefore);
  });

  it('accepts a serial number of 20 bytes', () => {
    const serial = sizedInteger(20, 0x7f);
    expect(parseCertificate(make({ serial })).serial).toBe('7f'.repeat(20));
  });
});

describe('when a certificate has too many or too few members', () => {
  const plain = (type: string, value: Der): Der => extension(type, value);
  const critical = (type: string, value: Der): Der => extension(type, value, true);
  const keyId = (bytes: number): Der => primitive(contextTag(0), Buffer.alloc(bytes, 7));
  const allExtensions = (list: Der): Partial<Pieces> => ({ extensions: [], ids: [list] });
  const many = (count: number): Der[] => Array(count).fill(oid(oids.codeSigning));

  const attribute = [oid(oids.commonName), utf8String('Odd')];
  const named = (...relative: readonly Der[]): Partial<Pieces> => ({
    subject: sequence(...relative),
  });

  it.each<[string, string, Partial<Pieces>]>([
    [
      'a name of 17 levels',
      'the subject has 17 members',
      named(...Array(17).fill(setOf([sequence(...attribute)]))),
    ],
    ['a level of a name without attributes', 'the subject has 0 members', named(setOf([]))],
    [
      'a level of a name with 17 attributes',
      'the subject has 17 members',
      named(setOf(Array(17).fill(sequence(...attribute)))),
    ],
    [
      'an attribute of a name without value',
      'the subject has 1 member',
      named(setOf([sequence(...attribute.slice(0, 1))])),
    ],
    [
      'an attribute of a name with two values',
      'the subject has 3 members',
      named(setOf([sequence(...attribute, nullValue())])),
    ],
    [
      'a key without bits',
      'the public key has 1 member',
      { spki: sequence(sequence(oid(oids.mlDsa87))) },
    ],
    [
      'a key with a field that nobody reads',
      'the public key has 3 members',
      { spki: sequence(...der(encodePublicKey(leaf.publicKey)).children, nullValue()) },
    ],
    [
      'a third moment of validity',
      'the validity has 3 members',
      { validity: sequence(...Array(3).fill(time(validity.notBefore))) },
    ],
    [
      'an empty list of extensions',
      'extensions has 0 members',
      allExtensions(explicit(3, sequence())),
    ],
    ['no list of extensions', 'extensions has 0 members', allExtensions(explicit(3))],
    [
      'a second list of extensions',
      'extensions has 2 members',
      allExtensions(explicit(3, sequence(constraints, usage, purposes), sequence(usage))),
    ],
    ['17 extensions', 'extensions has 17 members', { extensions: Array(17).fill(constraints) }],
    [
      'an extension without a value',
      'an extension has 1 member',
      { extensions: [sequence(oid(oids.keyUsage))] },
    ],
    [
      'an extension with a field that nobody reads',
      'an extension has 4 members',
      { extensions: [sequence(...usage.children, octetString(usage.bytes))] },
    ],
    [
      'constraints with a field that nobody reads',
      'basicConstraints has 3 members',
      {
        extensions: [
          critical(oids.basicConstraints, sequence(boolean(true), integer(0), integer(0))),
        ],
      },
    ],
    [
      'a key usage that is no list of bits',
      'keyUsage has tag 0x4',
      { extensions: [critical(oids.keyUsage, octetString(Buffer.from([7, 0x80])))] },
    ],
    [
      'a key usage whose last octet has no bits',
      'keyUsage is not a list of known bits',
      { extensions: [critical(oids.keyUsage, bitString(Buffer.from([1, 0]), 8))] },
    ],
    [
      '17 purposes',
      'extKeyUsage has 17 members',
      { extensions: [plain(oids.extendedKeyUsage, sequence(...many(17)))] },
    ],
    [
      'an issuing key without a name',
      'authorityKeyIdentifier has 0 members',
      { extensions: [plain(oids.authorityKeyIdentifier, sequence())] },
    ],
    [
      'an issuing key with two names',
      'authorityKeyIdentifier has 2 members',
      { extensions: [plain(oids.authorityKeyIdentifier, sequence(keyId(20), keyId(20)))] },
    ],
    [
      'a key identifier of no bytes',
      'a key identifier of 0 bytes',
      { extensions: [plain(oids.subjectKeyIdentifier, octetString(Buffer.alloc(0)))] },
    ],
    [
      'a key identifier of 65 bytes',
      'a key identifier of 65 bytes',
      { extensions: [plain(oids.authorityKeyIdentifier, sequence(keyId(65)))] },
    ],
  ])('refuses %s', async (_, found, changes) => {
    expect((await refuses(changes)).found).toBe(found);
  });

  it.each<[string, (parts: readonly Der[]) => readonly Der[]]>([
    ['a certificate has 2 members', (parts) => parts.slice(0, 2)],
    ['a certificate has 4 members', (parts) => [...parts, nullValue()]],
    ['the certificate body has 0 members', ([, ...parts]) => [sequence(), ...parts]],
    [
      'the certificate body has 11 members',
      ([, ...parts]) => [sequence(...Array(11).fill(explicit(0, integer(2)))), ...parts],
    ],
  ])('refuses one of which %s', async (found, bend) => {
    const bytes = sequence(...bend(der(make({})).children)).bytes;
    const error = await expectCode(() => parseCertificate(bytes), 'certificate-invalid');
    expect(error.found).toBe(found);
  });

  it('accepts key identifiers of 1 and of 64 bytes, and 16 purposes', () => {
    const extensions = [
      plain(oids.subjectKeyIdentifier, octetString(Buffer.from([7]))),
      plain(oids.authorityKeyIdentifier, sequence(keyId(64))),
      plain(oids.extendedKeyUsage, sequence(...many(16))),
    ];
    const certificate = parseCertificate(make({ extensions }));
    expect(certificate.subjectKeyId).toBe('07');
    expect(certificate.authorityKeyId).toBe('07'.repeat(64));
    expect(certificate.purposes).toHaveLength(16);
  });
});

describe('when a certificate is signed with an algorithm that is not accepted', () => {
  it.each([
    ['SHA-1', '1.2.840.10045.4.1', 'sha1'],
    ['SHA-256', '1.2.840.10045.4.3.2', 'sha256'],
    ['SHA-512', '1.2.840.10045.4.3.4', 'sha512'],
  ])('refuses %s', async (_, identifier, hash) => {
    await refuses(
      { identifier: sequence(oid(identifier)), sign: signWithHash(hash) },
      'algorithm-refused',
    );
  });

  it('refuses an accepted algorithm with odd parameters', async () => {
    const identifier = sequence(oid(oids.ecdsaWithSha384), nullValue());
    await refuses({ identifier }, 'algorithm-refused');
  });

  it.each([
    ['0 members', sequence()],
    ['3 members', sequence(oid(oids.ecdsaWithSha384), nullValue(), nullValue())],
  ])('refuses an algorithm of %s', async (found, identifier) => {
    const error = await refuses({ identifier });
    expect(error.found).toBe(`the signature algorithm has ${found}`);
  });

  it('does not verify a weaker hash under an accepted name', () => {
    const certificate = parseCertificate(make({ sign: signWithHash('sha256') }));
    expect(isSignedBy(certificate, root.certificate)).toBe(false);
  });
});

describe('when the key of a certificate is not accepted', () => {
  let modulus: Buffer;
  beforeAll(() => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
    modulus = Buffer.from(String(publicKey.export({ format: 'jwk' }).n), 'base64url');
  });
  const rsaSpki = (n: Buffer, e: number): Der =>
    sequence(
      sequence(oid(oids.rsaEncryption), nullValue()),
      bitString(sequence(integer(n), integer(e)).bytes),
    );
  const publicKey = (pair: { publicKey: KeyObject }): Certificate['publicKey'] => pair.publicKey;
  const ecSpki = (parameters: Der, point: Buffer): Der =>
    sequence(sequence(oid(oids.ecPublicKey), parameters), bitString(point));
  const point = encodePublicKey(leaf.publicKey).subarray(-97);

  it.each([
    ['P-256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['P-521', () => generateKeyPairSync('ec', { namedCurve: 'P-521' })],
    ['RSA-1024', () => generateKeyPairSync('rsa', { modulusLength: 1024 })],
    ['RSA-2048', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['RSA for PSS alone', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 })],
    ['Ed25519', () => generateKeyPairSync('ed25519')],
    ['ML-DSA-44', () => generateKeyPairSync('ml-dsa-44')],
    ['ML-DSA-65', () => generateKeyPairSync('ml-dsa-65')],
    ['SLH-DSA', () => generateKeyPairSync('slh-dsa-sha2-128f')],
  ])('refuses %s', async (_, generate) => {
    const bytes = make({}, publicKey(generate()));
    await expectCode(() => parseCertificate(bytes), 'algorithm-refused');
  });

  it('refuses RSA with exponent 3, whose signatures have been forged', async () => {
    const spki = rsaSpki(modulus, 3);
    const error = await refuses({ spki }, 'algorithm-refused');
    expect(error.found).toBe('an RSA key of 3072 bits with exponent 3');
    expect(parseCertificate(make({ spki: rsaSpki(modulus, 65537) })).subject).toContain('Odd');
  });

  it('refuses a curve given by its parameters', async () => {
    const spki = ecSpki(explicitP384(), point);
    const oracle = createPublicKey({ key: spki.bytes, format: 'der', type: 'spki' });
    expect(oracle.asymmetricKeyType).toBe('ec');
    await refuses({ spki }, 'algorithm-refused');
  });

  it('refuses a compressed point, and one off the curve', async () => {
    const curve = oid(oids.secp384r1);
    const compressed = Buffer.from(point.subarray(0, 49));
    compressed[0] = 2 + ((point[96] ?? 0) & 1);
    await refuses({ spki: ecSpki(curve, compressed) });
    const off = Buffer.from(point);
    off[96] = (off[96] ?? 0) ^ 1;
    await refuses({ spki: ecSpki(curve, off) });
    expect(der(ecSpki(curve, point).bytes).bytes).toEqual(encodePublicKey(leaf.publicKey));
  });

  it.each([
    ['a hybrid point', 6 + ((point[96] ?? 0) & 1), 97],
    ['a point cut short', 4, 96],
  ])('refuses %s before OpenSSL sees it', async (_, first, length) => {
    const bits = Buffer.from(point.subarray(0, length));
    bits[0] = first;
    const error = await refuses({ spki: ecSpki(oid(oids.secp384r1), bits) });
    expect(error.found).toBe('the public key is not an uncompressed point');
  });

  it('refuses an RSA key that is not in its canonical encoding', async () => {
    const spki = sequence(
      sequence(oid(oids.rsaEncryption), nullValue()),
      bitString(Buffer.concat([sequence(integer(modulus), integer(65537)).bytes, Buffer.alloc(1)])),
    );
    await refuses({ spki });
  });
});

/** SpecifiedECDomain of P-384 (SEC 1 section C.2). */
function explicitP384(): Der {
  const prime = `${'ff'.repeat(31)}fe${'ff'.repeat(4)}${'00'.repeat(8)}${'ff'.repeat(4)}`;
  const hex = (digits: string): Buffer => Buffer.from(digits, 'hex');
  const generator =
    '04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7' +
    '3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f';
  const order =
    'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973';
  const b =
    'b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef';
  return sequence(
    integer(1),
    sequence(oid('1.2.840.10045.1.1'), integer(hex(prime))),
    sequence(octetString(hex(prime.replace(/ff$/, 'fc'))), octetString(hex(b))),
    octetString(hex(generator)),
    integer(hex(order)),
    integer(1),
  );
}
