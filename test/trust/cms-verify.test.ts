import { createHash, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, StowageError } from '../../src/core/error.ts';
import { type AlgorithmName, allAlgorithms, oids } from '../../src/trust/algorithm.ts';
import { signDetached } from '../../src/trust/cms-sign.ts';
import { verifyDetached } from '../../src/trust/cms-verify.ts';
import {
  type Der,
  explicit,
  inSetOrder,
  integer,
  nullValue,
  octetString,
  oid,
  primitive,
  sequence,
  utf8String,
} from '../../src/trust/der.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { expectCode } from '../support/error.ts';
import { makeAuthority, makeRoot, makeSigner, signedAt } from './authority.ts';
import { nest } from './nest.ts';
import { der } from './odd-certificate.ts';
import { attribute, type Changes, oddSignature, withHash } from './odd-signature.ts';

const content = Buffer.from(`${'ab'.repeat(64)}  bundle.json\n`);
const all: ReadonlySet<AlgorithmName> = new Set(allAlgorithms);
const root = makeRoot();
const signer = makeSigner(root);
const good = signDetached(content, signer, signedAt);

const verify = (cms: Uint8Array, bytes: Uint8Array = content): unknown =>
  verifyDetached(cms, bytes, all);
const forged = (changes: Changes): Buffer => oddSignature(content, signer, changes);

const v0 = integer(0);
const extra = attribute('1.2.840.113549.1.9.15', sequence());
const twoValues = attribute('1.2.3', integer(1), integer(2));

/** The codes that a damaged file may be refused with. */
const refusals: readonly ErrorCode[] = [
  'signature-malformed',
  'signature-invalid',
  'algorithm-refused',
  'certificate-invalid',
];

function accepted(mutants: Iterable<Buffer>, bytes: Uint8Array = content): number {
  let count = 0;
  for (const mutant of mutants) {
    try {
      verify(mutant, bytes);
      count += 1;
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
      expect(refusals).toContain(error.code);
      expect(error.hint).not.toBe('');
    }
  }
  return count;
}

/** One bit flipped in each byte, or in each of every `step`. */
function* flips(cms: Buffer, step = 1): Generator<Buffer> {
  for (let at = 0; at < cms.length; at += step) {
    const mutant = Buffer.from(cms);
    mutant[at] = (mutant[at] ?? 0) ^ (1 << (at % 8));
    yield mutant;
  }
}

describe('when a signature file is damaged', () => {
  it('refuses every flipped byte', () => {
    expect(accepted(flips(good))).toBe(0);
    expect(accepted([good])).toBe(1);
  });

  it.each<AlgorithmName>(['rsa-pss-sha384', 'ml-dsa-87'])('refuses flipped bytes of %s', (name) => {
    const other = makeSigner(root, { algorithm: name });
    const cms = signDetached(content, { ...other, algorithm: name }, signedAt);
    expect(accepted(flips(cms, 31))).toBe(0);
    expect(accepted([cms])).toBe(1);
  });

  it('refuses every truncation', () => {
    const cuts = Array.from({ length: good.length }, (_, length) => good.subarray(0, length));
    expect(accepted(cuts)).toBe(0);
  });

  it('refuses every doubled and every missing byte', () => {
    const at = Array.from({ length: good.length }, (_, n) => n);
    const doubled = at.map((n) => Buffer.concat([good.subarray(0, n + 1), good.subarray(n)]));
    const missing = at.map((n) => Buffer.concat([good.subarray(0, n), good.subarray(n + 1)]));
    expect(accepted([...doubled, ...missing])).toBe(0);
  });

  it.each([
    ['an empty file', Buffer.alloc(0)],
    ['a trailing byte', Buffer.concat([good, Buffer.alloc(1)])],
    ['a second signature appended', Buffer.concat([good, good])],
    ['PEM', Buffer.from(encodePem('CMS', good))],
    ['S/MIME', Buffer.from(`MIME-Version: 1.0\n\n${good.toString('base64')}`)],
    ['base64', Buffer.from(good.toString('base64'))],
    ['a nest of 10,000 values', nest(10_000)],
    ['an integer of 60 kB', integer(Buffer.alloc(60_000, 0x7f)).bytes],
    ['65 kB', Buffer.alloc(64 * 1024 + 1, 0x30)],
    ['300 MB', Buffer.alloc(300_000_000)],
  ])('refuses %s', async (_, cms) => {
    await expectCode(() => verify(cms), 'signature-malformed');
  });
});

describe('when a signature file was converted to text', () => {
  it.each([
    ['PEM', encodePem('CMS', good)],
    ['S/MIME', `MIME-Version: 1.0\n\n${good.toString('base64')}`],
    ['base64', good.toString('base64')],
  ])('says so of %s', async (_, text) => {
    const error = await expectCode(() => verify(Buffer.from(text)), 'signature-malformed');
    expect(error.found).toBe('text (PEM, S/MIME or base64) instead of DER');
  });
});

describe('when a signature is for other content', () => {
  it.each([
    ['one byte changed', Buffer.from(content).fill('x', 0, 1)],
    ['one byte more', Buffer.concat([content, Buffer.from('\n')])],
    ['nothing', Buffer.alloc(0)],
  ])('refuses %s', async (_, bytes) => {
    const error = await expectCode(() => verify(good, bytes), 'signature-invalid');
    const digest = (of: Buffer): string => createHash('sha384').update(of).digest('hex');
    expect(error.expected).toContain(digest(Buffer.from(content)));
    expect(error.found).toBe(digest(bytes));
  });

  it('refuses a signature made without attributes, over content that are attributes', async () => {
    const cms = forged({ sign: (_, key) => sign('sha384', content, key) });
    await expectCode(() => verify(cms), 'signature-invalid');
  });
});

describe('when a forged file is correct in everything else', () => {
  const rewritten = 'an encoding that stowage sign does not write';

  it('is accepted without a change, so that each change below is the cause of a refusal', () => {
    expect(accepted([forged({})])).toBe(1);
  });

  it.each<[string, string, Changes]>([
    [
      'another type of message',
      'the type of the message is 1.2.840.113549.1.7.5',
      { type: '1.2.840.113549.1.7.5' },
    ],
    [
      'another type of content',
      'the type of the content is 1.2.840.113549.1.7.2',
      { content: [oid('1.2.840.113549.1.7.2')] },
    ],
    [
      'content inside',
      'content inside the signature file',
      { content: [oid(oids.data), explicit(0, octetString(content))] },
    ],
    [
      'other content inside',
      'content inside the signature file',
      { content: [oid(oids.data), explicit(0, octetString(good))] },
    ],
    ['no signer', 'the list of signers has 0 members', { signers: () => [] }],
    ['the signer twice', 'the list of signers has 2 members', { signers: (one) => [one, one] }],
    [
      '100 signers',
      'the list of signers has 100 members',
      { signers: (one) => Array(100).fill(one) },
    ],
    ['no certificate', 'the list of certificates has 0 members', { certificates: [] }],
    [
      'a duplicate certificate',
      'a duplicate certificate',
      { certificates: [signer.certificate.der, signer.certificate.der] },
    ],
    [
      'the certificate of another',
      '0 certificates with the issuer and serial number of the signer',
      { certificates: [makeSigner(root).certificate.der] },
    ],
    [
      'five certificates',
      'the list of certificates has 5 members',
      { certificates: [signer, root, root, root, root].map((each) => each.certificate.der) },
    ],
    [
      'no list of certificates',
      'the signed data has 4 members',
      { fields: (list) => list.filter((_, n) => n !== 3) },
    ],
    [
      'a list of revocations',
      'the signed data has 6 members',
      { fields: (list) => [...list.slice(0, 4), explicit(1), ...list.slice(4)] },
    ],
    ['another version', rewritten, { fields: ([, ...list]) => [integer(3), ...list] }],
    [
      'another version of the signer',
      rewritten,
      { signer: ([, ...list]) => [integer(3), ...list] },
    ],
    ['a digest algorithm too many', rewritten, { digests: [digest('sha384'), digest('sha512')] }],
    ['another list of digest algorithms', rewritten, { digests: [digest('sha512')] }],
    ['digest parameters', rewritten, { digests: [sequence(oid(oids.sha384), nullValue())] }],
    [
      'no signed attributes',
      'the signer has 5 members',
      { signer: (list) => list.filter((_, n) => n !== 3) },
    ],
    [
      'an unsigned attribute',
      'the signer has 7 members',
      { signer: (list) => [...list, explicit(1, attribute('1.2.3', nullValue()))] },
    ],
    ['attributes in another order', rewritten, { attributes: (each) => order(each).toReversed() }],
    ['an attribute of no known type', rewritten, { attributes: (each) => order(each, extra) }],
    [
      'the message digest twice',
      'signed attribute 1.2.840.113549.1.9.4 twice',
      { attributes: (each) => order(each, each.messageDigest, each.messageDigest) },
    ],
    [
      'a second, other message digest',
      'signed attribute 1.2.840.113549.1.9.4 twice',
      {
        attributes: (each) =>
          order(each, attribute(oids.messageDigest, octetString(Buffer.alloc(48)))),
      },
    ],
    [
      'an attribute of two values',
      'signed attribute 1.2.3 has 2 members',
      { attributes: (each) => order(each, twoValues) },
    ],
    [
      'no message digest',
      'the message digest is missing',
      { attributes: ({ messageDigest: _, ...rest }) => order(rest) },
    ],
    [
      'no signing time',
      'the signing time is missing',
      { attributes: ({ signingTime: _, ...rest }) => order(rest) },
    ],
    [
      'no content type',
      'the content type attribute is missing',
      { attributes: ({ contentType: _, ...rest }) => order(rest) },
    ],
    [
      'no signing certificate',
      'the signing certificate attribute is missing',
      { attributes: ({ signingCertificate: _, ...rest }) => order(rest) },
    ],
    [
      'another content type attribute',
      'the content type attribute is 1.2.840.113549.1.7.2',
      {
        attributes: (each) =>
          order({ ...each, contentType: attribute(oids.contentType, oid(oids.signedData)) }),
      },
    ],
    [
      'a signing time that is text',
      'the signing time is not a time in UTC to the second',
      {
        attributes: (each) =>
          order({ ...each, signingTime: attribute(oids.signingTime, utf8String('now')) }),
      },
    ],
    [
      'an issuer with the name of another',
      '0 certificates with the issuer and serial number of the signer',
      { signer: ([v, , ...list]) => [v ?? v0, root.certificate.issuerAndSerial, ...list] },
    ],
    [
      'a signer named by key identifier',
      'the name of the signer has tag 0x80',
      { signer: ([v, , ...list]) => [v ?? v0, primitive(0x80, Buffer.alloc(20)), ...list] },
    ],
  ])('refuses %s', async (_, found, changes) => {
    const error = await expectCode(() => verify(forged(changes)), 'signature-malformed');
    expect(error.found).toBe(found);
  });

  const parts = der(good).children;
  const [type = nullValue()] = parts;
  const signedData = parts[1]?.children ?? [];

  it.each<[string, Der]>([
    ['the message has 1 member', sequence(type)],
    ['the message has 3 members', sequence(...parts, nullValue())],
    ['the signed data has 0 members', sequence(type, explicit(0))],
    ['the signed data has 2 members', sequence(type, explicit(0, ...signedData, nullValue()))],
  ])('refuses a file of which %s', async (found, whole) => {
    const error = await expectCode(() => verify(whole.bytes), 'signature-malformed');
    expect(error.found).toBe(found);
  });

  it.each<[string, string, Changes]>([
    [
      'a digest algorithm that is none',
      'the digest algorithm has tag 0x5',
      { signer: (list) => list.toSpliced(2, 1, nullValue()) },
    ],
    [
      'a signature algorithm that is none',
      'the signature algorithm has tag 0x5',
      { signer: (list) => list.toSpliced(4, 1, nullValue()) },
    ],
    [
      'an attribute without values',
      'a signed attribute has 1 member',
      { attributes: (each) => order(each, sequence(oid('1.2.3'))) },
    ],
    [
      'an attribute with a field that nobody reads',
      'a signed attribute has 3 members',
      { attributes: (each) => order(each, sequence(...extra.children, nullValue())) },
    ],
    [
      'an attribute of no value',
      'signed attribute 1.2.3 has 0 members',
      { attributes: (each) => order(each, attribute('1.2.3')) },
    ],
  ])('refuses %s', async (_, found, changes) => {
    const error = await expectCode(() => verify(forged(changes)), 'signature-malformed');
    expect(error.found).toBe(found);
  });

  it('refuses a bad signer beside the good one', async () => {
    const cms = forged({
      signers: (one) => [one, sequence(...one.children.slice(0, 5), octetString(content))],
    });
    const error = await expectCode(() => verify(cms), 'signature-malformed');
    expect(error.found).toBe('the list of signers has 2 members');
  });
});

describe('when another algorithm is claimed or used', () => {
  const ecdsa = (digits: string): Der => sequence(oid(digits));
  const claim = (algorithm: Der, hash: string): Changes => ({
    signer: (list) => [...list.slice(0, 4), algorithm, ...list.slice(5)],
    sign: withHash(hash),
  });

  it.each<[string, Changes]>([
    ['SHA-1', claim(ecdsa('1.2.840.10045.4.1'), 'sha1')],
    ['SHA-256', claim(ecdsa('1.2.840.10045.4.3.2'), 'sha256')],
    ['SHA-512 with ECDSA', claim(ecdsa('1.2.840.10045.4.3.4'), 'sha512')],
    ['MD5 with RSA', claim(sequence(oid('1.2.840.113549.1.1.4'), nullValue()), 'sha384')],
    ['HashML-DSA', claim(ecdsa('2.16.840.1.101.3.4.3.34'), 'sha384')],
    [
      'parameters that do not belong',
      claim(sequence(oid(oids.ecdsaWithSha384), nullValue()), 'sha384'),
    ],
    ['the algorithm of another key', claim(ecdsa(oids.mlDsa87), 'sha384')],
    [
      'a digest that is not of the signature algorithm',
      { signer: (list) => [...list.slice(0, 2), digest('sha512'), ...list.slice(3)] },
    ],
  ])('refuses %s', async (_, changes) => {
    await expectCode(() => verify(forged(changes)), 'algorithm-refused');
  });

  it('refuses an algorithm that the caller does not allow, whatever the message names', async () => {
    const allowed: ReadonlySet<AlgorithmName> = new Set(['ml-dsa-87']);
    await expectCode(() => verifyDetached(good, content, allowed), 'algorithm-refused');
    await expectCode(() => verifyDetached(good, content, new Set()), 'algorithm-refused');
  });

  it('refuses an accepted name over a weaker hash', async () => {
    await expectCode(() => verify(forged({ sign: withHash('sha256') })), 'signature-invalid');
  });

  it('refuses ML-DSA with a context', async () => {
    const mlDsa = makeSigner(root, { algorithm: 'ml-dsa-87' });
    const context = Buffer.from('context');
    const cms = oddSignature(content, mlDsa, {
      sign: (bytes, key) => sign(null, bytes, { key, context }),
    });
    await expectCode(() => verify(cms), 'signature-invalid');
    expect(accepted([oddSignature(content, mlDsa)])).toBe(1);
  });

  it.each([
    ['r and s of zero', '3006020100020100'],
    ['r and s of one', '3006020101020101'],
    ['no bytes', ''],
  ])('refuses an ECDSA signature of %s', async (_, hex) => {
    const cms = forged({ sign: () => Buffer.from(hex, 'hex') });
    await expectCode(() => verify(cms), 'signature-invalid');
  });
});

describe('when the certificate of a signature is swapped', () => {
  const pair = { privateKey: signer.key, publicKey: signer.certificate.publicKey };

  it('refuses another certificate for the same key', async () => {
    const twin = makeSigner(root, { name: 'Somebody else', pair });
    const cms = forged({
      certificates: [twin.certificate.der],
      signer: ([v, , ...list]) => [v ?? v0, twin.certificate.issuerAndSerial, ...list],
    });
    await expectCode(() => verify(cms), 'signature-invalid');
  });

  it('refuses two certificates of one issuer and serial number', async () => {
    const serial = Buffer.from(signer.certificate.serial.padStart(8, '0'), 'hex');
    const twin = makeSigner(root, { name: 'Somebody else', pair, serial });
    const certificates = [signer.certificate.der, twin.certificate.der];
    await expectCode(() => verify(forged({ certificates })), 'signature-malformed');
  });

  it('refuses a certificate outside the profile', async () => {
    const damaged = Buffer.from(makeAuthority(root).certificate.der);
    damaged[damaged.indexOf(Buffer.from('551d13', 'hex')) + 2] = 0x63;
    const certificates = [signer.certificate.der, damaged];
    await expectCode(() => verify(forged({ certificates })), 'certificate-invalid');
  });
});

function digest(name: 'sha384' | 'sha512'): Der {
  return sequence(oid(name === 'sha384' ? oids.sha384 : oids.sha512));
}

/** The attributes, and further ones, as DER orders them. */
function order(attributes: object, ...more: readonly Der[]): Der[] {
  return inSetOrder([...Object.values(attributes), ...more]);
}
