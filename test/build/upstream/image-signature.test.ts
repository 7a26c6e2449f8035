import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verifyImageSignature } from '../../../src/build/upstream/image-signature.ts';
import { openRequirement } from '../../../src/build/upstream/signer.ts';
import { digestHex, digestOf } from '../../../src/core/digest.ts';
import type { Json } from '../../../src/core/json.ts';
import type { SignatureRequirement } from '../../../src/format/upstream.ts';
import type { Attached } from '../../../src/source/oci.ts';
import { expectCode } from '../../support/error.ts';
import { temporaryFolder } from '../../support/folder.ts';
import {
  bundleOf,
  certificatePem,
  certify,
  cosignEntry,
  type Holder,
  lookedAt,
  makePair,
  type Pair,
  pae,
  pemOf,
  signBytes,
  simplePayload,
} from './publisher.ts';

const folder = temporaryFolder();
const SIMPLE = 'application/vnd.dev.cosign.simplesigning.v1+json';
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const manifest = Buffer.from('{"schemaVersion":2}');
const target = { digest: digestOf(manifest), size: manifest.length, mediaType: 'a/b' };
const other = digestOf(Buffer.from('another image'));

const key = makePair();
const log = makePair();
const root = certify({ name: 'sigstore', pair: makePair('p384') });
const authority = certify({
  name: 'sigstore-intermediate',
  issuer: root,
  authority: true,
  purposes: ['1.3.6.1.5.5.7.3.3'],
});
const GITHUB = 'https://token.actions.githubusercontent.com';
/** As issued by Fulcio: valid for ten minutes, without a subject. */
const keyless = certify({
  name: null,
  issuer: authority,
  from: '2026-11-20T10:00:00Z',
  to: '2026-11-20T10:10:00Z',
  mail: 'release@vendor.example',
  oidcIssuer: GITHUB,
  olderIssuer: GITHUB,
});
const signedAt = Date.parse('2026-11-20T10:05:00Z') / 1000;

interface Part {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly annotations: Record<string, string>;
}

const blobs = new Map<string, Buffer>();

function attach(kind: Attached['kind'], ...parts: readonly Part[]): Attached {
  const layers = parts.map(({ bytes, mediaType, annotations }) => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { digest, size: bytes.length, mediaType, annotations };
  });
  const bytes = Buffer.from(JSON.stringify(layers));
  const described = { digest: digestOf(bytes), size: bytes.length, mediaType: 'a/b' };
  return { kind, artifactType: '', manifest: described, bytes, layers };
}

interface Simple {
  readonly payload?: Buffer;
  readonly signature?: Buffer | string;
  readonly certificate?: readonly Holder[];
  readonly chain?: readonly Holder[];
  readonly entry?: string;
  readonly mediaType?: string;
}

function simple(signer: Pair, choices: Simple = {}): Part {
  const bytes = choices.payload ?? simplePayload(target.digest);
  const signature = choices.signature ?? signBytes(signer, bytes);
  return {
    bytes,
    mediaType: choices.mediaType ?? SIMPLE,
    annotations: {
      'dev.cosignproject.cosign/signature':
        typeof signature === 'string' ? signature : signature.toString('base64'),
      ...(choices.certificate && {
        'dev.sigstore.cosign/certificate': certificatePem(...choices.certificate),
      }),
      ...(choices.chain && { 'dev.sigstore.cosign/chain': certificatePem(...choices.chain) }),
      ...(choices.entry !== undefined && { 'dev.sigstore.cosign/bundle': choices.entry }),
    },
  };
}

/** A signature with a certificate that is valid for ten minutes, and a signed entry timestamp. */
function logged(
  changes: Record<string, Json> = {},
  about: { payload?: Buffer; signer?: string; by?: Pair } = {},
): Part {
  const payload = simplePayload(target.digest);
  const signature = signBytes(keyless, payload);
  const entry = cosignEntry(
    about.by ?? log,
    {
      payload: about.payload ?? payload,
      signature,
      signer: about.signer ?? certificatePem(keyless),
    },
    signedAt,
    changes,
  );
  return simple(keyless, {
    payload,
    signature,
    certificate: [keyless],
    chain: [authority, root],
    entry,
  });
}

function statement(
  digest: string = digestHex(target.digest),
  predicateType = 'https://sigstore.dev/cosign/sign/v1',
): Record<string, Json> {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: digest }, annotations: {} }],
    predicateType,
    predicate: {},
  };
}

function bundle(value: Json): Part {
  return { bytes: Buffer.from(JSON.stringify(value)), mediaType: BUNDLE, annotations: {} };
}

interface Given {
  readonly key?: Pair;
  readonly root?: readonly Holder[];
  readonly log?: Pair;
  readonly identity?: string;
  readonly issuer?: string;
}

async function verify(
  attached: readonly Attached[],
  given: Given = { key },
): ReturnType<typeof verifyImageSignature> {
  const demand: Record<string, string | boolean> = { required: true };
  for (const [name, text] of [
    ['key', given.key && pemOf(given.key)],
    ['root', given.root && certificatePem(...given.root)],
    ['log', given.log && pemOf(given.log)],
  ] as const) {
    if (text === undefined) continue;
    writeFileSync(join(folder, name), text);
    demand[name] = name;
  }
  if (given.identity !== undefined) demand['identity'] = given.identity;
  if (given.issuer !== undefined) demand['issuer'] = given.issuer;
  const opened = await openRequirement(demand as unknown as SignatureRequirement, folder);
  const image = { target, bytes: manifest };
  return verifyImageSignature(
    attached,
    { image, opened, now: lookedAt },
    async ({ digest }) => blobs.get(digest) ?? Buffer.alloc(0),
  );
}

async function refused(attached: readonly Attached[], given: Given = { key }): Promise<string> {
  const error = await expectCode(() => verify(attached, given), 'upstream-refused');
  return `${error.message}: ${error.found}`;
}

const keylessGiven: Given = {
  root: [root],
  log,
  identity: 'release@vendor.example',
  issuer: GITHUB,
};

describe('when an image has a cosign .sig signature', () => {
  it.each(['p256', 'p384', 'p521', 'ed25519', 'rsa'] as const)('accepts a key %s', async (name) => {
    const pair = makePair(name);
    const found = await verify([attach('cosign', simple(pair))], { key: pair });
    expect(found).toMatchObject({ form: 'cosign', log: 'none' });
  });

  it('accepts SHA-256 under P-384, as older cosign signs', async () => {
    const pair = makePair('p384');
    const payload = simplePayload(target.digest);
    const signature = signBytes(pair, payload, 'sha256');
    await expect(
      verify([attach('cosign', simple(pair, { payload, signature }))], { key: pair }),
    ).resolves.toBeDefined();
  });

  it('accepts an image if one of several signatures meets the requirement', async () => {
    const found = await verify([attach('cosign', simple(makePair()), simple(key))]);
    expect(found?.form).toBe('cosign');
  });

  it('returns undefined without a signature', async () => {
    expect(await verify([])).toBeUndefined();
    expect(
      await verify([attach('cosign', simple(key, { mediaType: 'text/plain' }))]),
    ).toBeUndefined();
  });

  it('reports a log entry that was not verified', async () => {
    const found = await verify([attach('cosign', simple(key, { entry: 'not even JSON' }))]);
    expect(found).toMatchObject({ log: 'unchecked' });
    expect(found?.signedAt).toBeUndefined();
  });

  it.each<[string, () => Part]>([
    ['of another image', () => simple(key, { payload: simplePayload(other) })],
    [
      'with a payload of another type',
      () =>
        simple(key, {
          payload: simplePayload(target.digest, { type: 'atomic container signature' }),
        }),
    ],
    [
      'with an image without digest',
      () => simple(key, { payload: simplePayload(target.digest, { image: {} }) }),
    ],
    [
      'with a digest in a list',
      () =>
        simple(key, {
          payload: simplePayload(target.digest, {
            image: { 'docker-manifest-digest': [target.digest] },
          }),
        }),
    ],
    [
      'with a member twice',
      () =>
        simple(key, {
          payload: Buffer.from(
            simplePayload(other)
              .toString()
              .replace(
                '"docker-manifest-digest"',
                `"docker-manifest-digest":"${target.digest}","docker-manifest-digest"`,
              ),
          ),
        }),
    ],
    ['whose payload is no JSON', () => simple(key, { payload: Buffer.from('hello') })],
    ['by another key', () => simple(makePair())],
    ['by a key of another kind', () => simple(makePair('rsa'))],
    ['without a signature', () => simple(key, { signature: '' })],
    ['in base64 without padding', () => simple(key, { signature: 'YQ' })],
    [
      'in hex',
      () =>
        simple(key, { signature: signBytes(key, simplePayload(target.digest)).toString('hex') }),
    ],
    [
      'in base64 with spaces',
      () =>
        simple(key, {
          signature: ` ${signBytes(key, simplePayload(target.digest)).toString('base64')}`,
        }),
    ],
    ['over another payload', () => simple(key, { signature: signBytes(key, Buffer.from('x')) })],
    ['of two megabytes', () => simple(key, { payload: Buffer.alloc(2 ** 21, ' ') })],
  ])('refuses a signature %s', async (_, make) => {
    await refused([attach('cosign', make())]);
  });

  it('lists the defects of each signature', async () => {
    const error = await expectCode(
      () =>
        verify([
          attach('cosign', simple(makePair()), simple(key, { payload: simplePayload(other) })),
        ]),
      'upstream-refused',
    );
    expect(error.defects).toHaveLength(2);
    expect(error.defects[1]).toContain(other);
  });
});

describe('when an image is signed with a certificate', () => {
  const holder = certify({ issuer: authority, mail: 'release@vendor.example' });
  const signed = simple(holder, { certificate: [holder], chain: [authority] });

  it('accepts one that is valid now, and reports that no log recorded it', async () => {
    const found = await verify([attach('cosign', signed)], {
      root: [root],
      identity: 'release@vendor.example',
    });
    expect(found).toMatchObject({ log: 'none', signer: { subject: 'O=Vendor, CN=Release' } });
  });

  it('refuses a certificate without the issuer that the manifest requires', async () => {
    expect(await refused([attach('cosign', signed)], { root: [root], issuer: GITHUB })).toContain(
      'another issuer',
    );
  });

  it('refuses a bare key', async () => {
    expect(await refused([attach('cosign', simple(key))], { root: [root] })).toContain('bare key');
  });

  it('refuses a certificate in invalid PEM', async () => {
    const part = simple(holder, { certificate: [holder], chain: [authority] });
    part.annotations['dev.sigstore.cosign/certificate'] =
      '-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----';
    await refused([attach('cosign', part)], { root: [root] });
  });
});

describe('when a log recorded the signature', () => {
  it('accepts a certificate that was valid then', async () => {
    const found = await verify([attach('cosign', logged())], keylessGiven);
    expect(found).toMatchObject({
      log: 'verified',
      signedAt: '2026-11-20T10:05:00Z',
      signer: { identities: ['release@vendor.example'], issuer: GITHUB },
    });
    expect(found?.signer?.subject).toBeUndefined();
  });

  it("refuses the same without the log's key, because nothing proves when it was signed", async () => {
    const { log: _, ...given } = keylessGiven;
    expect(await refused([attach('cosign', logged())], given)).toContain('was not valid');
  });

  it.each<[string, () => Part, Partial<Given>]>([
    ['a time that the log did not sign', () => logged({ integratedTime: signedAt + 1 }), {}],
    ['an index that the log did not sign', () => logged({ logIndex: 8 }), {}],
    ['a signed entry timestamp of another log', () => logged({}, { by: makePair() }), {}],
    [
      'the ID of the log with the signed entry timestamp of another',
      () => logged({ logID: '0'.repeat(64) }),
      {},
    ],
    ['an entry about another payload', () => logged({}, { payload: simplePayload(other) }), {}],
    ['an entry of another signer', () => logged({}, { signer: certificatePem(authority) }), {}],
    ['no entry', () => simple(keyless, { certificate: [keyless], chain: [authority] }), {}],
    [
      'an unreadable entry',
      () => simple(keyless, { certificate: [keyless], chain: [authority], entry: '{}' }),
      {},
    ],
    ['another identity', () => logged(), { identity: 'mallory@vendor.example' }],
    ['the empty subject as identity', () => logged(), { identity: ' ' }],
    ['another issuer of the identity', () => logged(), { issuer: 'https://accounts.example' }],
    ['another root', () => logged(), { root: [certify({ name: 'sigstore' })] }],
  ])('refuses %s', async (_, make, given) => {
    await refused([attach('cosign', make())], { ...keylessGiven, ...given });
  });

  it('accepts a log entry for a bare key', async () => {
    const payload = simplePayload(target.digest);
    const signature = signBytes(key, payload);
    const entry = cosignEntry(log, { payload, signature, signer: pemOf(key) }, signedAt);
    const found = await verify([attach('cosign', simple(key, { payload, signature, entry }))], {
      key,
      log,
    });
    expect(found).toMatchObject({ log: 'verified' });
  });

  it('refuses a certificate with two issuers of the identity', async () => {
    const two = certify({
      name: null,
      issuer: authority,
      mail: 'a@b.example',
      oidcIssuer: GITHUB,
      olderIssuer: 'https://other',
    });
    await refused([attach('cosign', simple(two, { certificate: [two], chain: [authority] }))], {
      root: [root],
    });
  });
});

describe('when a referrer of an image is a Sigstore bundle', () => {
  it.each(['p256', 'ed25519', 'rsa'] as const)(
    'accepts a statement signed with a key %s',
    async (name) => {
      const pair = makePair(name);
      const found = await verify([attach('referrer', bundle(bundleOf(statement(), pair)))], {
        key: pair,
      });
      expect(found).toMatchObject({ form: 'sigstore-bundle', log: 'none' });
    },
  );

  it('accepts a signature over the manifest itself', async () => {
    const message = {
      messageDigest: {
        algorithm: 'SHA2_256',
        digest: Buffer.from(digestHex(target.digest), 'hex').toString('base64'),
      },
      signature: signBytes(key, manifest).toString('base64'),
    };
    const { dsseEnvelope: _, ...rest } = bundleOf(statement(), key);
    await expect(
      verify([attach('referrer', bundle({ ...rest, messageSignature: message }))]),
    ).resolves.toBeDefined();
    const foreign = {
      ...message,
      messageDigest: { algorithm: 'SHA2_256', digest: Buffer.alloc(32).toString('base64') },
    };
    await refused([attach('referrer', bundle({ ...rest, messageSignature: foreign }))]);
    const sha512 = {
      ...message,
      messageDigest: { ...message.messageDigest, algorithm: 'SHA2_512' },
    };
    await refused([attach('referrer', bundle({ ...rest, messageSignature: sha512 }))]);
  });

  it('skips attestations, which are not signatures of the image', async () => {
    const sbom = bundle(bundleOf(statement(undefined, 'https://cyclonedx.org/bom'), key));
    expect(await verify([attach('referrer', sbom)])).toBeUndefined();
    expect(
      await verify([attach('referrer', sbom, bundle(bundleOf(statement(), key)))]),
    ).toBeDefined();
  });

  it('skips a Sigstore bundle under the .sig tag', async () => {
    expect(await verify([attach('cosign', bundle(bundleOf(statement(), key)))])).toBeUndefined();
  });

  it.each<[string, () => Json]>([
    ['about another image', () => bundleOf(statement(digestHex(other)), key)],
    ['about nothing', () => bundleOf({ ...statement(), subject: [] }, key)],
    ['by another key', () => bundleOf(statement(), makePair())],
    ['of another statement type', () => bundleOf({ ...statement(), _type: 'x' }, key)],
    ['in another envelope', () => bundleOf(statement(), key, { payloadType: 'text/plain' })],
    ['signed as another type', () => bundleOf(statement(), key, { signedType: 'text/plain' })],
    ['that is no bundle', () => ({})],
  ])('refuses one %s', async (_, make) => {
    await refused([attach('referrer', bundle(make()))]);
  });

  it('accepts a certificate of ten minutes with a signed entry timestamp in the bundle', async () => {
    const made = bundleOf(statement(), keyless, { certificates: [keyless, authority] });
    const envelope = made['dsseEnvelope'] as { payload: string; signatures: { sig: string }[] };
    // A hashedrekord entry has the digest of what was signed: the encoding of the envelope.
    const payload = pae('application/vnd.in-toto+json', Buffer.from(envelope.payload, 'base64'));
    const signature = Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64');
    const { SignedEntryTimestamp, Payload } = JSON.parse(
      cosignEntry(log, { payload, signature, signer: certificatePem(keyless) }, signedAt),
    ) as { SignedEntryTimestamp: string; Payload: Record<string, string | number> };
    const entry = {
      logIndex: String(Payload['logIndex']),
      integratedTime: String(Payload['integratedTime']),
      kindVersion: { kind: 'hashedrekord', version: '0.0.1' },
      logId: { keyId: Buffer.from(String(Payload['logID']), 'hex').toString('base64') },
      inclusionPromise: { signedEntryTimestamp: SignedEntryTimestamp },
      canonicalizedBody: String(Payload['body']),
    };
    const material = made['verificationMaterial'] as Record<string, Json>;
    const whole = { ...made, verificationMaterial: { ...material, tlogEntries: [entry] } };
    const found = await verify([attach('referrer', bundle(whole))], keylessGiven);
    expect(found).toMatchObject({ log: 'verified', signedAt: '2026-11-20T10:05:00Z' });
    const late = { ...entry, integratedTime: String(signedAt + 3600) };
    const bent = { ...made, verificationMaterial: { ...material, tlogEntries: [late] } };
    await refused([attach('referrer', bundle(bent))], keylessGiven);
  });
});
