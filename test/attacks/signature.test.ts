import { generateKeyPairSync, hash, verify } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../src/bundle/admission/admit.ts';
import type { ErrorCode, StowageError } from '../../src/core/error.ts';
import { parseCertificate } from '../../src/trust/certificate.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { tree } from '../support/tree.ts';
import { type Holder, makeSigner } from '../trust/authority.ts';
import { oddCertificate } from '../trust/odd-certificate.ts';
import { openssl } from '../trust/openssl.ts';
import { type SignedBundle, signedBundle } from './signed-bundle.ts';

const scratch = scratchFolder(true);
let plain: SignedBundle;
let colleague: Holder;

beforeAll(async () => {
  plain = await signedBundle({ place: scratch.fresh() });
  colleague = makeSigner(plain.authority.vendor.root, { name: 'Colleague' });
});

/** Refuses the bundle, and changes nothing on the medium. */
async function refuse(
  folder: string,
  { trust }: SignedBundle,
  code: ErrorCode,
): Promise<StowageError> {
  const before = tree(folder);
  const error = await expectCode(() => admit(folder, { ...context(), trust }), code);
  expect(tree(folder)).toEqual(before);
  return error;
}

/** What openssl makes of the list when an officer's colleague signs it with these options. */
function opensslSigns(options: readonly string[], md = 'sha384'): Buffer {
  const at = scratch.fresh();
  mkdirSync(at);
  const pem = (holder: Holder): string => encodePem('CERTIFICATE', holder.certificate.der);
  writeFileSync(join(at, 'cert.pem'), pem(colleague));
  writeFileSync(join(at, 'key.pem'), colleague.key.export({ format: 'pem', type: 'pkcs8' }));
  const { signer } = plain.authority.vendor;
  writeFileSync(join(at, 'second.pem'), pem(signer));
  writeFileSync(join(at, 'second.key'), signer.key.export({ format: 'pem', type: 'pkcs8' }));
  const list = join(plain.folder, 'SHA512SUMS');
  const files = ['-in', list, '-out', 'sig', '-signer', 'cert.pem', '-inkey', 'key.pem'];
  const made = openssl(['cms', '-sign', '-binary', '-md', md, ...files, ...options], at);
  if (!made.ok) throw new Error(made.stderr);
  return readFileSync(join(at, 'sig'));
}

const DER = ['-outform', 'DER'];
const second = ['-signer', 'second.pem', '-inkey', 'second.key'];

describe('when openssl signed it differently than stowage does', () => {
  it.each<[string, ErrorCode, () => Buffer]>([
    ['its usual attributes', 'signature-malformed', () => opensslSigns([...DER])],
    ['the attributes of CAdES', 'signature-invalid', () => opensslSigns([...DER, '-cades'])],
    [
      'an indefinite length (attack 6)',
      'signature-malformed',
      () => opensslSigns([...DER, '-stream']),
    ],
    [
      'content in it (attack 8)',
      'signature-malformed',
      () => opensslSigns([...DER, '-nodetach', '-nosmimecap']),
    ],
    [
      'no signed attributes (attack 9)',
      'signature-malformed',
      () => opensslSigns([...DER, '-noattr']),
    ],
    [
      'no certificate',
      'signature-malformed',
      () => opensslSigns([...DER, '-nocerts', '-nosmimecap']),
    ],
    [
      'its signer named by key identifier',
      'signature-malformed',
      () => opensslSigns([...DER, '-keyid', '-nosmimecap']),
    ],
    [
      'two signers (attack 15)',
      'signature-malformed',
      () => opensslSigns([...DER, '-nosmimecap', ...second]),
    ],
    [
      'SHA-1 (attack 18)',
      'algorithm-refused',
      () => opensslSigns([...DER, '-nosmimecap', '-cades'], 'sha1'),
    ],
    [
      'SHA-256 (attack 18)',
      'algorithm-refused',
      () => opensslSigns([...DER, '-nosmimecap', '-cades'], 'sha256'),
    ],
    [
      'PEM (attack 27)',
      'signature-malformed',
      () => opensslSigns(['-outform', 'PEM', '-nosmimecap']),
    ],
    [
      'S/MIME (attack 27)',
      'signature-malformed',
      () => opensslSigns(['-outform', 'SMIME', '-nosmimecap']),
    ],
  ])('refuses %s: %s', async (_, code, make) => {
    const folder = scratch.copy(plain.folder);
    rmSync(join(folder, 'signatures'), { recursive: true });
    mkdirSync(join(folder, 'signatures'));
    writeFileSync(join(folder, 'signatures', 'release.p7s'), make());
    await refuse(folder, plain, code);
  });
});

describe('when the signature is truncated', () => {
  it('is refused at every length (attack 4)', async () => {
    const folder = scratch.copy(plain.folder);
    const path = join(folder, 'signatures', 'ecdsa-p384-sha384.p7s');
    const { length } = readFileSync(path);
    expect(length).toBeGreaterThan(900);
    for (let rest = length - 1; rest >= 0; rest -= 1) {
      truncateSync(path, rest);
      const { trust } = plain;
      await expectCode(() => admit(folder, { ...context(), trust }), 'signature-malformed');
    }
  });
});

describe('when a policy requires P-384 and ML-DSA-87', () => {
  const algorithms = ['ecdsa-p384-sha384', 'ml-dsa-87'] as const;
  let both: SignedBundle;
  beforeAll(async () => {
    both = await signedBundle({ place: scratch.fresh(), algorithms, requiresAll: true });
  });

  it('admits a bundle with both', async () => {
    const { signers } = await admit(both.folder, { ...context(), trust: both.trust });
    expect(signers.map(({ algorithm, counted }) => [algorithm, counted])).toEqual(
      algorithms.map((each) => [each, true]),
    );
  });

  it.each(algorithms)('refuses it without its %s signature (attack 24)', async (taken) => {
    const folder = scratch.copy(both.folder);
    rmSync(join(folder, 'signatures', `${taken}.p7s`));
    const error = await refuse(folder, both, 'threshold-unmet');
    expect(error.message).toContain(taken);
  });

  it('refuses it when one of the two signs another list (attack 25)', async () => {
    const folder = scratch.copy(both.folder);
    const name = join('signatures', 'ml-dsa-87.p7s');
    const other = await signedBundle({ place: scratch.fresh(), algorithms, seq: 2 });
    writeFileSync(join(folder, name), readFileSync(join(other.folder, name)));
    await refuse(folder, both, 'signature-invalid');
  });
});

describe('when an RSA signature with exponent 3 is forged (attack 21, CVE-2026-85393)', () => {
  const content = Buffer.from('a list that nobody signed\n');
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072, publicExponent: 3 });
  const signature = forgeCube(hash('sha384', content, 'buffer'), 3072);

  it('would pass a check of only the beginning of the block', () => {
    const cubed = (BigInt(`0x${signature.toString('hex')}`) ** 3n).toString(16).padStart(768, '0');
    const front = frontOf(hash('sha384', content, 'buffer')).toString('hex');
    expect(cubed.startsWith(front)).toBe(true);
    expect(cubed).toHaveLength(768);
  });

  it('fails in OpenSSL', () => {
    expect(verify('sha384', content, publicKey, signature)).toBe(false);
  });

  it('is refused for its key before anything is calculated', async () => {
    const certificate = oddCertificate(plain.authority.vendor.root, publicKey);
    const error = await expectCode(() => parseCertificate(certificate), 'algorithm-refused');
    expect(error.found).toBe('an RSA key of 3072 bits with exponent 3');
  });
});

/** The front of a PKCS #1 v1.5 block with the least padding there may be. */
function frontOf(digest: Buffer): Buffer {
  const info = Buffer.from('3041300d060960864801650304020205000430', 'hex');
  return Buffer.concat([Buffer.from('0001ffffffffffffffff00', 'hex'), info, digest]);
}

/** A number whose cube begins as a signed block does; the rest of it is whatever comes of the cube. */
function forgeCube(digest: Buffer, bits: number): Buffer {
  const front = frontOf(digest);
  const shift = BigInt(bits - front.length * 8);
  const target = BigInt(`0x${front.toString('hex')}`) << shift;
  let [low, high] = [0n, 1n << BigInt(Math.ceil(bits / 3) + 1)];
  while (low < high) {
    const middle = (low + high) / 2n;
    if (middle ** 3n < target) low = middle + 1n;
    else high = middle;
  }
  return Buffer.from(low.toString(16).padStart(bits / 4, '0'), 'hex');
}
