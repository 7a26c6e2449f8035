import { createDecipheriv, createHash, createPublicKey, pbkdf2Sync } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { messageOf } from '../core/error.ts';
import { counted } from '../core/text.ts';
import { type AlgorithmName, allAlgorithms, signWith, verifyWith } from './algorithm.ts';
import { generateKey, type KeyPair } from './key.ts';
import { type SignatureVector, signatureVectors } from './known-answer-vectors.ts';

/** The result of one known-answer test of this runtime. */
export interface KnownAnswer {
  /** `sha256`, `crc32`, or the name of a signature algorithm. */
  readonly algorithm: string;
  /** The test: `published signature with one bit changed`. */
  readonly test: string;
  readonly passed: boolean;
  /** The actual result; empty if it passed. */
  readonly found: string;
}

/**
 * FIPS 180-4 examples (csrc.nist.gov, SHA256.pdf, SHA384.pdf, SHA512.pdf) of one block and of two; the check value of
 * CRC-32 (ISO-HDLC).
 */
const hashes: readonly (readonly [algorithm: string, message: string, answer: string])[] = [
  ['sha256', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'sha256',
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  [
    'sha384',
    'abc',
    'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7',
  ],
  [
    'sha384',
    'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
    '09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039',
  ],
  [
    'sha512',
    'abc',
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  ],
  [
    'sha512',
    'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
    '8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909',
  ],
  ['crc32', '123456789', 'cbf43926'],
];

/** Key decryption: Wycheproof pbkdf2_hmacsha512 6 (its first 32 bytes) and aes_cbc_pkcs5 164. */
const derivation = {
  password: '6f4f4d37324f6330',
  salt: '3827c3b6b1e6de7aab096eb75e23610d',
  iterations: 4096,
  key: '0159b91e667079e448ae9707f9d538fcc4f297165f6fc85b2966f951669600ee',
} as const;
const cipher = {
  key: '73216fafd0022d0d6ee27198b2272578fa8f04dd9f44467fbb6437aa45641bf7',
  iv: '4b74bd981ea9d074757c3e2ef515e5fb',
  text: 'd5247b8f6c3edcbfb1d591d13ece23d2f5',
  encrypted: 'fbea776fb1653635f88e2937ed2450ba4e9063e96d7cdba04928f01cb85492fe',
} as const;

/**
 * Runs every algorithm that Stowage uses and compares the results with known answers: published vectors, the same with
 * one bit changed, which must be refused, and its own signatures. An algorithm that is not supported fails its tests;
 * none is skipped.
 */
export function knownAnswers(
  vectors: readonly SignatureVector[] = signatureVectors,
): readonly KnownAnswer[] {
  return [
    ...hashes.map(([algorithm, message, answer]) =>
      expectText(algorithm, `published answer for ${counted(message.length, 'byte')}`, answer, () =>
        hash(algorithm, Buffer.from(message)),
      ),
    ),
    expectText('pbkdf2-hmac-sha512', 'published answer', derivation.key, derive),
    expectText('aes-256-cbc', 'published answer', cipher.text, decipher),
    ...vectors.flatMap(againstVector),
    ...allAlgorithms.flatMap(roundTrip),
  ];
}

function hash(algorithm: string, message: Buffer): string {
  if (algorithm === 'crc32') return crc32(message).toString(16).padStart(8, '0');
  return createHash(algorithm).update(message).digest('hex');
}

function derive(): string {
  const { password, salt, iterations } = derivation;
  const [secret, grain] = [Buffer.from(password, 'hex'), Buffer.from(salt, 'hex')];
  return pbkdf2Sync(secret, grain, iterations, 32, 'sha512').toString('hex');
}

function decipher(): string {
  const [key, iv] = [Buffer.from(cipher.key, 'hex'), Buffer.from(cipher.iv, 'hex')];
  const opened = createDecipheriv('aes-256-cbc', key, iv);
  return opened.update(cipher.encrypted, 'hex', 'hex') + opened.final('hex');
}

function againstVector(vector: SignatureVector): KnownAnswer[] {
  const { algorithm } = vector;
  const message = Buffer.from(vector.message, 'hex');
  const signature = Buffer.from(vector.signature, 'base64');
  const answer = (content: Buffer, bytes: Buffer): boolean => {
    const key = Buffer.from(vector.publicKey, 'base64');
    const object = createPublicKey({ key, format: 'der', type: 'spki' });
    return verifyWith(algorithm, object, content, bytes);
  };
  return [
    expectAnswer(algorithm, 'published signature', true, () => answer(message, signature)),
    expectAnswer(algorithm, 'published signature with one bit changed', false, () =>
      answer(message, withOtherBit(signature)),
    ),
    expectAnswer(algorithm, 'published signature of another message', false, () =>
      answer(withOtherBit(message), signature),
    ),
  ];
}

function roundTrip(algorithm: AlgorithmName): KnownAnswer[] {
  const message = Buffer.from('stowage doctor');
  let pair: KeyPair | undefined;
  let signature: Buffer = Buffer.alloc(0);
  const answer = (content: Buffer): boolean => {
    if (pair === undefined) {
      const made = generateKey(algorithm);
      signature = signWith(algorithm, made.privateKey, message);
      pair = made;
    }
    return verifyWith(algorithm, pair.publicKey, content, signature);
  };
  return [
    expectAnswer(algorithm, 'signature by a new key', true, () => answer(message)),
    expectAnswer(algorithm, 'signature by a new key of another message', false, () =>
      answer(withOtherBit(message)),
    ),
  ];
}

function withOtherBit(bytes: Buffer): Buffer {
  const other = Buffer.from(bytes);
  const middle = other.length >> 1;
  other[middle] = (other[middle] ?? 0) ^ 1;
  return other;
}

function expectText(
  algorithm: string,
  test: string,
  expected: string,
  calculate: () => string,
): KnownAnswer {
  return judge({ algorithm, test, expected, describe: (found) => found }, calculate);
}

function expectAnswer(
  algorithm: string,
  test: string,
  expected: boolean,
  calculate: () => boolean,
): KnownAnswer {
  const describe = (found: boolean): string => (found ? 'accepted' : 'refused');
  return judge({ algorithm, test, expected, describe }, calculate);
}

/** A test whose answer is known. */
interface Expected<T> {
  readonly algorithm: string;
  readonly test: string;
  readonly expected: T;
  readonly describe: (found: T) => string;
}

function judge<T>(
  { algorithm, test, expected, describe }: Expected<T>,
  calculate: () => T,
): KnownAnswer {
  try {
    const found = calculate();
    const passed = found === expected;
    return { algorithm, test, passed, found: passed ? '' : describe(found) };
  } catch (error) {
    const found = messageOf(error);
    return { algorithm, test, passed: false, found: `no answer: ${found}` };
  }
}
