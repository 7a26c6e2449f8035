import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Sources } from '../../../src/build/origins.ts';
import { resolve } from '../../../src/build/resolve.ts';
import { digestHex, digestOf } from '../../../src/core/digest.ts';
import { StowageError } from '../../../src/core/error.ts';
import { checkDocument } from '../../../src/format/document.ts';
import type { Lock } from '../../../src/format/lock.ts';
import { type Manifest, manifestKind } from '../../../src/format/manifest.ts';
import { BlobStore } from '../../../src/io/blob-store.ts';
import type { Attached } from '../../../src/source/oci.ts';
import { expectCode } from '../../support/error.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { contextOf } from '../samples.ts';
import {
  bundleOf,
  certificatePem,
  certify,
  makePair,
  modelStatement,
  pemOf,
  signBytes,
  simplePayload,
} from './publisher.ts';

const folder = temporaryFolder();
const vendor = makePair();
const root = certify();
const leaf = certify({ issuer: root });
writeFileSync(join(folder, 'vendor.pub'), pemOf(vendor));
writeFileSync(join(folder, 'root.pem'), certificatePem(root));

const weights = { 'weights.dat': 'weights', 'README.md': '# card' };
const image = Buffer.from('{"an":"image"}');
const target = { digest: digestOf(image), size: image.length, mediaType: 'a/b' };

/** A Hub and a registry with one model and one image, signed or not. */
function sources(
  model: object | undefined,
  attached: readonly Attached[],
  payload: Buffer,
  failures: readonly StowageError[] = [],
): Sources {
  const listed = { ...weights, ...(model && { 'model.sig': JSON.stringify(model) }) };
  const files = Object.entries(listed).map(([path, text]) => ({
    path,
    size: text.length,
    lfsSha256: digestHex(digestOf(Buffer.from(text))),
  }));
  const found = {
    repository: 'demo/tiny',
    endpoint: 'https://hub.example',
    commit: 'c'.repeat(40),
    license: 'mit',
    gated: false,
    tags: [],
    files,
  };
  return {
    hub: {
      resolve: async () => found,
      small: async (_: unknown, path: string) =>
        Buffer.from(listed[path as keyof typeof listed] ?? ''),
      file: (_: unknown, path: string) => ({
        description: path,
        open: async (offset: number) =>
          Readable.from([Buffer.from(listed[path as keyof typeof listed] ?? '').subarray(offset)]),
      }),
    },
    registry: {
      resolve: async () => ({
        repository: 'registry.example/app',
        target,
        platforms: [{ platform: 'linux/amd64', manifest: target.digest, config: target.digest }],
        images: [],
        blobs: [target],
        manifests: new Map([[target.digest, image]]),
      }),
      attached: async () => ({ found: attached, failures }),
      blob: () => ({ open: async () => Readable.from([payload]) }),
      small: async () => payload,
    },
  } as unknown as Sources;
}

function signedImage(digest: string): { attached: Attached[]; payload: Buffer } {
  const payload = simplePayload(digest);
  const described = { digest: digestOf(payload), size: payload.length };
  const annotations = {
    'dev.cosignproject.cosign/signature': signBytes(vendor, payload).toString('base64'),
  };
  const mediaType = 'application/vnd.dev.cosign.simplesigning.v1+json';
  const manifest = { ...described, mediaType: 'a/b' };
  return {
    payload,
    attached: [
      {
        kind: 'cosign',
        artifactType: '',
        manifest,
        bytes: payload,
        layers: [{ ...described, mediaType, annotations }],
      },
    ],
  };
}

function manifestOf(model: object | undefined, container: object | undefined): Manifest {
  return checkDocument(manifestKind, {
    apiVersion: 'stowage/v1',
    name: 'chat',
    version: '1.0.0',
    models: [
      {
        name: 'tiny',
        source: 'hf://demo/tiny@main',
        include: ['*.md'],
        ...(model && { signature: model }),
      },
    ],
    images: [
      {
        name: 'server',
        source: 'registry.example/app:1',
        ...(container && { signature: container }),
      },
    ],
  });
}

async function lockOf(manifest: Manifest, from: Sources, previous?: Lock): Promise<Lock> {
  const store = new BlobStore(join(folder, 'store'));
  return resolve(manifest, {
    ...contextOf(),
    folder,
    store,
    sources: from,
    ...(previous && { previous }),
  });
}

const key = { key: 'vendor.pub' };
const good = signedImage(target.digest);

describe('when a manifest requires signatures', () => {
  it('records the verdicts in the lock, with the digests of the trusted files', async () => {
    const from = sources(bundleOf(modelStatement(weights), vendor), good.attached, good.payload);
    const lock = await lockOf(manifestOf(key, key), from);
    const trusted = [{ path: 'vendor.pub', digest: digestOf(Buffer.from(pemOf(vendor))) }];
    expect(lock.models[0]?.signature).toMatchObject({
      result: 'passed',
      form: 'model-signing',
      log: 'none',
      trusted,
    });
    expect(lock.images[0]?.signature).toMatchObject({
      result: 'passed',
      form: 'cosign',
      log: 'none',
      trusted,
    });
    expect(lock.findings).toEqual([]);
    expect(await lockOf(manifestOf(key, key), from, lock)).toBe(lock);
  });

  it('notes that any signer under a root is accepted, and each unsigned file', async () => {
    const bundle = bundleOf(
      modelStatement({ 'weights.dat': 'weights' }, { ignore_paths: ['README.md'] }),
      leaf,
      { certificates: [leaf] },
    );
    const lock = await lockOf(
      manifestOf({ root: 'root.pem' }, undefined),
      sources(bundle, [], good.payload),
    );
    expect(lock.findings.map(({ rule, file }) => [rule, file])).toEqual([
      ['upstream-signer-any', 'model.sig'],
      ['upstream-file-unsigned', 'README.md'],
    ]);
    expect(lock.models[0]?.signature?.unsigned).toEqual(['README.md']);
  });

  it('reports attached artifacts that cannot be read, even if a signature by the key exists', async () => {
    const failure = new StowageError('source-denied', 'no access to the referrers', {
      found: 'status 403',
      hint: 'sign in',
    });
    const from = sources(undefined, good.attached, good.payload, [failure]);
    for (const demand of [undefined, key, { ...key, required: false }]) {
      const { findings, images } = await lockOf(manifestOf(undefined, demand), from);
      expect(findings.map(({ rule, source }) => [rule, source])).toContainEqual([
        'attachment-missing',
        'server',
      ]);
      expect(images[0]?.signature?.result).toBe(demand && 'passed');
    }
  });

  it('names the cause if a required signature cannot be read', async () => {
    const failure = new StowageError('source-denied', 'no access to the referrers', {
      found: 'status 403',
      hint: 'sign in',
    });
    const from = sources(undefined, [], good.payload, [failure]);
    const error = await expectCode(() => lockOf(manifestOf(undefined, key), from), 'source-denied');
    expect(error).toMatchObject({ found: 'status 403', hint: 'sign in' });
    expect(error.message).toContain('required signature of image registry.example/app');
    const optional = await lockOf(manifestOf(undefined, { ...key, required: false }), from);
    expect(optional.images[0]?.signature?.result).toBe('absent');
    expect(optional.findings.map(({ rule }) => rule).sort()).toEqual([
      'attachment-missing',
      'upstream-signature-absent',
    ]);
  });

  it.each([
    [
      'no signature of the model',
      manifestOf(key, undefined),
      sources(undefined, [], good.payload),
      'upstream-unsigned',
    ],
    [
      'no signature of the image',
      manifestOf(undefined, key),
      sources(undefined, [], good.payload),
      'upstream-unsigned',
    ],
    [
      'a wrong one of the model',
      manifestOf(key, undefined),
      sources(bundleOf(modelStatement(weights), makePair()), [], good.payload),
      'upstream-refused',
    ],
    [
      'one of another image',
      manifestOf(undefined, key),
      sources(
        undefined,
        signedImage(`sha256:${'0'.repeat(64)}`).attached,
        signedImage(`sha256:${'0'.repeat(64)}`).payload,
      ),
      'upstream-refused',
    ],
    [
      'a key file that is missing',
      manifestOf({ key: 'gone.pub' }, undefined),
      sources(undefined, [], good.payload),
      'file-missing',
    ],
  ] as const)('refuses the lock for %s', async (_, manifest, from, code) => {
    await expectCode(() => lockOf(manifest, from), code);
  });

  it('reports findings instead when signatures are not required', async () => {
    const recorded = { ...key, required: false };
    const absent = await lockOf(
      manifestOf(recorded, recorded),
      sources(undefined, [], good.payload),
    );
    expect(absent.models[0]?.signature?.result).toBe('absent');
    expect(absent.images[0]?.signature?.result).toBe('absent');
    expect(
      absent.findings.flatMap(({ rule }) => (rule.startsWith('upstream-') ? [rule] : [])),
    ).toEqual(['upstream-signature-absent', 'upstream-signature-absent']);
    const other = signedImage(`sha256:${'0'.repeat(64)}`);
    const wrong = sources({ mediaType: 'evil\u001b[2J' }, other.attached, other.payload);
    const failed = await lockOf(manifestOf(recorded, recorded), wrong);
    expect(failed.models[0]?.signature).toMatchObject({ result: 'failed' });
    expect(failed.images[0]?.signature).toMatchObject({ result: 'failed' });
    expect(
      failed.findings.flatMap(({ rule }) => (rule.startsWith('upstream-') ? [rule] : [])),
    ).toEqual(['upstream-signature-failed', 'upstream-signature-failed']);
    expect(JSON.stringify(failed)).not.toContain('\\u001b');
  });
});

describe('when a requirement contradicts itself', () => {
  it.each([
    ['neither key nor root nor trustedRoot', {}],
    ['key and root', { key: 'a', root: 'b' }],
    ['root and trustedRoot', { root: 'a', trustedRoot: 'b', identity: 'x', issuer: 'y' }],
    ['a trusted root for any identity', { trustedRoot: 'a', issuer: 'y' }],
    ['a trusted root for any issuer', { trustedRoot: 'a', identity: 'x' }],
    ['a log beside a trusted root', { trustedRoot: 'a', identity: 'x', issuer: 'y', log: 'b' }],
    ['an identity of a key', { key: 'a', identity: 'x' }],
    ['an issuer of a key', { key: 'a', issuer: 'x' }],
    ['an empty identity, which equals an empty subject', { root: 'a', identity: '' }],
    ['an unknown field', { key: 'a', keyless: true }],
    ['a file of an image', { key: 'a', file: 'model.sig' }],
  ])('refuses %s', async (_, demand) => {
    await expectCode(() => manifestOf(undefined, demand), 'manifest-invalid');
  });
});
