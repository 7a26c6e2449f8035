import { execFileSync } from 'node:child_process';
import type * as crypto from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { allAlgorithms } from '../../src/trust/algorithm.ts';
import { signatureVectors } from '../../src/trust/known-answer-vectors.ts';
import { type KnownAnswer, knownAnswers } from '../../src/trust/known-answers.ts';

const runtime = vi.hoisted(() => ({ lacksMlDsa: false, believesAll: false }));

vi.mock('node:crypto', async (original) => {
  const real = await original<typeof crypto>();
  // An RSA key takes half a second: one of each kind is enough for all tests here.
  const pairs = new Map<string, object>();
  const unsupported = (): never => {
    throw new Error('unsupported');
  };
  return {
    ...real,
    createPublicKey: (input: { key: Buffer }) =>
      runtime.lacksMlDsa && input.key.length > 2000
        ? unsupported()
        : real.createPublicKey(input as crypto.PublicKeyInput),
    generateKeyPairSync: (type: 'ec', options: object) => {
      if (runtime.lacksMlDsa && (type as string) === 'ml-dsa-87') return unsupported();
      const pair =
        pairs.get(type) ??
        real.generateKeyPairSync(type, options as crypto.ECKeyPairKeyObjectOptions);
      pairs.set(type, pair);
      return pair;
    },
    verify: (...args: Parameters<typeof real.verify>) =>
      runtime.believesAll || real.verify(...args),
  };
});

afterEach(() => {
  runtime.lacksMlDsa = false;
  runtime.believesAll = false;
});

const failed = (answers: readonly KnownAnswer[]): KnownAnswer[] =>
  answers.filter(({ passed }) => !passed);

describe('when the runtime is correct', () => {
  it('passes every test', () => {
    expect(failed(knownAnswers())).toEqual([]);
  });

  it('tests every hash, every signature algorithm and key decryption', () => {
    expect(new Set(knownAnswers().map(({ algorithm }) => algorithm))).toEqual(
      new Set([
        'sha256',
        'sha384',
        'sha512',
        'crc32',
        'pbkdf2-hmac-sha512',
        'aes-256-cbc',
        ...allAlgorithms,
      ]),
    );
    expect(signatureVectors.map(({ algorithm }) => algorithm).toSorted()).toEqual(
      allAlgorithms.toSorted(),
    );
  });
});

describe('when an answer is wrong', () => {
  it.each(signatureVectors)('says so of a signature by $algorithm that does not hold', (vector) => {
    const signature = Buffer.from(vector.signature, 'base64');
    signature.writeUInt8(signature.readUInt8(signature.length - 1) ^ 1, signature.length - 1);
    const bent = { ...vector, signature: signature.toString('base64') };
    const [first, ...others] = failed(knownAnswers([bent]));
    expect(others).toEqual([]);
    expect(first).toMatchObject({ algorithm: vector.algorithm, test: 'published signature' });
    expect(first?.found).toMatch(/^(?:refused|no answer: )/);
  });

  it('detects a runtime that accepts everything', () => {
    runtime.believesAll = true;
    const answers = failed(knownAnswers());
    expect(answers).toHaveLength(3 * allAlgorithms.length);
    for (const { found } of answers) expect(found).toBe('accepted');
  });
});

describe('when the runtime lacks ML-DSA', () => {
  it('fails each of its tests, and skips none', () => {
    const expected = knownAnswers().filter(({ algorithm }) => algorithm === 'ml-dsa-87');
    runtime.lacksMlDsa = true;
    const answers = failed(knownAnswers());
    expect(answers.map(({ test }) => test)).toEqual(expected.map(({ test }) => test));
    for (const { algorithm, found } of answers) {
      expect(algorithm).toBe('ml-dsa-87');
      expect(found).toMatch(/^no answer: /);
    }
  });
});

describe('when FIPS mode is claimed without a FIPS provider', () => {
  it('fails every test but CRC-32, and does not abort', () => {
    const script = `
      const { setFips, getFips } = await import('node:crypto');
      setFips(true);
      const { knownAnswers } = await import(${JSON.stringify(new URL('../../src/trust/known-answers.ts', import.meta.url).href)});
      console.log(JSON.stringify([getFips(), knownAnswers()]));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script]);
    const [claimed, answers] = JSON.parse(output.toString()) as [number, KnownAnswer[]];
    expect(claimed).toBe(1);
    expect(answers.filter(({ passed }) => passed).map(({ algorithm }) => algorithm)).toEqual([
      'crc32',
    ]);
  });
});
