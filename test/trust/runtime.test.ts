import type * as crypto from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { signWith, verifyWith } from '../../src/trust/algorithm.ts';
import { parseCertificate } from '../../src/trust/certificate.ts';
import { signDetached } from '../../src/trust/cms-sign.ts';
import { verifyDetached } from '../../src/trust/cms-verify.ts';
import { generateKey } from '../../src/trust/key.ts';
import { expectCode } from '../support/error.ts';
import { makeRoot, makeSigner, signedAt } from './authority.ts';

const runtime = vi.hoisted(() => ({ lacksMlDsa: false }));

// An OpenSSL before 3.5 knows neither the keys nor the signatures.
vi.mock('node:crypto', async (original) => {
  const real = await original<typeof crypto>();
  const unless =
    <A extends unknown[], R>(run: (...args: A) => R, concerns: (...args: A) => boolean) =>
    (...args: A): R => {
      if (runtime.lacksMlDsa && concerns(...args)) throw new Error('unsupported');
      return run(...args);
    };
  return {
    ...real,
    createPublicKey: unless(real.createPublicKey, () => true),
    generateKeyPairSync: unless(
      real.generateKeyPairSync as (type: string) => unknown,
      (type) => type === 'ml-dsa-87',
    ),
    sign: unless(real.sign as (hash: unknown) => unknown, (hash) => hash === null),
    verify: unless(real.verify as (hash: unknown) => unknown, (hash) => hash === null),
  };
});

afterEach(() => {
  runtime.lacksMlDsa = false;
});

describe('when the runtime lacks ML-DSA', () => {
  const content = Buffer.from('content');
  const signer = makeSigner(makeRoot({ algorithm: 'ml-dsa-87' }), { algorithm: 'ml-dsa-87' });
  const cms = signDetached(content, signer, signedAt);

  it('verifies if it does not', () => {
    expect(verifyDetached(cms, content, new Set(['ml-dsa-87'])).algorithm).toBe('ml-dsa-87');
  });

  it('fails instead of skipping the check', async () => {
    const { certificate, key } = signer;
    runtime.lacksMlDsa = true;
    await expectCode(() => generateKey('ml-dsa-87'), 'algorithm-refused');
    await expectCode(() => signWith('ml-dsa-87', key, content), 'algorithm-refused');
    await expectCode(
      () => verifyWith('ml-dsa-87', certificate.publicKey, content, content),
      'algorithm-refused',
    );
    await expectCode(() => parseCertificate(certificate.der), 'algorithm-refused');
    await expectCode(
      () => verifyDetached(cms, content, new Set(['ml-dsa-87'])),
      'algorithm-refused',
    );
  });
});
