import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MAX_SIGNATURES } from '../../src/core/limits.ts';
import { readCanonical, writeCanonical } from '../../src/format/document.ts';
import { type Role, type Trust, trustKind } from '../../src/format/trust.ts';
import { allAlgorithms, oids } from '../../src/trust/algorithm.ts';
import { encodeCertificate } from '../../src/trust/certificate-file.ts';
import { signDetached } from '../../src/trust/cms-sign.ts';
import { bitString, boolean, sequence } from '../../src/trust/der.ts';
import { evaluateSignatures, trustFromRoot } from '../../src/trust/policy.ts';
import type { SignatureFile } from '../../src/trust/signature-file.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import {
  type Holder,
  makeAuthority,
  makeRoot,
  makeSigner,
  signedAt,
  validity,
} from './authority.ts';
import { extension, oddCertificate } from './odd-certificate.ts';
import { oddSignature } from './odd-signature.ts';
import { atSigning, openssl } from './openssl.ts';

const scratch = scratchFolder();

const content = Buffer.from(`${'ab'.repeat(64)}  bundle.json\n`);
const now = new Date(signedAt.getTime() + 60_000);

const vendor = makeRoot({ name: 'Vendor' });
const site = makeRoot({ name: 'Site' });
const stranger = makeRoot({ name: 'Stranger' });
const ann = makeSigner(vendor, { name: 'Ann' });
const ben = makeSigner(vendor, { name: 'Ben' });
const officer = makeSigner(site, { name: 'Officer' });
const mallory = makeSigner(stranger, { name: 'Mallory' });

let files = 0;
function signed(signer: Holder, at: Date = signedAt): SignatureFile {
  files += 1;
  return { name: `${files}.p7s`, bytes: signDetached(content, signer, at) };
}

type Changes = Partial<Omit<Trust, 'roles'>> & { readonly release?: Partial<Role> };

function trusting({ release, ...changes }: Changes = {}): Trust {
  const pin = (name: string, { certificate }: Holder): Trust['roots'][number] => ({
    name,
    certificate: certificate.der.toString('base64'),
  });
  return {
    schema: 'stowage/trust/v1',
    version: 3,
    issuedAt: '2026-11-01T00:00:00Z',
    roots: [pin('vendor', vendor), pin('site', site)],
    roles: {
      root: { threshold: 1, roots: ['site'] },
      release: { threshold: 1, roots: ['vendor'], ...release },
      approval: { threshold: 1, roots: ['site'] },
    },
    algorithms: allAlgorithms,
    revoked: [],
    ...changes,
  };
}

const evaluate = (signatures: readonly SignatureFile[], trust: Trust = trusting()) =>
  evaluateSignatures(trust, 'release', { content, signatures }, now);
const two = trusting({ release: { threshold: 2 } });

describe('when enough signatures count', () => {
  it('gives a verdict for each file, in their order', () => {
    const signatures = [signed(officer), signed(ann), signed(mallory), signed(ben)];
    const verdicts = evaluate(signatures, two);
    expect(verdicts.map(({ name }) => name)).toEqual(signatures.map(({ name }) => name));
    expect(verdicts).toMatchObject([
      { counted: false, reason: 'other-role', root: 'site' },
      { counted: true, root: 'vendor', subject: 'O=Example Agency, CN=Ann' },
      { counted: false, reason: 'untrusted' },
      { counted: true, root: 'vendor', signingTime: signedAt, algorithm: 'ecdsa-p384-sha384' },
    ]);
    expect(verdicts[1]).not.toHaveProperty('reason');
    expect(verdicts[2]).not.toHaveProperty('root');
    expect(verdicts[2]).not.toHaveProperty('cause');
    expect(verdicts[1]?.keyFingerprint).toBe(ann.certificate.keyFingerprint);
  });

  it('uses the roots of each role', () => {
    const [verdict] = evaluateSignatures(
      trusting(),
      'approval',
      { content, signatures: [signed(officer)] },
      now,
    );
    expect(verdict).toMatchObject({ counted: true, root: 'site' });
  });

  it('accepts one root in two roles', () => {
    const trust = trusting({ release: { roots: ['vendor', 'site'] } });
    expect(evaluate([signed(officer)], trust)).toMatchObject([{ counted: true, root: 'site' }]);
  });

  it('prefers a root of the role when two belong to one CA', () => {
    const pair = { privateKey: vendor.key, publicKey: vendor.certificate.publicKey };
    const renewed = makeRoot({ name: 'Vendor', pair });
    const { roots } = trusting();
    const old = { name: 'old', certificate: renewed.certificate.der.toString('base64') };
    expect(evaluate([signed(ann)], trusting({ roots: [old, ...roots] }))).toMatchObject([
      { counted: true, root: 'vendor' },
    ]);
  });

  it('ignores a revoked signer beside one that is not revoked', () => {
    const trust = trusting({ revoked: [revoke(vendor, ann)] });
    expect(evaluate([signed(ann), signed(ben)], trust)).toMatchObject([
      { counted: false, reason: 'revoked', revoked: expect.stringContaining('key lost') },
      { counted: true },
    ]);
  });

  it('counts an allowed algorithm beside one that is not', () => {
    const mlDsa = makeSigner(vendor, { algorithm: 'ml-dsa-87' });
    const trust = trusting({ algorithms: ['ml-dsa-87'] });
    expect(evaluate([signed(ann), signed(mlDsa)], trust)).toMatchObject([
      { counted: false, reason: 'other-algorithm' },
      { counted: true, algorithm: 'ml-dsa-87' },
    ]);
  });
});

describe('when too few signatures count', () => {
  it('refuses none at all', async () => {
    await expectCode(() => evaluate([]), 'signature-missing');
  });

  it('counts a key once, for any number of files, names and certificates', async () => {
    const pair = { privateKey: ann.key, publicKey: ann.certificate.publicKey };
    const alias = makeSigner(vendor, { name: 'Alias', pair });
    const signatures = [signed(ann), signed(ann), signed(alias)];
    const error = await expectCode(() => evaluate(signatures, two), 'threshold-unmet');
    expect(error.found).toBe('1');
    expect(error.defects.map((each) => each.split(', ').at(-1))).toEqual([
      'counted',
      'its key was already counted',
      'its key was already counted',
    ]);
    const verdicts = evaluate(signatures);
    expect(verdicts.map(({ counted }) => counted)).toEqual([true, false, false]);
  });

  it('does not count a signer of another role', async () => {
    await expectCode(() => evaluate([signed(officer)]), 'threshold-unmet');
    await expectCode(() => evaluate([signed(ann), signed(officer)], two), 'threshold-unmet');
  });

  it('reports an unknown signer when all are unknown', async () => {
    const error = await expectCode(() => evaluate([signed(mallory)]), 'signer-untrusted');
    expect(error.message).toContain('CN=Mallory');
    await expectCode(() => evaluate([signed(mallory), signed(ann)], two), 'threshold-unmet');
  });

  it('refuses a revoked signer, and what a revoked authority issued', async () => {
    const trust = trusting({ revoked: [revoke(vendor, ann)] });
    const error = await expectCode(() => evaluate([signed(ann)], trust), 'signer-revoked');
    expect(error.found).toContain(`trust document ${trust.version} of ${trust.issuedAt}: key lost`);
    for (const signatures of [
      [signed(ann), signed(mallory)],
      [signed(mallory), signed(ann)],
    ])
      await expectCode(() => evaluate(signatures, trust), 'signer-revoked');
    const two = trusting({ revoked: [revoke(vendor, ann)], release: { threshold: 2 } });
    const short = await expectCode(
      () => evaluate([signed(ann), signed(ben)], two),
      'threshold-unmet',
    );
    expect(short.defects[0]).toContain('key lost');
  });

  it('reports a refused algorithm when that is the only problem', async () => {
    const trust = trusting({ algorithms: ['ml-dsa-87'] });
    await expectCode(() => evaluate([signed(ann)], trust), 'algorithm-refused');
    const both = trusting({ algorithms: ['ml-dsa-87'], release: { threshold: 2 } });
    await expectCode(() => evaluate([signed(ann)], both), 'threshold-unmet');
    await expectCode(() => evaluate([signed(ann), signed(ben)], both), 'algorithm-refused');
  });

  it('refuses a role that the trust document does not have', async () => {
    const trust = trustFromRoot(vendor.certificate, now);
    await expectCode(
      () => evaluateSignatures(trust, 'approval', { content, signatures: [signed(ann)] }, now),
      'signer-untrusted',
    );
  });
});

describe('when a role requires algorithms', () => {
  const quantum = makeSigner(vendor, { name: 'Ann', algorithm: 'ml-dsa-87' });
  const foreign = makeSigner(stranger, { name: 'Mallory', algorithm: 'ml-dsa-87' });
  const approving = makeSigner(site, { name: 'Officer', algorithm: 'ml-dsa-87' });
  const requires = ['ecdsa-p384-sha384', 'ml-dsa-87'] as const;
  const both = trusting({ release: { requires } });
  const classical = signed(ann);
  const postQuantum = signed(quantum);

  it('accepts one of each', () => {
    expect(evaluate([classical, postQuantum], both)).toMatchObject([
      { counted: true, algorithm: 'ecdsa-p384-sha384' },
      { counted: true, algorithm: 'ml-dsa-87' },
    ]);
  });

  it('has a classical file that openssl verifies', () => {
    const folder = scratch.fresh();
    mkdirSync(folder);
    writeFileSync(join(folder, 'content'), content);
    writeFileSync(join(folder, 'signature.p7s'), classical.bytes);
    writeFileSync(join(folder, 'root.pem'), encodeCertificate(vendor.certificate));
    const purpose = ['-purpose', 'any', '-no-CApath', '-no-CAstore', '-CAfile', 'root.pem'];
    const from = ['-inform', 'DER', '-in', 'signature.p7s', '-content', 'content'];
    const answer = openssl(
      ['cms', '-verify', '-binary', ...purpose, ...atSigning, ...from, '-out', 'out'],
      folder,
    );
    expect(answer.stderr).toContain('successful');
    expect(answer.ok).toBe(true);
  });

  it.each([
    ['ML-DSA-87 is taken away (attack 24)', [classical], 'ml-dsa-87'],
    ['P-384 is taken away', [postQuantum], 'ecdsa-p384-sha384'],
    ['two keys are of one algorithm', [classical, signed(ben)], 'ml-dsa-87'],
    ['a stranger stands in', [classical, signed(foreign)], 'ml-dsa-87'],
    ['a signer of another role stands in', [classical, signed(approving)], 'ml-dsa-87'],
  ])('refuses when %s', async (_, signatures, lacking) => {
    const error = await expectCode(() => evaluate(signatures, both), 'threshold-unmet');
    expect(error.message).toBe(`no release signature by ${lacking}`);
    expect(error.expected).toContain(lacking);
  });

  describe('and a root of it is for ML-DSA-87', () => {
    const pq = makeRoot({ name: 'Later', algorithm: 'ml-dsa-87', pathLength: 1 });
    const later = makeSigner(pq, { algorithm: 'ml-dsa-87' });
    const middle = makeAuthority(pq, { algorithm: 'ecdsa-p384-sha384' });
    const strong = makeAuthority(pq, { name: 'Strong', algorithm: 'ml-dsa-87' });
    const below = (authority: Holder): SignatureFile => {
      files += 1;
      const holder = makeSigner(authority, { algorithm: 'ml-dsa-87' });
      const signer = { ...holder, intermediates: [authority.certificate] };
      return { name: `${files}.p7s`, bytes: signDetached(content, signer, signedAt) };
    };
    const pinned = { name: 'later', certificate: pq.certificate.der.toString('base64') };
    const release = { requires, roots: ['vendor', 'later'] };
    const trust = trusting({ roots: [...both.roots, pinned], release });

    it.each([
      ['its root', signed(later)],
      ['an authority of its kind', below(strong)],
    ])('takes a signature by it under %s', (_, signature) => {
      expect(evaluate([classical, signature], trust)).toHaveLength(2);
    });

    it.each([
      ['a root', postQuantum],
      ['an authority', below(middle)],
    ])('does not take one that rests on %s of another algorithm', async (_, signature) => {
      const error = await expectCode(
        () => evaluate([classical, signature], trust),
        'threshold-unmet',
      );
      expect(error.message).toBe('no release signature by ml-dsa-87');
      expect(error.found).toContain('under a certificate by another algorithm');
      expect(evaluate([classical, signature, signed(later)], trust)).toHaveLength(3);
    });

    it('requires that only of the roots of the role, and only where it is required', () => {
      const elsewhere = trusting({ roots: [...both.roots, pinned], release: { requires } });
      expect(evaluate([classical, postQuantum], elsewhere)).toHaveLength(2);
      const free = trusting({
        roots: trust.roots,
        release: { roots: release.roots, threshold: 2 },
      });
      expect(evaluate([classical, postQuantum], free)).toMatchObject([
        { counted: true },
        { counted: true },
      ]);
    });
  });

  it('names the missing algorithm also when there are too few keys', async () => {
    const three = trusting({ release: { requires, threshold: 3 } });
    const error = await expectCode(() => evaluate([classical], three), 'threshold-unmet');
    expect(error.message).toBe('too few release signatures, and none by ml-dsa-87');
    await expectCode(() => evaluate([classical, postQuantum], three), 'threshold-unmet');
    expect(evaluate([classical, postQuantum, signed(ben)], three)).toHaveLength(3);
  });
});

describe('when the trust document itself is signed', () => {
  const sealed = (signatures: readonly SignatureFile[]) =>
    evaluateSignatures(trusting(), 'root', { content, signatures }, now);

  it('uses the roots of the role root', async () => {
    expect(sealed([signed(officer)])).toMatchObject([{ counted: true, root: 'site' }]);
    const error = await expectCode(() => sealed([signed(ann)]), 'threshold-unmet');
    expect(error.message).toBe('too few root signatures');
  });
});

describe('when one signature is broken', () => {
  const file = (bytes: Buffer): SignatureFile => ({ name: 'broken.p7s', bytes });
  const good = signed(ann);
  const outdated = makeSigner(vendor, { notAfter: new Date('2026-06-01T00:00:00Z') });

  it.each([
    ['empty', file(Buffer.alloc(0)), 'signature-malformed'],
    ['cut short', file(signed(ben).bytes.subarray(0, 500)), 'signature-malformed'],
    ['of other content', file(signDetached(Buffer.from('x'), ben, signedAt)), 'signature-invalid'],
    ['of another key', file(oddSignature(content, { ...ben, key: ann.key })), 'signature-invalid'],
    [
      'by an expired signer',
      file(signDetached(content, outdated, signedAt)),
      'certificate-invalid',
    ],
    [
      'by an authority',
      file(signDetached(content, makeAuthority(vendor), signedAt)),
      'certificate-invalid',
    ],
    [
      'of a stranger and of other content',
      file(signDetached(Buffer.from('x'), mallory, signedAt)),
      'signature-invalid',
    ],
  ] as const)('refuses one %s beside a good one, in either order', async (_, bad, code) => {
    const first = await expectCode(() => evaluate([bad, good]), code);
    const last = await expectCode(() => evaluate([good, bad]), code);
    expect([first.message, last.message]).toEqual([first.message, first.message]);
    expect(first.message).toMatch(/^"broken.p7s": /);
  });

  it('refuses more files than the limit', async () => {
    const many = Array.from({ length: MAX_SIGNATURES + 1 }, () => good);
    await expectCode(() => evaluate(many), 'signature-malformed');
    expect(evaluate(many.slice(1))).toHaveLength(MAX_SIGNATURES);
  });
});

describe('when a signature is from the future', () => {
  const day = 24 * 60 * 60 * 1000;
  const second = 1000;

  it('tolerates a clock that is a day behind, and no more', async () => {
    const ahead = (ms: number): SignatureFile => signed(ann, new Date(now.getTime() + ms));
    expect(evaluate([ahead(day)])).toMatchObject([{ counted: true }]);
    await expectCode(() => evaluate([ahead(day + second)]), 'signature-invalid');
    await expectCode(() => evaluate([signed(ben), ahead(day + second)]), 'signature-invalid');
  });

  it('accepts an old signature, made while its signer was valid', () => {
    expect(evaluate([signed(ann, validity.notBefore)])).toMatchObject([{ counted: true }]);
  });
});

describe('when a site starts from a root certificate', () => {
  const trust = trustFromRoot(vendor.certificate, now);

  it('requires one release signature under that root', async () => {
    expect(evaluate([signed(ann)], trust)).toMatchObject([{ counted: true }]);
    await expectCode(() => evaluate([signed(officer)], trust), 'signer-untrusted');
  });

  it('is a document that can be read back', () => {
    expect(readCanonical(trustKind, writeCanonical(trustKind, trust))).toEqual(trust);
    expect(trust).toMatchObject({ version: 1, issuedAt: '2026-11-21T10:01:00Z' });
  });

  it('refuses the certificate of a signer', async () => {
    await expectCode(() => trustFromRoot(ann.certificate, now), 'certificate-invalid');
  });
});

describe('when a trust document pins a certificate that cannot be a root', () => {
  const usage = extension(oids.keyUsage, bitString(Buffer.from([0x06]), 1), true);
  const odd = oddCertificate(vendor, ann.certificate.publicKey, { extensions: [usage] });
  const authority = extension(oids.basicConstraints, sequence(boolean(true)), true);
  const mute = oddCertificate(vendor, ann.certificate.publicKey, { extensions: [authority] });

  it.each([
    ['a signer', ann.certificate.der],
    ['what may sign certificates without being an authority', odd],
    ['an authority without the key usage for it', mute],
    ['half a certificate', vendor.certificate.der.subarray(0, 99)],
  ])('refuses %s', async (_, der) => {
    const trust = trusting({ roots: [{ name: 'vendor', certificate: der.toString('base64') }] });
    await expectCode(() => evaluate([signed(ann)], trust), 'certificate-invalid');
    await expectCode(() => evaluate([signed(officer)], trust), 'certificate-invalid');
  });
});

function revoke(issuer: Holder, { certificate }: Holder): Trust['revoked'][number] {
  const { serial } = certificate;
  return { issuer: issuer.certificate.fingerprint, serial, reason: 'key lost' };
}
