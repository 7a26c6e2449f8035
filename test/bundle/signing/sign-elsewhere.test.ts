import { createHash, sign } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../../src/bundle/admission/admit.ts';
import { signBundle } from '../../../src/bundle/signing/sign.ts';
import {
  attachTo,
  attachToBundle,
  prepareBundle,
} from '../../../src/bundle/signing/sign-elsewhere.ts';
import type { SigningRequest } from '../../../src/format/signing-request.ts';
import type { AlgorithmName } from '../../../src/format/trust.ts';
import { allAlgorithms, signWith } from '../../../src/trust/algorithm.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { verifyDetached } from '../../../src/trust/cms-verify.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';
import {
  type Holder,
  makeRoot,
  makeSigner,
  makeAuthority as makeSubordinate,
} from '../../trust/authority.ts';

const scratch = scratchFolder();
const authority = makeAuthority();
let small: SmallBundle;
let other: SmallBundle;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh(), authority });
  other = await smallBundle({ place: scratch.fresh(), authority, version: '1.1.0', seq: 2 });
});

const prepare = (folder: string, signer: Holder = authority.signer): Promise<SigningRequest> =>
  prepareBundle(folder, 'token', signer, packedAt).then(({ request }) => request);

/** What a token answers that hashes by itself. */
const answer = (request: SigningRequest, key = authority.signer.key): Buffer =>
  sign('sha384', Buffer.from(request.toBeSigned, 'base64'), key);

describe('when a signature is prepared', () => {
  it('writes nothing into the bundle', async () => {
    const before = tree(small.folder);
    await prepare(small.folder);
    expect(tree(small.folder)).toEqual(before);
  });

  it('states the bundle, the time, the certificate, the bytes and their hash', async () => {
    const request = await prepare(small.folder);
    const bytes = Buffer.from(request.toBeSigned, 'base64');
    expect(request).toMatchObject({
      schema: 'stowage/signing-request/v1',
      bundle: small.id,
      name: 'token',
      signingTime: '2026-11-21T10:00:00Z',
      algorithm: 'ecdsa-p384-sha384',
      certificates: [authority.signer.certificate.der.toString('base64')],
      digest: { algorithm: 'sha384', value: createHash('sha384').update(bytes).digest('hex') },
    });
    const content = readFileSync(join(small.folder, 'SHA512SUMS'));
    const digest = createHash('sha384').update(content).digest();
    expect(bytes.includes(digest)).toBe(true);
  });

  it('prepares the same request twice, and another in the next second', async () => {
    const [first, second] = [await prepare(small.folder), await prepare(small.folder)];
    expect(second).toEqual(first);
    const later = new Date(packedAt.getTime() + 1000);
    const third = await prepareBundle(small.folder, 'token', authority.signer, later);
    expect(third.request.toBeSigned).not.toBe(first.toBeSigned);
  });

  it('rejects a name in use before anyone signs', async () => {
    const { signer } = authority;
    await expectCode(
      () => prepareBundle(small.folder, 'release', signer, packedAt),
      'output-exists',
    );
  });
});

describe('when a signature is attached', () => {
  it.each<[string, (request: SigningRequest) => Buffer]>([
    ['DER', (request) => answer(request)],
    [
      'r and s',
      (request) =>
        sign('sha384', Buffer.from(request.toBeSigned, 'base64'), {
          key: authority.signer.key,
          dsaEncoding: 'ieee-p1363',
        }),
    ],
    ['base64', (request) => Buffer.from(`${answer(request).toString('base64')}\n`)],
    [
      'base64 in lines',
      (request) =>
        Buffer.from(
          answer(request)
            .toString('base64')
            .replace(/.{64}/g, (line) => `${line}\n`),
        ),
    ],
  ])('attaches %s, and the bundle is admitted with it alone', async (_, bytes) => {
    const folder = scratch.copy(small.folder);
    const request = await prepare(folder);
    const path = await attachToBundle(
      folder,
      { request, signature: bytes(request) },
      { now: packedAt },
    );
    expect(path).toBe(join(folder, 'signatures', 'token.p7s'));
    rmSync(join(folder, 'signatures', 'release.p7s'));
    const { signers } = await admit(folder, { ...context(), trust: small.trust });
    expect(signers.map(({ counted }) => counted)).toEqual([true]);
  });

  it.each(allAlgorithms)('attaches %s', async (algorithm: AlgorithmName) => {
    const folder = scratch.copy(small.folder);
    const holder = makeSigner(makeRoot(), { algorithm });
    const signer = { ...holder, algorithm };
    const { request } = await prepareBundle(folder, 'token', signer, packedAt);
    const bytes = Buffer.from(request.toBeSigned, 'base64');
    const path = await attachToBundle(
      folder,
      { request, signature: signWith(algorithm, holder.key, bytes) },
      { now: packedAt },
    );
    const content = readFileSync(join(folder, 'SHA512SUMS'));
    const verified = verifyDetached(readFileSync(path), content, new Set([algorithm]));
    expect(verified.certificate.fingerprint).toBe(holder.certificate.fingerprint);
    expect(request.digest.algorithm).toBe(algorithm === 'ml-dsa-87' ? 'sha512' : 'sha384');
  });

  it('includes the intermediate certificate', async () => {
    const folder = scratch.copy(small.folder);
    const subordinate = makeSubordinate(makeRoot({ pathLength: 1 }));
    const holder = makeSigner(subordinate);
    const signer = { ...holder, intermediates: [subordinate.certificate] };
    const { request } = await prepareBundle(folder, 'token', signer, packedAt);
    const path = await attachToBundle(
      folder,
      { request, signature: answer(request, holder.key) },
      { now: packedAt },
    );
    const content = readFileSync(join(folder, 'SHA512SUMS'));
    const verified = verifyDetached(readFileSync(path), content, new Set(allAlgorithms));
    expect(verified.intermediates.map(encodeCertificate)).toEqual([
      encodeCertificate(subordinate.certificate),
    ]);
  });

  it('attaches to a prepared bundle in the same process', async () => {
    const folder = scratch.copy(small.folder);
    const ready = await prepareBundle(folder, 'token', authority.signer, packedAt);
    await attachTo(ready, answer(ready.request), { now: packedAt });
    await admit(folder, { ...context(), trust: small.trust });
  });
});

describe('when a signature cannot be attached', () => {
  const refused = async (
    code: Parameters<typeof expectCode>[1],
    bend: (request: SigningRequest) => SigningRequest,
    bytes: (request: SigningRequest) => Buffer = answer,
    folder: string = scratch.copy(small.folder),
  ): Promise<string> => {
    const request = await prepare(small.folder);
    const before = tree(folder);
    const error = await expectCode(
      () =>
        attachToBundle(
          folder,
          { request: bend(request), signature: bytes(request) },
          { now: packedAt },
        ),
      code,
    );
    expect(tree(folder)).toEqual(before);
    return error.message;
  };
  const same = (request: SigningRequest): SigningRequest => request;

  it('rejects a request for another bundle', async () => {
    const message = await refused('document-invalid', same, answer, scratch.copy(other.folder));
    expect(message).toContain('prepared for another bundle');
  });

  it('rejects a request for another bundle that names this one', async () => {
    const folder = scratch.copy(other.folder);
    const message = await refused(
      'document-invalid',
      (request) => ({ ...request, bundle: other.id }),
      answer,
      folder,
    );
    expect(message).toContain('does not match the bundle');
  });

  it.each<[string, (request: SigningRequest) => Partial<SigningRequest>]>([
    ['another moment', () => ({ signingTime: '2026-11-21T10:00:01Z' })],
    ['another digest', ({ digest }) => ({ digest: { ...digest, value: 'ab'.repeat(48) } })],
    ['other bytes', () => ({ toBeSigned: Buffer.from('pay me').toString('base64') })],
    [
      'another certificate',
      () => ({ certificates: [makeSigner(makeRoot()).certificate.der.toString('base64')] }),
    ],
  ])('refuses a request with %s', async (_, change) => {
    await refused('document-invalid', (request) => ({ ...request, ...change(request) }));
  });

  it('rejects a name that was used in the meantime', async () => {
    const folder = scratch.copy(small.folder);
    await signBundle(folder, 'token', authority.signer, packedAt);
    await refused('output-exists', same, answer, folder);
  });

  it.each<[string, (request: SigningRequest) => Buffer]>([
    ['another key', (request) => answer(request, makeSigner(makeRoot()).key)],
    [
      'a digest hashed twice',
      (request) => sign('sha384', Buffer.from(request.digest.value, 'hex'), authority.signer.key),
    ],
    ['nothing', () => Buffer.alloc(0)],
    ['text', () => Buffer.from('error: token not present\n')],
  ])('refuses a signature of %s', async (_, bytes) => {
    await refused('signature-invalid', same, bytes);
  });
});
