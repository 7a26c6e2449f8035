import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../src/core/digest.ts';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import { ask, errorCode, MANIFEST, SCHEMA_2, Store } from './fixture.ts';

const store = new Store();
const layerBytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251));
// Spaces and a final newline: bytes that no JSON writer would give back.
const manifestBytes = '{ "schemaVersion": 2,\n  "layers": [] }\n';
const otherBytes = '{"schemaVersion":2,"other":true}';
const absent = `sha256:${'0'.repeat(64)}`;
let depot: Depot;
let manifest: Digest;
let other: Digest;
let layer: Digest;
let empty: Digest;
let unlisted: Digest;

beforeAll(async () => {
  manifest = store.add(manifestBytes);
  other = store.add(otherBytes);
  layer = store.add(layerBytes);
  empty = store.add('');
  unlisted = store.add('in the store, in no repository');
  store.entries.push(
    {
      repository: 'chat-1/server',
      tags: { '1.0': manifest, b_2: manifest, Latest: other },
      manifests: new Map([
        [manifest, MANIFEST],
        [other, SCHEMA_2],
      ]),
      blobs: new Map([
        [layer, layerBytes.length],
        [empty, 0],
      ]),
    },
    { repository: 'a', tags: {}, manifests: new Map(), blobs: new Map() },
  );
  depot = await startDepot(store, { address: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  await depot.close();
  store.remove();
});

describe('when a client checks the API version', () => {
  it.each(['/v2/', '/v2', '/v2/?x=1'])('answers %s as version 2', async (path) => {
    const reply = await ask(depot.host, path);
    expect(reply.status).toBe(200);
    expect(reply.headers['docker-distribution-api-version']).toBe('registry/2.0');
    expect(reply.body.toString()).toBe('{}');
  });
});

describe('when a manifest is requested', () => {
  it.each(['1.0', 'b_2', 'digest', 'encoded digest'])('sends its exact bytes by %s', async (by) => {
    const reference =
      by === 'digest' ? manifest : by === 'encoded digest' ? manifest.replace(':', '%3A') : by;
    const reply = await ask(depot.host, `/v2/chat-1/server/manifests/${reference}`);
    expect(reply.status).toBe(200);
    expect(reply.body.toString()).toBe(manifestBytes);
    expect(reply.headers['content-type']).toBe(MANIFEST);
    expect(reply.headers['docker-content-digest']).toBe(manifest);
    expect(reply.headers['content-length']).toBe(String(manifestBytes.length));
  });

  it('keeps the stored type for any Accept header and any upstream that a mirror names', async () => {
    const path = '/v2/chat-1/server/manifests/Latest?ns=docker.io';
    const reply = await ask(depot.host, path, { headers: { Accept: MANIFEST } });
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toBe(SCHEMA_2);
  });

  it('answers HEAD with the headers of GET and no body', async () => {
    const path = '/v2/chat-1/server/manifests/1.0';
    const reply = await ask(depot.host, path, { method: 'HEAD' });
    expect(reply.status).toBe(200);
    expect(reply.headers['docker-content-digest']).toBe(manifest);
    expect(reply.headers['content-length']).toBe(String(manifestBytes.length));
    expect(reply.body).toHaveLength(0);
  });

  it.each(['nosuch', '.INVALID_MANIFEST_NAME', absent, 'constructor', '__proto__'])(
    'says 404 MANIFEST_UNKNOWN for %s',
    async (reference) => {
      const reply = await ask(depot.host, `/v2/chat-1/server/manifests/${reference}`);
      expect([reply.status, errorCode(reply)]).toEqual([404, 'MANIFEST_UNKNOWN']);
    },
  );

  it('serves no blob as a manifest, and no manifest as a blob', async () => {
    const asManifest = await ask(depot.host, `/v2/chat-1/server/manifests/${layer}`);
    const asBlob = await ask(depot.host, `/v2/chat-1/server/blobs/${manifest}`);
    expect([asManifest.status, asBlob.status]).toEqual([404, 404]);
  });
});

describe('when a blob is requested', () => {
  const get = (headers: Record<string, string> = {}, method = 'GET') =>
    ask(depot.host, `/v2/chat-1/server/blobs/${layer}`, { method, headers });

  it('sends all of it', async () => {
    const reply = await get();
    expect(reply.status).toBe(200);
    expect(reply.body.equals(layerBytes)).toBe(true);
    expect(reply.headers['docker-content-digest']).toBe(layer);
    expect(reply.headers['content-type']).toBe('application/octet-stream');
    expect(reply.headers['accept-ranges']).toBe('bytes');
  });

  it('sends a range', async () => {
    const reply = await get({ Range: 'bytes=1048570-1048585' });
    expect(reply.status).toBe(206);
    expect(reply.headers['content-range']).toBe(`bytes 1048570-1048585/${layerBytes.length}`);
    expect(reply.headers['content-length']).toBe('16');
    expect(reply.body.equals(layerBytes.subarray(1_048_570, 1_048_586))).toBe(true);
  });

  it('sends the rest from an offset, for a resumed pull', async () => {
    const reply = await get({ Range: 'bytes=2999990-' });
    expect(reply.status).toBe(206);
    expect(reply.body.equals(layerBytes.subarray(2_999_990))).toBe(true);
  });

  it('answers 416 with the size beyond the end', async () => {
    const reply = await get({ Range: `bytes=${layerBytes.length}-` });
    expect(reply.status).toBe(416);
    expect(reply.headers['content-range']).toBe(`bytes */${layerBytes.length}`);
    expect(reply.body).toHaveLength(0);
  });

  it('honours If-Range and If-None-Match', async () => {
    const stale = await get({ Range: 'bytes=0-0', 'If-Range': '"other"' });
    const fresh = await get({ Range: 'bytes=0-0', 'If-Range': `"${layer}"` });
    const known = await get({ 'If-None-Match': `"${layer}"` });
    expect([stale.status, fresh.status, known.status]).toEqual([200, 206, 304]);
  });

  it('answers HEAD without a body', async () => {
    const reply = await get({}, 'HEAD');
    expect(reply.status).toBe(200);
    expect(reply.headers['content-length']).toBe(String(layerBytes.length));
    expect(reply.body).toHaveLength(0);
  });

  it('sends an empty one', async () => {
    const reply = await ask(depot.host, `/v2/chat-1/server/blobs/${empty}`);
    expect([reply.status, reply.headers['content-length']]).toEqual([200, '0']);
  });

  it('serves no blob of another repository or of none', async () => {
    const elsewhere = await ask(depot.host, `/v2/a/blobs/${layer}`);
    const nowhere = await ask(depot.host, `/v2/chat-1/server/blobs/${unlisted}`);
    expect([elsewhere.status, errorCode(elsewhere)]).toEqual([404, 'BLOB_UNKNOWN']);
    expect([nowhere.status, errorCode(nowhere)]).toEqual([404, 'BLOB_UNKNOWN']);
  });

  it.each([
    [absent, 404, 'BLOB_UNKNOWN'],
    [`sha512:${'0'.repeat(128)}`, 404, 'BLOB_UNKNOWN'],
    ['sha256:0', 400, 'DIGEST_INVALID'],
    [`sha256:${'A'.repeat(64)}`, 400, 'DIGEST_INVALID'],
    ['latest', 400, 'DIGEST_INVALID'],
    ['..', 400, 'DIGEST_INVALID'],
    ['..%2f..%2fetc%2fpasswd', 400, 'DIGEST_INVALID'],
  ])('refuses %s with %i', async (reference, status, code) => {
    const reply = await ask(depot.host, `/v2/chat-1/server/blobs/${reference}`);
    expect([reply.status, errorCode(reply)]).toEqual([status, code]);
  });

  it('answers 500 without a path or content when the file differs from the catalog', async () => {
    const damaged = store.add('damaged');
    const blobs = new Map([[damaged, 7]]);
    store.entries.push({ repository: 'damaged', tags: {}, manifests: new Map(), blobs });
    writeFileSync(store.blobPath(damaged), 'longer than it was');
    const reply = await ask(depot.host, `/v2/damaged/blobs/${damaged}`);
    store.entries.pop();
    expect(reply.status).toBe(500);
    expect(reply.body.toString()).not.toContain(store.folder);
    expect(reply.headers['docker-content-digest']).toBeUndefined();
  });
});

describe('when a blob changes while it is sent', () => {
  it.each([1, 65_536, 65_537, 400_000])('never completes %i bytes', async (size) => {
    const blob = store.add(Buffer.alloc(size, 'x'));
    store.entries.push({
      ...{ repository: 'changing', tags: {}, manifests: new Map() },
      blobs: new Map([[blob, size]]),
    });
    let looks = 0;
    store.onRead = async () => {
      looks += 1;
      if (looks > 1) throw new Error('it changed');
    };
    try {
      await expect(ask(depot.host, `/v2/changing/blobs/${blob}`)).rejects.toThrow();
      expect(looks).toBe(2);
    } finally {
      delete store.onRead;
      store.entries.pop();
    }
  });
});

describe('when tags are listed', () => {
  const list = (query = '') => ask(depot.host, `/v2/chat-1/server/tags/list${query}`);

  it('lists all in order', async () => {
    const reply = await list();
    expect(JSON.parse(reply.body.toString())).toEqual({
      name: 'chat-1/server',
      tags: ['1.0', 'Latest', 'b_2'],
    });
    expect(reply.headers['link']).toBeUndefined();
  });

  it('has pages that end', async () => {
    const seen: string[] = [];
    let path: string | undefined = '/v2/chat-1/server/tags/list?n=2';
    while (path !== undefined) {
      const reply = await ask(depot.host, path);
      seen.push(...(JSON.parse(reply.body.toString()) as { tags: string[] }).tags);
      path = /^<(.+)>; rel="next"$/.exec(String(reply.headers['link']))?.[1];
    }
    expect(seen).toEqual(['1.0', 'Latest', 'b_2']);
  });

  it('lists none and has no link for n=0', async () => {
    const reply = await list('?n=0');
    expect((JSON.parse(reply.body.toString()) as { tags: string[] }).tags).toEqual([]);
    expect(reply.headers['link']).toBeUndefined();
  });

  it('continues after a tag that does not exist', async () => {
    const reply = await list('?last=A');
    expect((JSON.parse(reply.body.toString()) as { tags: string[] }).tags).toEqual([
      'Latest',
      'b_2',
    ]);
  });

  it.each(['?n=-1', '?n=x', '?n='])('refuses %s', async (query) => {
    const reply = await list(query);
    expect([reply.status, errorCode(reply)]).toEqual([400, 'PAGINATION_NUMBER_INVALID']);
  });
});

describe('when the catalog is listed', () => {
  it('lists the repositories in order, in pages', async () => {
    const all = await ask(depot.host, '/v2/_catalog');
    const first = await ask(depot.host, '/v2/_catalog?n=1');
    expect(JSON.parse(all.body.toString())).toEqual({ repositories: ['a', 'chat-1/server'] });
    expect(JSON.parse(first.body.toString())).toEqual({ repositories: ['a'] });
    expect(first.headers['link']).toBe('</v2/_catalog?n=1&last=a>; rel="next"');
  });
});

describe('when referrers are requested', () => {
  it.each(['chat-1/server', 'unknown'])(
    'answers %s with an empty index, never 404',
    async (name) => {
      const reply = await ask(depot.host, `/v2/${name}/referrers/${absent}`);
      expect(reply.status).toBe(200);
      expect(reply.headers['content-type']).toBe('application/vnd.oci.image.index.v1+json');
      expect(JSON.parse(reply.body.toString())).toMatchObject({ schemaVersion: 2, manifests: [] });
    },
  );

  it('reports that it filtered', async () => {
    const reply = await ask(depot.host, `/v2/a/referrers/${absent}?artifactType=x%2Fy`);
    expect(reply.headers['oci-filters-applied']).toBe('artifactType');
  });

  it('refuses a malformed digest', async () => {
    const reply = await ask(depot.host, '/v2/a/referrers/sha256:1');
    expect([reply.status, errorCode(reply)]).toEqual([400, 'DIGEST_INVALID']);
  });
});

describe('when a name does not exist', () => {
  it.each([
    '/v2/UPPER/manifests/1.0',
    '/v2/a//b/manifests/1.0',
    '/v2/../../etc/manifests/passwd',
    '/v2/%2e%2e/manifests/1.0',
    '/v2/a%2fb/manifests/1.0',
    '/v2/-a/tags/list',
    `/v2/${'a/'.repeat(200)}a/tags/list`,
    '/v2/a/unknown/x',
    '/v2/a',
    '/v2//',
  ])('says NAME_INVALID to %s', async (path) => {
    const reply = await ask(depot.host, path);
    expect([reply.status, errorCode(reply)]).toEqual([404, 'NAME_INVALID']);
  });

  it('answers NAME_UNKNOWN for an unknown repository', async () => {
    const reply = await ask(depot.host, '/v2/chat-2/server/tags/list');
    expect([reply.status, errorCode(reply)]).toEqual([404, 'NAME_UNKNOWN']);
  });
});

describe('when a client writes', () => {
  it.each([
    ['POST', '/v2/chat-1/server/blobs/uploads/'],
    ['PATCH', '/v2/chat-1/server/blobs/uploads/1'],
    ['PUT', '/v2/chat-1/server/manifests/1.0'],
    ['DELETE', '/v2/chat-1/server/manifests/1.0'],
  ])('says 405 UNSUPPORTED to %s', async (method, path) => {
    const reply = await ask(depot.host, path, { method });
    expect([reply.status, errorCode(reply)]).toEqual([405, 'UNSUPPORTED']);
    expect(reply.headers.allow).toBe('GET, HEAD');
  });
});
