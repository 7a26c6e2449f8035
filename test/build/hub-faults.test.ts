import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pullIntoStore } from '../../src/build/pull.ts';
import { resolve } from '../../src/build/resolve.ts';
import { digestOf } from '../../src/core/digest.ts';
import { checkDocument } from '../../src/format/document.ts';
import type { Lock } from '../../src/format/lock.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import type { Git } from '../../src/source/git.ts';
import { createHub } from '../../src/source/hugging-face.ts';
import type { Registry } from '../../src/source/oci.ts';
import { type Fault, type Hub, startHub } from '../lab/hub.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { testHttp } from '../net/server.ts';
import { anonymousS3 } from '../support/anonymous-s3.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';
import { contextOf } from './samples.ts';

const MIB = 1024 * 1024;
const size = 17 * MIB;
const root = temporaryFolder();
const model = join(root, 'model/model.safetensors');
let hub: Hub;
let lock: Lock;
/** The fault of the n-th request for the content, counted from 0. */
let fault: (index: number) => Fault | undefined = () => undefined;
let asked = 0;
let stores = 0;

const context = { ...contextOf(), folder: root };
const client = (): ReturnType<typeof testHttp> => testHttp({ idleTimeoutMs: 300 });
const sourcesOf = ({ http } = client()): Parameters<typeof pullIntoStore>[1]['sources'] => ({
  http,
  hub: createHub({ endpoint: hub.url }, http),
  registry: {} as Registry,
  git: {} as Git,
  s3: anonymousS3,
});

beforeAll(async () => {
  writeLargeModel(model, size);
  hub = await startHub({
    repos: [{ name: 'acme/large', revisions: { main: join(root, 'model') } }],
    redirect: true,
    fault: ({ origin, method }) =>
      origin === 'storage' && method === 'GET' ? fault(asked++) : undefined,
  });
  const manifest = checkDocument(manifestKind, {
    apiVersion: 'stowage/v1',
    name: 'large',
    version: '1.0.0',
    models: [{ name: 'large', source: 'hf://acme/large@main' }],
  });
  const store = new BlobStore(join(root, 'lock-store'));
  lock = await resolve(manifest, { ...context, store, sources: sourcesOf() });
});

beforeEach(() => {
  asked = 0;
  fault = () => undefined;
});

afterAll(() => hub.stop());

const fresh = (): BlobStore => new BlobStore(join(root, `store-${stores++}`));

describe('when a Hub fails during a download', () => {
  it.each<[string, Fault]>([
    ['ends before the end', { kind: 'cut', afterBytes: 3 * MIB }],
    ['falls silent', { kind: 'stall', afterBytes: 5 * MIB + 1 }],
    ['answers 500', { status: 500 }],
    ['answers 429 with Retry-After', { status: 429, headers: { 'retry-after': '7' } }],
  ])('and %s, the right bytes are still received', async (_, what) => {
    fault = (index) => (index === 1 || index === 0 ? what : undefined);
    const store = fresh();
    const patient = client();
    await pullIntoStore(lock, { ...context, store, sources: sourcesOf(patient) });
    const file = lock.models[0]?.files.find(({ path }) => path === 'model.safetensors');
    if (file === undefined) throw new Error('no file');
    expect(digestOf(readFileSync(store.path(file.digest)))).toBe(file.digest);
    if ('status' in what && what.status === 429) expect(patient.pauses).toContain(7000);
    expect(asked).toBeGreaterThan(2);
  });

  it('and flips one bit, nothing is kept', async () => {
    fault = () => ({ kind: 'flip', offset: 9 * MIB });
    const store = fresh();
    const error = await expectCode(
      () => pullIntoStore(lock, { ...context, store, sources: sourcesOf() }),
      'source-mismatch',
    );
    expect(error.message).toContain('model.safetensors');
    expect(await contents(store.root)).toEqual({});
  });

  it('and answers with the wrong range, no byte of it is used', async () => {
    const headers = { 'content-range': `bytes 1-4/${size}`, 'content-length': '4' };
    fault = () => ({ status: 206, headers, body: 'zero' });
    const store = fresh();
    await expectCode(
      () => pullIntoStore(lock, { ...context, store, sources: sourcesOf() }),
      'source-malformed',
    );
    // Space was allocated, but nothing was written.
    const left = Object.values(await contents(store.root)).join('');
    expect(left).not.toContain('zero');
  });
});
