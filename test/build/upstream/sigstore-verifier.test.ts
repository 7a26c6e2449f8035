import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verifyImageSignature } from '../../../src/build/upstream/image-signature.ts';
import { verifyModelSignature } from '../../../src/build/upstream/model-signature.ts';
import {
  openRequirement,
  type VerifiedSigner,
  verifySigner,
} from '../../../src/build/upstream/signer.ts';
import {
  preAuthentication,
  readSigstoreBundle,
} from '../../../src/build/upstream/sigstore-bundle.ts';
import { digestHex, digestOf } from '../../../src/core/digest.ts';
import { StowageError } from '../../../src/core/error.ts';
import type { Json } from '../../../src/core/json.ts';
import type { SignatureRequirement } from '../../../src/format/upstream.ts';
import type { Attached } from '../../../src/source/oci.ts';
import { sequence } from '../../../src/trust/der.ts';
import { dsseEntry, type Entry, PrivateSigstore } from '../../lab/private-sigstore.ts';
import { expectCode } from '../../support/error.ts';
import { temporaryFolder } from '../../support/folder.ts';
import {
  bundleOf,
  certificatePem,
  certify,
  extension,
  type Holder,
  makePair,
  modelStatement,
  signBytes,
  simplePayload,
} from './publisher.ts';

const folder = temporaryFolder();
const sigstore = new PrivateSigstore(join(folder, 'sigstore'));
const other = new PrivateSigstore(join(folder, 'other'));

const MINUTE = 60_000;
/** The clock of OpenSSL, which sets the time of timestamps. */
const at = new Date(Number(execFileSync('date', ['+%s'])) * 1000);
const later = (minutes: number): Date => new Date(at.getTime() + minutes * MINUTE);
const mail = 'release@vendor.example';
const issuer = 'https://login.vendor.example';
const subject = { mail, issuer, from: later(-5), to: later(5) };
const leaf = sigstore.issue(subject);

const manifest = Buffer.from('{"schemaVersion":2}');
const target = { digest: digestOf(manifest), size: manifest.length, mediaType: 'a/b' };

interface Parts {
  readonly leaf?: Holder;
  /** The certificate in the bundle, if it differs from the signer's. */
  readonly certificate?: Holder;
  readonly digest?: string;
  /** Default: cosign's, of the image. */
  readonly statement?: Json;
  readonly at?: Date;
  readonly log?: PrivateSigstore;
  readonly body?: (envelope: Parameters<typeof dsseEntry>) => Json;
  readonly entry?: (entry: Entry) => Partial<Record<keyof Entry, unknown>>;
  readonly timestamps?: (signature: Buffer) => Buffer[];
}

/** A bundle as cosign makes it for an image, with changes. */
function keyless(parts: Parts = {}): Record<string, Json> {
  const signer = parts.leaf ?? leaf;
  const statement = parts.statement ?? {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: parts.digest ?? digestHex(target.digest) } }],
    predicateType: 'https://sigstore.dev/cosign/sign/v1',
    predicate: {},
  };
  const made = bundleOf(statement, signer);
  const envelope = made['dsseEnvelope'] as { payload: string; signatures: { sig: string }[] };
  const payload = Buffer.from(envelope.payload, 'base64');
  const signature = Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64');
  const whole = Buffer.from(JSON.stringify(envelope));
  const about: Parameters<typeof dsseEntry> = [whole, payload, signature, certificatePem(signer)];
  const body = parts.body?.(about) ?? dsseEntry(...about);
  const entry = (parts.log ?? sigstore).record(body, parts.at ?? at);
  const timestamps = parts.timestamps?.(signature) ?? [];
  return {
    ...made,
    verificationMaterial: {
      certificate: { rawBytes: (parts.certificate ?? signer).certificate.toString('base64') },
      tlogEntries: [{ ...entry, ...parts.entry?.(entry) }] as unknown as Json,
      timestampVerificationData: {
        rfc3161Timestamps: timestamps.map((each) => ({ signedTimestamp: each.toString('base64') })),
      },
    },
  };
}

function attach(bytes: Buffer, annotations?: Record<string, string>): Attached {
  const described = { digest: digestOf(bytes), size: bytes.length };
  const mediaType =
    annotations === undefined
      ? 'application/vnd.dev.sigstore.bundle.v0.3+json'
      : 'application/vnd.dev.cosign.simplesigning.v1+json';
  return {
    kind: annotations === undefined ? 'referrer' : 'cosign',
    artifactType: '',
    manifest: { ...described, mediaType: 'a/b' },
    bytes,
    layers: [{ ...described, mediaType, annotations: annotations ?? {} }],
  };
}

type Given = Partial<Omit<SignatureRequirement, 'trustedRoot'>> & { readonly root?: never };

async function verifyAttached(
  attached: Attached,
  given: Given = {},
  trustedRoot: Json = sigstore.trustedRoot(),
): Promise<VerifiedSigner | undefined> {
  writeFileSync(join(folder, 'trusted_root.json'), JSON.stringify(trustedRoot));
  const requirement = { required: true, trustedRoot: 'trusted_root.json', identity: mail, issuer };
  const opened = await openRequirement({ ...requirement, ...given }, folder);
  const verification = { image: { target, bytes: manifest }, opened, now: later(100_000) };
  return verifyImageSignature([attached], verification, async () => attached.bytes);
}

const verify = (bundle: Json, ...given: [Given?, Json?]): Promise<VerifiedSigner | undefined> =>
  verifyAttached(attach(Buffer.from(JSON.stringify(bundle))), ...given);

/** @param code of @sigstore/verify, or a code of our own */
async function refused(code: string, bundle: Json, ...given: [Given?, Json?]): Promise<void> {
  const error = await expectCode(() => verify(bundle, ...given), 'upstream-refused');
  expect(`${error.message}: ${error.found}`).toContain(code);
}

describe('when a signature is keyless', () => {
  it('accepts the signed entry timestamp of the log, long after the certificate expired', async () => {
    expect(await verify(keyless())).toMatchObject({
      form: 'sigstore-bundle',
      log: 'verified',
      signedAt: `${at.toISOString().slice(0, 19)}Z`,
      signer: { identities: [mail], issuer },
    });
  });

  it('accepts an RFC 3161 timestamp with a log that provides no time', async () => {
    const bundle = keyless({
      entry: () => ({ inclusionPromise: undefined }),
      timestamps: (signature) => [sigstore.timestamp(signature)],
    });
    const found = await verify(bundle);
    expect(found).toMatchObject({ log: 'verified' });
    const signedAt = Date.parse(found?.signedAt ?? '');
    expect(signedAt).toBeGreaterThanOrEqual(at.getTime());
    expect(signedAt).toBeLessThan(subject.to.getTime());
  });

  it.each<[string, string, Given]>([
    ['another identity', 'another identity', { identity: 'someone@vendor.example' }],
    ['a part of the identity', 'another identity', { identity: 'vendor.example' }],
    ['a pattern for an identity', 'another identity', { identity: '.*' }],
    ['another issuer', 'another issuer', { issuer: 'https://login.evil.example' }],
  ])('refuses %s', async (_, code, given) => {
    await refused(code, keyless(), given);
  });

  it.each<[string, string, () => Parts]>([
    [
      'a certificate that expired, without a timestamp',
      'TIMESTAMP_ERROR',
      () => ({ entry: () => ({ inclusionPromise: undefined }) }),
    ],
    [
      'a certificate that had expired when the log recorded it',
      'CERTIFICATE_ERROR',
      () => ({ at: later(6) }),
    ],
    [
      'a certificate that was not yet valid when the log recorded it',
      'CERTIFICATE_ERROR',
      () => ({ at: later(-6) }),
    ],
    [
      'a certificate that had expired at the time of the timestamp',
      'CERTIFICATE_ERROR',
      () => ({
        leaf: sigstore.issue({ ...subject, from: later(-20), to: later(-10) }),
        at: later(-15),
        timestamps: (signature) => [sigstore.timestamp(signature)],
      }),
    ],
    [
      'a timestamp of something else',
      'TIMESTAMP_ERROR',
      () => ({ timestamps: () => [sigstore.timestamp(Buffer.from('else'))] }),
    ],
    [
      'a timestamp by another authority',
      'TIMESTAMP_ERROR',
      () => ({ timestamps: (signature) => [other.timestamp(signature)] }),
    ],
    [
      'a timestamp that cannot be read',
      'invalid Sigstore signature',
      () => ({ timestamps: () => [Buffer.from('3003020101', 'hex')] }),
    ],
    [
      'a certificate without an SCT',
      'CERTIFICATE_ERROR: expected 1 SCTs',
      () => ({ leaf: sigstore.issue({ ...subject, logged: false }) }),
    ],
    [
      'a certificate with the SCT of another CT log',
      'CERTIFICATE_ERROR: SCT',
      () => ({
        leaf: certify({
          name: null,
          issuer: sigstore.ca,
          mail,
          oidcIssuer: issuer,
          from: subject.from.toISOString(),
          to: subject.to.toISOString(),
          ctLog: { key: other.ctLog, at },
        }),
      }),
    ],
    ['a certificate of another CA', 'CERTIFICATE_ERROR', () => ({ leaf: other.issue(subject) })],
    [
      'a certificate beside the one that signed',
      'invalid signature',
      () => ({ certificate: sigstore.issue(subject) }),
    ],
    [
      'an inclusion proof with another hash',
      'TLOG_INCLUSION_PROOF_ERROR',
      () => ({
        entry: ({ inclusionProof }) => ({
          inclusionProof: {
            ...inclusionProof,
            hashes: inclusionProof.hashes.map((each, index) =>
              index === 0 ? Buffer.alloc(32).toString('base64') : each,
            ),
          },
        }),
      }),
    ],
    [
      'an inclusion proof of another leaf',
      'TLOG_INCLUSION_PROOF_ERROR',
      () => ({
        entry: ({ inclusionProof }) => ({ inclusionProof: { ...inclusionProof, logIndex: '0' } }),
      }),
    ],
    [
      'a checkpoint that another log signed',
      'TLOG_INCLUSION_PROOF_ERROR',
      () => ({
        entry: ({ inclusionProof }) => {
          const { checkpoint } = other.record(dsseOf('x'), at).inclusionProof;
          return { inclusionProof: { ...inclusionProof, checkpoint } };
        },
      }),
    ],
    [
      'a signed entry timestamp that another log signed',
      'TLOG_INCLUSION_PROMISE_ERROR',
      () => ({
        entry: () => ({ inclusionPromise: other.record(dsseOf('x'), at).inclusionPromise }),
      }),
    ],
    ['an entry of another log', 'TLOG_INCLUSION_PROMISE_ERROR', () => ({ log: other })],
    [
      'a log entry of another artifact, which the log did record (GHSA-8gw7-4j42-w388)',
      'TLOG_BODY_ERROR',
      () => ({ body: () => dsseOf('another artifact') }),
    ],
    [
      'a log entry of another payload under the same signature',
      'TLOG_BODY_ERROR',
      () => ({
        body: ([whole, , signature, signer]) =>
          dsseEntry(whole, Buffer.from('another'), signature, signer),
      }),
    ],
    [
      'a log entry of another signature by the same signer over the same payload',
      'TLOG_BODY_ERROR',
      () => ({
        body: ([whole, payload, , signer]) =>
          dsseEntry(whole, payload, signBytes(leaf, payload), signer),
      }),
    ],
    [
      'a log entry of another signer',
      'another signer',
      () => ({
        body: ([whole, payload, signature]) =>
          dsseEntry(whole, payload, signature, certificatePem(sigstore.issue(subject))),
      }),
    ],
    [
      'a log entry of a kind that names no signer in a known place',
      'invalid Sigstore signature',
      () => ({ body: () => ({ apiVersion: '0.0.1', kind: 'rpm', spec: {} }) }),
    ],
    ['another image', 'another image', () => ({ digest: '0'.repeat(64) })],
    [
      'a certificate that is a CA itself',
      'must not sign content',
      () => ({
        leaf: certify({ issuer: sigstore.ca, authority: true, ctLog: { key: sigstore.ctLog, at } }),
      }),
    ],
    [
      'a certificate for web servers',
      'must not sign content',
      () => ({
        leaf: certify({
          issuer: sigstore.ca,
          purposes: ['1.3.6.1.5.5.7.3.1'],
          ctLog: { key: sigstore.ctLog, at },
        }),
      }),
    ],
  ])('refuses %s', async (_, code, parts) => {
    await refused(code, keyless(parts()));
  });

  it('refuses a bundle without log entries, and one with a bare key', async () => {
    const bundle = keyless();
    const material = bundle['verificationMaterial'] as Record<string, Json>;
    await refused('without a log entry', {
      ...bundle,
      verificationMaterial: { ...material, tlogEntries: [] },
    });
    const { certificate: _, ...rest } = material;
    const verificationMaterial = { ...rest, publicKey: { hint: 'x' } };
    await refused('bare key', { ...bundle, verificationMaterial });
  });

  it('counts no entry twice', async () => {
    const bundle = keyless();
    const material = bundle['verificationMaterial'] as { tlogEntries: Json[] };
    const tlogEntries = [...material.tlogEntries, ...material.tlogEntries];
    await refused('TIMESTAMP_ERROR: duplicate', {
      ...bundle,
      verificationMaterial: { ...material, tlogEntries },
    });
  });

  it.each([null, 7, '', 'AAAA', [], {}])(
    'never fails in another way, with %j in place of any value',
    async (odd) => {
      const bundle = keyless({ timestamps: (signature) => [sigstore.timestamp(signature)] });
      const text = JSON.stringify(bundle);
      let refusals = 0;
      for (const bent of bentAt(bundle, odd)) {
        try {
          await verify(bent);
        } catch (error) {
          if (!(error instanceof StowageError))
            throw new Error(JSON.stringify(bent), { cause: error });
          expect(error.code).toBe('upstream-refused');
          refusals += 1;
        }
      }
      expect(refusals).toBeGreaterThan(20);
      expect(JSON.stringify(bundle)).toBe(text);
    },
  );
});

describe('when a keyless signature is under the .sig tag of cosign', () => {
  const payload = simplePayload(target.digest);
  const signature = signBytes(leaf, payload);
  const annotations = (
    parts: { payload?: Buffer; timestamp?: Buffer } = {},
  ): Record<string, string> => {
    const hash = digestHex(digestOf(parts.payload ?? payload));
    const entry = sigstore.record(
      {
        apiVersion: '0.0.1',
        kind: 'hashedrekord',
        spec: {
          data: { hash: { algorithm: 'sha256', value: hash } },
          signature: {
            content: signature.toString('base64'),
            publicKey: { content: Buffer.from(certificatePem(leaf)).toString('base64') },
          },
        },
      },
      at,
    );
    return {
      'dev.cosignproject.cosign/signature': signature.toString('base64'),
      'dev.sigstore.cosign/certificate': certificatePem(leaf),
      'dev.sigstore.cosign/chain': certificatePem(sigstore.ca),
      'dev.sigstore.cosign/bundle': JSON.stringify({
        SignedEntryTimestamp: entry.inclusionPromise?.signedEntryTimestamp,
        Payload: {
          body: entry.canonicalizedBody,
          integratedTime: Number(entry.integratedTime),
          logIndex: Number(entry.logIndex),
          logID: Buffer.from(entry.logId.keyId, 'base64').toString('hex'),
        },
      }),
      ...(parts.timestamp && {
        'dev.sigstore.cosign/rfc3161timestamp': JSON.stringify({
          SignedRFC3161Timestamp: parts.timestamp.toString('base64'),
        }),
      }),
    };
  };

  it('accepts it, with a timestamp too', async () => {
    const found = await verifyAttached(attach(payload, annotations()));
    expect(found).toMatchObject({ form: 'cosign', log: 'verified' });
    const timestamp = sigstore.timestamp(signature);
    const both = await verifyAttached(attach(payload, annotations({ timestamp })));
    expect(both).toMatchObject({ form: 'cosign', log: 'verified' });
  });

  it('refuses a log entry for another payload, or a timestamp of another signature', async () => {
    await expectCode(
      () => verifyAttached(attach(payload, annotations({ payload: Buffer.from('x') }))),
      'upstream-refused',
    );
    const timestamp = sigstore.timestamp(Buffer.from('x'));
    await expectCode(
      () => verifyAttached(attach(payload, annotations({ timestamp }))),
      'upstream-refused',
    );
  });
});

describe('when the signature of a model is keyless', () => {
  const files = { 'config.json': '{}', 'model.gguf': 'weights' };
  const locked = Object.entries(files).map(([path, text]) => {
    const bytes = Buffer.from(text);
    return { path, size: bytes.length, digest: digestOf(bytes) };
  });
  const model = { files: locked, listed: new Set(Object.keys(files)), signature: 'model.sig' };

  async function verifyModel(given: Given = {}): Promise<unknown> {
    const bundle = keyless({ statement: modelStatement(files) });
    writeFileSync(join(folder, 'trusted_root.json'), JSON.stringify(sigstore.trustedRoot()));
    const requirement = {
      required: true,
      trustedRoot: 'trusted_root.json',
      identity: mail,
      issuer,
    };
    const opened = await openRequirement({ ...requirement, ...given }, folder);
    const bytes = Buffer.from(JSON.stringify(bundle));
    return verifyModelSignature(bytes, model, opened, later(100_000));
  }

  it('accepts it', async () => {
    expect(await verifyModel()).toMatchObject({
      form: 'model-signing',
      log: 'verified',
      signer: { identities: [mail], issuer },
    });
  });

  it('refuses another identity', async () => {
    await expectCode(() => verifyModel({ identity: 'x@vendor.example' }), 'upstream-refused');
  });
});

describe('when a trusted root is opened', () => {
  it('rejects the signature with another trusted root', async () => {
    await refused('CERTIFICATE_ERROR', keyless(), {}, other.trustedRoot());
  });

  it.each<[string, () => Json]>([
    ['something else', () => ({})],
    ['another media type', () => ({ ...sigstore.trustedRoot(), mediaType: 'text/plain' })],
    ['one without CAs', () => ({ ...sigstore.trustedRoot(), certificateAuthorities: [] })],
    ['one without logs', () => ({ ...sigstore.trustedRoot(), tlogs: [] })],
    ['one without CT logs', () => ({ ...sigstore.trustedRoot(), ctlogs: [] })],
    ['one with a log without a key', () => ({ ...sigstore.trustedRoot(), tlogs: [{}] })],
    [
      'one whose CA has name constraints',
      () => {
        const constrained = certify({ more: [extension('2.5.29.30', sequence())] });
        const rawBytes = constrained.certificate.toString('base64');
        const authorities = [{ certChain: { certificates: [{ rawBytes }] } }];
        return { ...sigstore.trustedRoot(), certificateAuthorities: authorities };
      },
    ],
  ])('refuses %s', async (_, root) => {
    writeFileSync(join(folder, 'odd_root.json'), JSON.stringify(root()));
    const requirement = { required: true, trustedRoot: 'odd_root.json', identity: mail, issuer };
    await expectCode(() => openRequirement(requirement, folder), 'upstream-refused');
  });
});

// From github.com/sigstore/sigstore-go v1.2.2, pkg/testing/data (Apache-2.0): the npm provenance of sigstore 2.0.0.
describe('when the public Sigstore instance made the signature', () => {
  const vectors = join(import.meta.dirname, 'vectors');
  const bundle = readSigstoreBundle(readFileSync(join(vectors, 'sigstore-js-2.0.0.sigstore.json')));
  const github = {
    identity:
      'https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main',
    issuer: 'https://token.actions.githubusercontent.com',
  };

  async function verifyVector(given: typeof github): Promise<VerifiedSigner> {
    const opened = await openRequirement(
      { required: true, trustedRoot: 'public-good.trusted-root.json', ...given },
      vectors,
    );
    const { content, ...rest } = bundle;
    if (content.kind !== 'dsse') throw new Error('not DSSE');
    const { payload, payloadType, signature } = content;
    const signed = preAuthentication(payloadType, payload);
    return verifySigner({ ...rest, signed, payload, signature, rule: 'curve' }, opened, new Date());
  }

  it('accepts it with the public trusted root', async () => {
    const found = await verifyVector(github);
    expect(found).toMatchObject({ log: 'verified', signedAt: '2023-08-18T16:05:35Z' });
    expect(found.signer?.identities).toEqual([github.identity]);
  });

  it('refuses another workflow of the same repository', async () => {
    const identity = github.identity.replace('release.yml', 'test.yml');
    await expectCode(() => verifyVector({ ...github, identity }), 'upstream-refused');
  });
});

function dsseOf(text: string): Json {
  const key = makePair();
  const bytes = Buffer.from(text);
  return dsseEntry(bytes, bytes, signBytes(key, bytes), certificatePem(leaf));
}

/** A value with each of its parts, one at a time, replaced. */
function* bentAt(value: Json, odd: Json): Generator<Json> {
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) {
    const copy = structuredClone(value) as Record<string, Json>;
    const part = copy[key] as Json;
    copy[key] = odd;
    yield structuredClone(copy);
    for (const bent of bentAt(part, odd)) {
      copy[key] = bent;
      yield structuredClone(copy);
    }
  }
}
