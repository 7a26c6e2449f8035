import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attachmentFindings, findAttached } from '../../src/build/attached.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { createRegistry } from '../../src/source/oci.ts';
import { pushLayout, type Registry, startRegistry } from '../lab/registry.ts';
import { type LayoutImage, tinyImage } from '../lab/tiny-image.ts';
import { never, testHttp } from '../net/server.ts';
import { scratchFolder } from '../support/scratch.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const scratch = scratchFolder();
const folder = scratch.fresh('registry');
let served: Registry;
let image: LayoutImage;

const sha256 = (bytes: string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function put(path: string, body: string, type: string): Promise<void> {
  const url = path.startsWith('http') ? path : `${served.url}/v2/team/app/${path}`;
  const { status } = await fetch(url, { method: 'PUT', body, headers: { 'content-type': type } });
  if (status !== 201) throw new Error(`status ${status}`);
}

async function putBlob(bytes: string): Promise<object> {
  const begun = await fetch(`${served.url}/v2/team/app/blobs/uploads/`, { method: 'POST' });
  const location = new URL(begun.headers.get('location') ?? '');
  location.searchParams.set('digest', sha256(bytes));
  await put(location.href, bytes, 'application/octet-stream');
  return { digest: sha256(bytes), size: bytes.length, mediaType: 'application/json' };
}

beforeAll(async () => {
  served = await startRegistry(folder);
  image = await tinyImage(scratch.fresh('image'));
  await pushLayout(image.layout, image.tag, `${served.host}/team/app:1.0`);
  const config = await putBlob('{}');
  const artifact = async (text: string): Promise<string> =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config,
      layers: [await putBlob(text)],
    });
  const index = image.digest.replace(':', '-');
  const platform = image.imageDigest.replace(':', '-');
  await put(`manifests/${index}.sig`, await artifact('signature of the index'), MANIFEST);
  await put(`manifests/${platform}.sig`, await artifact('signature of a platform'), MANIFEST);
});

afterAll(() => served.stop());

describe('when a blob of an artifact is missing in the registry', () => {
  it('is reported by lock, and the rest is included', async () => {
    const registry = createRegistry({
      credentials: { find: async () => undefined },
      http: testHttp().http,
    });
    const source = `${served.host}/team/app:1.0`;
    const resolved = await registry.resolve(source, ['linux/amd64'], never);
    const find = (): ReturnType<typeof findAttached> =>
      findAttached(resolved, registry, new BlobStore(scratch.fresh('store')), never);
    const before = await find();
    expect([before.attached.length, before.failures.length]).toEqual([2, 0]);
    const hex = sha256('signature of the index').slice(7);
    const stored = 'data/docker/registry/v2/blobs/sha256';
    rmSync(join(folder, stored, hex.slice(0, 2), hex), { recursive: true });
    const after = await find();
    expect(after.attached.map(({ subject }) => subject)).toEqual([image.imageDigest]);
    expect(after.failures.map(({ code }) => code)).toEqual(['source-not-found']);
    expect(attachmentFindings('app', resolved.repository, after.failures)).toEqual([
      expect.objectContaining({
        rule: 'attachment-missing',
        message: expect.stringContaining(hex),
      }),
    ]);
  });
});
