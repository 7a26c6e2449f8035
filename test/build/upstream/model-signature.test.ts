import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verifyModelSignature } from '../../../src/build/upstream/model-signature.ts';
import { openRequirement } from '../../../src/build/upstream/signer.ts';
import { digestOf } from '../../../src/core/digest.ts';
import type { Json } from '../../../src/core/json.ts';
import { contextTag, explicit, primitive, sequence } from '../../../src/trust/der.ts';
import { expectCode } from '../../support/error.ts';
import { temporaryFolder } from '../../support/folder.ts';
import {
  bundleOf,
  type CertificateChoices,
  certificatePem,
  certify,
  extension,
  type Holder,
  lookedAt,
  makePair,
  modelStatement,
  type Pair,
  pae,
  pemOf,
  signBytes,
  statementOf,
} from './publisher.ts';

const folder = temporaryFolder();
const files = { 'config.json': '{}', 'model.safetensors': 'weights', 'sub/a.txt': 'x' };
const vendor = makePair();
const statement = modelStatement(files);

interface Choices {
  readonly carried?: Readonly<Record<string, string>>;
  readonly listed?: readonly string[];
  readonly root?: readonly Holder[];
  readonly key?: Pair;
  readonly identity?: string;
  readonly now?: Date;
}

type Verdict = ReturnType<typeof verifyModelSignature>;

async function verify(bundle: Json | Buffer, choices: Choices = {}): Promise<Verdict> {
  const carried = choices.carried ?? files;
  const root = choices.root;
  const key = root === undefined ? pemOf(choices.key ?? vendor) : certificatePem(...root);
  writeFileSync(join(folder, 'given.pem'), key);
  const { identity } = choices;
  const opened = await openRequirement(
    {
      required: true,
      ...(root === undefined ? { key: 'given.pem' } : { root: 'given.pem' }),
      ...(identity === undefined ? {} : { identity }),
    },
    folder,
  );
  const bytes = Buffer.isBuffer(bundle) ? bundle : Buffer.from(JSON.stringify(bundle));
  const locked = Object.entries(carried).map(([path, text]) => ({
    path,
    size: text.length,
    digest: digestOf(Buffer.from(text)),
  }));
  const listed = new Set([...Object.keys(carried), ...(choices.listed ?? [])]);
  const model = { files: locked, listed, signature: 'model.sig' };
  return verifyModelSignature(bytes, model, opened, choices.now ?? lookedAt);
}

async function refused(bundle: Json | Buffer, choices: Choices = {}): Promise<string> {
  const error = await expectCode(() => verify(bundle, choices), 'upstream-refused');
  return `${error.message}: ${error.found}`;
}

describe('when a model is signed with a key', () => {
  it.each(['p256', 'p384', 'p521'] as const)('accepts a key on %s', async (name) => {
    const pair = makePair(name);
    const found = await verify(bundleOf(statement, pair), { key: pair });
    expect(found).toMatchObject({ form: 'model-signing', log: 'none' });
    expect(found.signer?.key).toMatch(/^[0-9a-f]{64}$/);
    expect(found.unsigned).toBeUndefined();
  });

  it('lists what the signature excludes by its own rules, and ignores the signature file', async () => {
    const carried = { ...files, '.gitattributes': 'g', 'model.sig': 's', 'cache/x': 'c' };
    const bundle = bundleOf(modelStatement(files, { ignore_paths: ['cache/'] }), vendor);
    expect((await verify(bundle, { carried })).unsigned).toEqual(['.gitattributes', 'cache/x']);
  });

  it('accepts that the manifest excludes signed files', async () => {
    const { 'sub/a.txt': _, ...carried } = files;
    await expect(
      verify(bundleOf(statement, vendor), { carried, listed: ['sub/a.txt'] }),
    ).resolves.toBeDefined();
    expect(await refused(bundleOf(statement, vendor), { carried })).toContain('is missing');
  });

  it('accepts the older identification by public key, and an absent key id', async () => {
    const bundle = bundleOf(statement, vendor, {
      material: { publicKey: { rawBytes: 'AAAA', keyDetails: 'PKIX_ECDSA_P256_SHA_256' } },
    });
    await expect(verify(bundle)).resolves.toBeDefined();
  });
});

describe('when files differ from what was signed', () => {
  it.each([
    ['another byte', { ...files, 'config.json': '{ }' }, 'config.json is not what was signed'],
    ['an additional file', { ...files, 'evil.py': 'import os' }, 'evil.py is not signed'],
    ['a file ignored only at the top', { ...files, 'sub/.gitattributes': 'x' }, 'is not signed'],
    ['a name like an ignored one', { ...files, '.gitignored': 'x' }, 'is not signed'],
    ['case twins', { ...files, 'Config.json': '{}' }, 'Config.json is not signed'],
  ])('refuses %s', async (_, carried, message) => {
    expect(await refused(bundleOf(statement, vendor), { carried })).toContain(message);
  });
});

describe('when a statement is not what the specification says', () => {
  const digest = 'a'.repeat(64);
  const resource = (name: string, value: Record<string, Json> = {}): Json =>
    statementOf([{ name, algorithm: 'sha256', digest, ...value } as never]);
  it.each<[string, Json]>([
    ['another predicate', { ...statement, predicateType: 'https://model_signing/Digests/v0.1' }],
    ['another statement', { ...statement, _type: 'https://in-toto.io/Statement/v0.1' }],
    ['shards', modelStatement(files, { method: 'shards', shard_size: 10 })],
    ['another hash', modelStatement(files, { hash_type: 'blake3' })],
    ['no files', statementOf([])],
    ['two subjects', { ...statement, subject: [{}, {}] }],
    ['another root', { ...statement, subject: [{ name: 'm', digest: { sha256: digest } }] }],
    ['a path upwards', resource('../config.json')],
    ['an absolute path', resource('/config.json')],
    ['an empty segment', resource('a//b')],
    ['another algorithm of a file', resource('a', { algorithm: 'md5' })],
    ['a digest in upper case', resource('a', { digest: 'A'.repeat(64) })],
    ['a short digest', resource('a', { digest: 'abcd' })],
    ['empty ignored paths', modelStatement(files, { ignore_paths: [''] })],
    ['ignored paths of numbers', modelStatement(files, { ignore_paths: [1] })],
    [
      'a file twice',
      statementOf([
        { name: 'a', algorithm: 'sha256', digest },
        { name: 'a', algorithm: 'sha256', digest: 'b'.repeat(64) },
      ]),
    ],
  ])('refuses %s', async (_, wrong) => {
    await refused(bundleOf(wrong, vendor));
  });

  it('refuses duplicate members, which parsers treat differently', async () => {
    const text = JSON.stringify(statement);
    const twice = text.replace('"predicateType"', '"predicateType":"x","predicateTyp\\u0065"');
    expect(await refused(bundleOf(Buffer.from(twice), vendor))).toContain('"predicateType" twice');
  });
});

describe('when an envelope is tampered with', () => {
  const good = bundleOf(statement, vendor);
  const envelope = good['dsseEnvelope'] as Record<string, Json>;
  const [only] = envelope['signatures'] as Record<string, string>[];
  const signature = Buffer.from(only?.['sig'] ?? '', 'base64');
  const payload = Buffer.from(String(envelope['payload']), 'base64');
  const within = (changes: Record<string, Json>): Json =>
    bundleOf(statement, vendor, { envelope: changes });

  it.each<[string, Json]>([
    ['two signatures', within({ signatures: [{ ...only }, { ...only }] })],
    ['no signature', within({ signatures: [] })],
    ['a bare payload type', bundleOf(statement, vendor, { payloadType: 'application/json' })],
    [
      'a payload type that differs from the signed one',
      bundleOf(statement, vendor, { signedType: 'application/json' }),
    ],
    [
      'a signature without the DSSE encoding',
      within({ signatures: [{ sig: b64(signBytes(vendor, payload)) }] }),
    ],
    [
      'the encoding of version 0.2, with a Python representation',
      within({
        signatures: [
          {
            sig: b64(
              signBytes(
                vendor,
                Buffer.from(
                  `DSSEV1 28 application/vnd.in-toto+json ${payload.length} b'${payload}'`,
                ),
              ),
            ),
          },
        ],
      }),
    ],
    [
      'a length that lies',
      within({
        signatures: [
          {
            sig: b64(
              signBytes(
                vendor,
                Buffer.concat([
                  Buffer.from(`DSSEv1 28 application/vnd.in-toto+json ${payload.length + 1} `),
                  payload,
                  Buffer.from(' '),
                ]),
              ),
            ),
          },
        ],
      }),
    ],
    ['another hash than the curve’s', bundleOf(statement, vendor, { hash: 'sha512' })],
    ['a raw signature for a DER one', within({ signatures: [{ sig: b64(Buffer.alloc(64, 1)) }] })],
    ['base64 without padding', within({ payload: b64(payload).replace(/=+$/, '') || 'x' })],
    ['base64 with a line feed', within({ payload: `${b64(payload)}\n` })],
    ['base64 with stray bits', within({ signatures: [{ sig: strayed(signature) }] })],
    ['base64 for addresses', within({ payload: `-_${b64(payload)}` })],
    [
      'a signature with an extra byte',
      within({ signatures: [{ sig: b64(Buffer.concat([signature, Buffer.alloc(1)])) }] }),
    ],
    ['an additional message signature', { ...good, messageSignature: {} }],
    ['no envelope', { ...good, dsseEnvelope: undefined }],
    ['another media type', { ...good, mediaType: 'application/json' }],
    ['no identity', { ...good, verificationMaterial: {} }],
    [
      'two identities',
      bundleOf(statement, vendor, { material: { certificate: { rawBytes: 'AAAA' } } }),
    ],
    ['an array', [good]],
    ['null', null],
  ])('refuses %s', async (_, wrong) => {
    await refused(wrong);
  });

  it('refuses every byte changed in the payload and the signature', async () => {
    for (const at of [0, 5, payload.length >> 1, payload.length - 1]) {
      const bent = Buffer.from(payload);
      bent[at] = (bent[at] ?? 0) ^ 1;
      await refused(within({ payload: b64(bent), signatures: [{ ...only }] }));
    }
    for (let at = 0; at < signature.length; at += 7) {
      const bent = Buffer.from(signature);
      bent[at] = (bent[at] ?? 0) ^ 1;
      await refused(within({ signatures: [{ sig: b64(bent) }] }));
    }
  });

  it('refuses truncated, too deeply nested and non-UTF-8 input', async () => {
    const text = Buffer.from(JSON.stringify(good));
    for (const at of [0, 1, text.length - 1]) await refused(text.subarray(0, at));
    await refused(Buffer.from('['.repeat(200) + ']'.repeat(200)));
    await refused(Buffer.from([0x7b, 0xff, 0x7d]));
    await refused(Buffer.concat([Buffer.from('\ufeff'), text]));
  });

  it('refuses a signature by another key', async () => {
    expect(await refused(good, { key: makePair() })).toContain('invalid signature');
    expect(await refused(good, { key: makePair('rsa') })).toContain('invalid signature');
  });
});

describe('when a model is signed with a certificate', () => {
  const root = certify({ name: 'Vendor Root' });
  const authority = certify({ name: 'Vendor CA', issuer: root, authority: true, pathLength: 0 });
  const leaf = certify({ issuer: authority, mail: 'release@vendor.example' });
  const signedBy = (holder: Holder, ...others: readonly Holder[]): Json =>
    bundleOf(statement, holder, { certificates: [holder, ...others] });
  const under = (choices: CertificateChoices): Holder => certify({ issuer: root, ...choices });

  it('accepts a chain to a given root, with the root in it or not', async () => {
    for (const others of [[authority], [authority, root]]) {
      const found = await verify(signedBy(leaf, ...others), { root: [root] });
      expect(found.signer).toMatchObject({
        subject: 'O=Vendor, CN=Release',
        identities: ['release@vendor.example'],
      });
    }
  });

  it.each(['p384', 'rsa', 'ed25519'] as const)(
    'accepts a CA with a key of type %s',
    async (name) => {
      const other = certify({ pair: makePair(name), name: 'Other Root' });
      const holder = certify({ issuer: other });
      await expect(verify(signedBy(holder), { root: [other] })).resolves.toBeDefined();
    },
  );

  it('accepts an intermediate, or the signer itself, as the given certificate', async () => {
    await expect(verify(signedBy(leaf), { root: [authority] })).resolves.toBeDefined();
    await expect(verify(signedBy(leaf), { root: [leaf] })).resolves.toBeDefined();
  });

  it.each([
    ['a name of the certificate', 'release@vendor.example', true],
    ['its subject in full', 'O=Vendor, CN=Release', true],
    ['a part of it', 'Release', false],
    ['another', 'release@vendor.example.org', false],
    ['another case', 'Release@vendor.example', false],
  ])('compares the identity with %s', async (_, identity, accepted) => {
    const run = verify(signedBy(leaf, authority), { root: [root], identity });
    if (accepted) await expect(run).resolves.toBeDefined();
    else await expectCode(() => run, 'upstream-refused');
  });

  it.each<[string, () => Json, readonly Holder[]]>([
    [
      'another root of the same name',
      () => signedBy(leaf, authority),
      [certify({ name: 'Vendor Root' })],
    ],
    [
      'an attacker’s root among the certificates',
      () => {
        const own = certify({ name: 'Vendor Root' });
        return signedBy(certify({ issuer: own }), own);
      },
      [root],
    ],
    ['a missing intermediate', () => signedBy(leaf), [root]],
    ['a leaf that issues', () => signedBy(certify({ issuer: leaf }), leaf, authority), [root]],
    [
      'an exceeded path length',
      () => {
        const lower = certify({ name: 'Lower', issuer: authority, authority: true });
        return signedBy(certify({ issuer: lower }), lower, authority);
      },
      [root],
    ],
    ['a signer that is a CA', () => signedBy(authority), [root]],
    [
      'a certificate for servers',
      () => signedBy(under({ purposes: ['1.3.6.1.5.5.7.3.1'] })),
      [root],
    ],
    ['a key usage without signatures', () => signedBy(under({ usage: 0x20 })), [root]],
    ['neither usage nor purpose', () => signedBy(under({ usage: null, purposes: null })), [root]],
    ['an expired certificate', () => signedBy(under({ to: '2026-11-21T09:59:59Z' })), [root]],
    ['one not valid yet', () => signedBy(under({ from: '2026-11-21T10:00:01Z' })), [root]],
    [
      'an expired CA',
      () => {
        const old = certify({
          name: 'Old',
          issuer: root,
          authority: true,
          to: '2026-05-01T00:00:00Z',
        });
        return signedBy(certify({ issuer: old }), old);
      },
      [root],
    ],
    [
      'a certificate of another key',
      () => bundleOf(statement, vendor, { certificates: [leaf, authority] }),
      [root],
    ],
    [
      'the CA as the first certificate',
      () => bundleOf(statement, leaf, { certificates: [authority, leaf] }),
      [root],
    ],
    ['no certificate at all', () => bundleOf(statement, leaf, { certificates: [] }), [root]],
    [
      'nine certificates',
      () => signedBy(leaf, ...Array.from({ length: 8 }, () => authority)),
      [root],
    ],
    [
      'bytes that are not a certificate',
      () =>
        bundleOf(statement, leaf, {
          certificates: [{ ...leaf, certificate: Buffer.from('30030101ff', 'hex') }],
        }),
      [root],
    ],
    [
      'a byte after the certificate',
      () =>
        bundleOf(statement, leaf, {
          certificates: [
            { ...leaf, certificate: Buffer.concat([leaf.certificate, Buffer.alloc(1)]) },
            authority,
          ],
        }),
      [root],
    ],
  ])('refuses %s', async (_, make, given) => {
    await refused(make(), { root: given });
  });

  // RFC 5280 section 4.2.1.10 requires them to be critical; if a CA does not mark them so, they must not be ignored.
  it.each([
    ['name constraints', '2.5.29.30', true],
    ['name constraints that are not critical', '2.5.29.30', false],
    ['policy constraints that are not critical', '2.5.29.36', false],
    ['a limit on any-policy that is not critical', '2.5.29.54', false],
  ])('refuses a CA with %s, as an intermediate and as the root', async (_, type, critical) => {
    const permitted = primitive(contextTag(1), Buffer.from('other.example'));
    const value = sequence(explicit(0, sequence(permitted)));
    const more = [extension(type, value, critical)];
    const constrained = certify({ name: 'Constrained', issuer: root, authority: true, more });
    const below = signedBy(certify({ issuer: constrained, mail: 'a@vendor.example' }), constrained);
    await refused(below, { root: [root] });
    await refused(below, { root: [certify({ more })] });
  });

  it('accepts a CA with an extension that is not critical and restricts nothing', async () => {
    const more = [extension('2.16.840.1.113730.1.13', sequence())];
    const commented = certify({ name: 'Commented', issuer: root, authority: true, more });
    const signed = signedBy(certify({ issuer: commented }), commented);
    await expect(verify(signed, { root: [root] })).resolves.toBeDefined();
  });

  it('accepts a CA whose key usage allows signatures, as in the published vectors', async () => {
    const both = certify({ name: 'Both', issuer: root, authority: true, usage: 0x80 });
    await expect(verify(signedBy(both), { root: [root] })).resolves.toBeDefined();
    const silent = certify({ name: 'Silent', issuer: root, authority: true, usage: null });
    await refused(signedBy(silent), { root: [root] });
  });

  it('accepts the first and last second of validity', async () => {
    const holder = under({ from: '2026-11-21T10:00:00Z', to: '2026-11-21T10:00:00Z' });
    await expect(verify(signedBy(holder), { root: [root] })).resolves.toBeDefined();
  });

  it('does not hang on certificates that certify each other', async () => {
    const [one, two] = [makePair(), makePair()];
    const a = certify({ name: 'A', pair: one });
    const b = certify({ name: 'B', pair: two, issuer: a, authority: true });
    const circle = certify({ name: 'A', pair: one, issuer: b, authority: true });
    const holder = certify({ issuer: circle });
    await refused(signedBy(holder, circle, b, a, circle, b), { root: [root] });
  });
});

describe('when a key or certificate file contains something else', () => {
  it.each<[string, string, 'key' | 'root']>([
    ['a private key', vendor.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'key'],
    ['a certificate for a key', certificatePem(certify()), 'key'],
    [
      'a key on another curve',
      '-----BEGIN PUBLIC KEY-----\nMFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAE\n-----END PUBLIC KEY-----\n',
      'key',
    ],
    ['nothing', '', 'key'],
    ['a key for a root', pemOf(vendor), 'root'],
    ['no certificate', 'hello', 'root'],
  ])('refuses %s', async (_, text, member) => {
    writeFileSync(join(folder, 'odd.pem'), text);
    await expectCode(
      () => openRequirement({ required: false, [member]: 'odd.pem' }, folder),
      'upstream-refused',
    );
  });

  it('names a missing file', async () => {
    await expectCode(
      () => openRequirement({ required: true, key: 'gone.pub' }, folder),
      'file-missing',
    );
  });
});

it('encodes the signed bytes as DSSE specifies', () => {
  expect(pae('http://example.com/HelloWorld', Buffer.from('hello world')).toString()).toBe(
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  );
});

function b64(bytes: Buffer): string {
  return bytes.toString('base64');
}

/** The same bytes to a lenient reader: unused bits of the last character set. */
function strayed(bytes: Buffer): string {
  const text = b64(bytes.subarray(0, bytes.length - (bytes.length % 3) - 2));
  const last = text.replace(/=+$/, '');
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const next = letters[letters.indexOf(last.at(-1) ?? 'A') + 1] ?? '/';
  return `${last.slice(0, -1)}${next}${text.slice(last.length)}`;
}
