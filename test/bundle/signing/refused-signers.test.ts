import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../../src/bundle/admission/admit.ts';
import { addSignature, openForSigning, signBundle } from '../../../src/bundle/signing/sign.ts';
import { signBeside } from '../../../src/bundle/signing/sign-beside.ts';
import { prepareBundle } from '../../../src/bundle/signing/sign-elsewhere.ts';
import type { ErrorCode } from '../../../src/core/error.ts';
import { MAX_SIGNATURES } from '../../../src/core/limits.ts';
import type { Trust } from '../../../src/format/trust.ts';
import { oids } from '../../../src/trust/algorithm.ts';
import { parseCertificate } from '../../../src/trust/certificate.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { type Signer, signDetached } from '../../../src/trust/cms-sign.ts';
import { bitString, type Der, oid, sequence } from '../../../src/trust/der.ts';
import { encodePrivateKey, generateKey } from '../../../src/trust/key.ts';
import { evaluateSignatures } from '../../../src/trust/policy.ts';
import { trustFromRoot } from '../../../src/trust/trust-root.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';
import { makeAuthority, makeRoot, makeSigner } from '../../trust/authority.ts';
import { extension, leafExtensions, oddCertificate } from '../../trust/odd-certificate.ts';

const scratch = scratchFolder();
const DAY_MS = 86_400_000;
const root = makeRoot({ pathLength: 1 });
const good = makeSigner(root);
const trust = trustFromRoot(root.certificate, packedAt);
const ca = makeAuthority(root);
const late = new Date(packedAt.getTime() + DAY_MS);
const early = new Date(packedAt.getTime() - DAY_MS);
let small: SmallBundle;

beforeAll(async () => {
  const authority = { root: root.certificate, signer: good, trust };
  small = await smallBundle({ place: scratch.fresh(), authority });
});

const notForSigning = extension(oids.keyUsage, bitString(Buffer.from([0x40]), 6), true);
const forServers = extension(oids.extendedKeyUsage, sequence(oid('1.3.6.1.5.5.7.3.1')));

/** A signer with these extensions. */
function odd(extensions: Readonly<Record<string, Der | undefined>>): Signer {
  const pair = generateKey();
  const list = Object.values(extensions).filter((each) => each !== undefined);
  const bytes = oddCertificate(root, pair.publicKey, { extensions: list });
  return { certificate: parseCertificate(bytes), key: pair.privateKey };
}

const signers: readonly [string, Signer][] = [
  ['the root itself', root],
  ['a subordinate CA', ca],
  ['an expired certificate', makeSigner(root, { notAfter: early })],
  ['a certificate that is not valid yet', makeSigner(root, { notBefore: late })],
  ['a certificate without digitalSignature', odd({ ...leafExtensions, usage: notForSigning })],
  ['a certificate without a key usage', odd({ ...leafExtensions, usage: undefined })],
  ['a certificate without a purpose', odd({ ...leafExtensions, purposes: undefined })],
  ['a certificate for servers', odd({ ...leafExtensions, purposes: forServers })],
  ['an unrelated certificate beside it', { ...good, intermediates: [makeRoot().certificate] }],
  ['an expired intermediate CA', withIssuer(makeAuthority(root, { notAfter: early }))],
];

function withIssuer(issuer: ReturnType<typeof makeAuthority>): Signer {
  return { ...makeSigner(issuer), intermediates: [issuer.certificate] };
}

describe('when verification would refuse a signer', () => {
  it.each(signers)(
    'does not sign with %s, for the reason that verification gives',
    async (_, signer) => {
      const folder = scratch.copy(small.folder);
      const content = readFileSync(join(folder, 'SHA512SUMS'));
      const before = tree(folder);
      const bytes = signDetached(content, signer, packedAt);
      const files = [{ name: 'second.p7s', bytes }];
      const verified = await expectCode(
        () => evaluateSignatures(trust, 'release', { content, signatures: files }, packedAt),
        'certificate-invalid',
      );
      const refused = await expectCode(
        () => signBundle(folder, 'second', signer, packedAt),
        'certificate-invalid',
      );
      expect(verified.message).toContain(refused.message);
      await expectCode(
        () => prepareBundle(folder, 'second', signer, packedAt),
        'certificate-invalid',
      );
      const plan = join(scratch.fresh(), 'plan.json');
      mkdirSync(join(plan, '..'));
      writeFileSync(plan, content);
      const beside = { file: plan, bytes: content, name: 'second', signer, now: packedAt };
      await expectCode(() => signBeside(beside), 'certificate-invalid');
      expect(tree(folder)).toEqual(before);
      await admit(folder, { ...context(), trust });
    },
  );

  it('still signs with an intermediate CA, and with the root in the file', async () => {
    const below = { ...makeSigner(ca), intermediates: [ca.certificate, root.certificate] };
    const folder = scratch.copy(small.folder);
    await signBundle(folder, 'second', below, packedAt);
    const { signers: verdicts } = await admit(folder, { ...context(), trust });
    expect(verdicts.map(({ counted }) => counted)).toEqual([true, true]);
  });

  it('does not attach a signature dated in the future', async () => {
    const folder = scratch.copy(small.folder);
    const bundle = await openForSigning(folder, 'second');
    const bytes = signDetached(bundle.checksums, good, new Date(packedAt.getTime() + 2 * DAY_MS));
    await expectCode(() => addSignature(bundle, bytes, { now: packedAt }), 'signature-invalid');
    await admit(folder, { ...context(), trust });
  });

  it('does not add one signature more than verification accepts', async () => {
    const folder = scratch.copy(small.folder);
    for (let count = 1; count < MAX_SIGNATURES; count += 1)
      await signBundle(folder, `signer-${count}`, good, packedAt);
    await expectCode(() => signBundle(folder, 'one-more', good, packedAt), 'signature-malformed');
    await admit(folder, { ...context(), trust });
  });
});

describe('when a trust document must accept the signature', () => {
  const revoking: Trust = {
    ...trust,
    revoked: [
      { issuer: root.certificate.fingerprint, serial: good.certificate.serial, reason: 'lost' },
    ],
  };
  const other = makeRoot({ name: 'Other' });
  const roots: Trust['roots'] = [
    ...trust.roots,
    { name: 'other', certificate: other.certificate.der.toString('base64') },
  ];

  it.each<[string, Signer, Trust, ErrorCode]>([
    ['of another root', makeSigner(other), trust, 'signer-untrusted'],
    ['that it revokes', good, revoking, 'signer-revoked'],
    ['of the root of another role', makeSigner(other), { ...trust, roots }, 'threshold-unmet'],
    [
      'with an algorithm that it does not accept',
      good,
      { ...trust, algorithms: ['ml-dsa-87'] },
      'threshold-unmet',
    ],
    [
      'of a CA deeper than the root allows',
      withIssuer(makeAuthority(flat(), { name: 'Deep', pathLength: 0 })),
      trustFromRoot(flat().certificate, packedAt),
      'certificate-invalid',
    ],
  ])('refuses one %s', async (_, signer, document, code) => {
    const folder = scratch.copy(small.folder);
    rmSync(join(folder, 'signatures'), { recursive: true });
    const before = tree(folder);
    const bundle = await openForSigning(folder, 'second');
    const bytes = signDetached(bundle.checksums, signer, packedAt);
    const by = { trust: document, role: 'release' as const };
    await expectCode(() => addSignature(bundle, bytes, { now: packedAt, by }), code);
    expect(tree(folder)).toEqual(before);
  });

  it('refuses a key that signed already', async () => {
    const folder = scratch.copy(small.folder);
    const bundle = await openForSigning(folder, 'second');
    const bytes = signDetached(bundle.checksums, good, packedAt);
    const by = { trust, role: 'release' as const };
    await expectCode(() => addSignature(bundle, bytes, { now: packedAt, by }), 'threshold-unmet');
  });

  it('refuses before the passphrase of the key is read', async () => {
    const place = scratch.fresh();
    mkdirSync(place);
    writeFileSync(join(place, 'root.pem'), encodeCertificate(root.certificate));
    writeFileSync(join(place, 'root.key.pem'), encodePrivateKey(root.key, Buffer.from('secret')));
    const args = ['--key', 'root.key.pem', '--certificate', 'root.pem', '--name', 'second'];
    const { error } = await runProgram(['sign', scratch.copy(small.folder), ...args], place);
    expect(error?.code).toBe('certificate-invalid');
  });

  it('accepts --trust on the command line', async () => {
    const place = scratch.fresh();
    mkdirSync(place);
    const holder = makeSigner(other);
    writeFileSync(join(place, 'root.pem'), encodeCertificate(root.certificate));
    writeFileSync(join(place, 'other.pem'), encodeCertificate(holder.certificate));
    writeFileSync(join(place, 'key.pem'), encodePrivateKey(holder.key));
    const by = ['--key', 'key.pem', '--certificate', 'other.pem', '--name', 'second'];
    const folder = scratch.copy(small.folder);
    const ran = await runProgram(['sign', folder, ...by, '--trust', 'root.pem'], place);
    expect(ran.error?.code).toBe('signer-untrusted');
    expect((await runProgram(['sign', folder, ...by], place)).status).toBe(0);
  });
});

let deep: ReturnType<typeof makeRoot> | undefined;

/** A root that allows no CA below it. */
function flat(): ReturnType<typeof makeRoot> {
  deep ??= makeRoot({ name: 'Flat', pathLength: 0 });
  return deep;
}
