import { describe, expect, it } from 'vitest';
import { digestHex, digestOf } from '../../src/core/digest.ts';
import type { ErrorCode } from '../../src/core/error.ts';
import {
  type Attached,
  type AttachedTo,
  createRegistry,
  type Registry,
} from '../../src/source/oci.ts';
import { never, serve, testHttp } from '../net/server.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const image = digestOf(Buffer.from('image'));
const hex = digestHex(image);
const layer = { digest: digestOf(Buffer.from('l')), size: 1, mediaType: 'a/b' };

function artifact(changes: Record<string, unknown> = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { ...layer, mediaType: 'application/vnd.oci.empty.v1+json' },
      layers: [{ ...layer, annotations: { a: 'b', __proto__: 'c', n: 1 } }],
      subject: { digest: image, size: 5, mediaType: INDEX },
      ...changes,
    }),
  );
}

function listOf(...manifests: readonly Buffer[]): Buffer {
  const entries = manifests.map((bytes) => ({ digest: digestOf(bytes), size: bytes.length }));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: entries }));
}

/** The response for a path: a document or a status. */
type Answer = Buffer | number;

/** A registry that serves these paths below `/v2/a/b/`, and 404 for the rest. */
async function registryWith(
  paths: Readonly<Record<string, Answer>>,
  contentType?: string,
): Promise<{ registry: Registry; repository: string }> {
  const { host } = await serve((request, response) => {
    const bytes = paths[(request.url ?? '').replace('/v2/a/b/', '')];
    if (request.url === '/v2/') response.end();
    else if (typeof bytes !== 'object') response.writeHead(bytes ?? 404).end();
    else {
      const list = request.url?.includes('/referrers/') === true;
      response.setHeader('content-type', contentType ?? (list ? INDEX : MANIFEST));
      response.end(bytes);
    }
  });
  const { http } = testHttp();
  const registry = createRegistry({ credentials: { find: async () => undefined }, http });
  return { registry, repository: `${host}/a/b` };
}

async function attached(
  paths: Readonly<Record<string, Answer>>,
  contentType?: string,
): Promise<readonly Attached[]> {
  const { found, failures } = await besides(paths, contentType);
  expect(failures).toEqual([]);
  return found;
}

async function besides(
  paths: Readonly<Record<string, Answer>>,
  contentType?: string,
): Promise<AttachedTo> {
  const { registry, repository } = await registryWith(paths, contentType);
  return registry.attached(repository, image, never);
}

describe('when a registry has artifacts attached to an image', () => {
  const one = artifact();
  const two = artifact({ artifactType: 'application/vnd.example' });

  it('finds the .sig tag of cosign', async () => {
    const [found] = await attached({ [`manifests/sha256-${hex}.sig`]: one });
    expect(found).toMatchObject({
      kind: 'cosign',
      artifactType: 'application/vnd.oci.empty.v1+json',
      manifest: { digest: digestOf(one), size: one.length, mediaType: MANIFEST },
    });
    expect({ ...found?.layers[0]?.annotations }).toEqual({ a: 'b' });
  });

  it.each([
    ['the list of referrers', `referrers/${image}`],
    ['the tag in its place', `manifests/sha256-${hex}`],
  ])('finds %s', async (_, place) => {
    const found = await attached({
      [place]: listOf(one, two),
      [`manifests/${digestOf(one)}`]: one,
      [`manifests/${digestOf(two)}`]: two,
    });
    expect(found.map(({ kind, artifactType }) => [kind, artifactType])).toEqual([
      ['referrer', 'application/vnd.oci.empty.v1+json'],
      ['referrer', 'application/vnd.example'],
    ]);
  });

  it('finds nothing if there is nothing', async () => {
    expect(await attached({})).toEqual([]);
    expect(await attached({ [`referrers/${image}`]: listOf() })).toEqual([]);
  });

  it('does not accept an HTML page as a list', async () => {
    expect(await attached({ [`referrers/${image}`]: Buffer.from('<html>') }, 'text/html')).toEqual(
      [],
    );
  });

  it('skips an artifact with another subject, and a missing one', async () => {
    const foreign = artifact({ subject: { digest: digestOf(Buffer.from('x')) } });
    const found = await attached({
      [`referrers/${image}`]: listOf(foreign, one),
      [`manifests/${digestOf(foreign)}`]: foreign,
    });
    expect(found).toEqual([]);
  });

  it('reads referrers up to the limit, signatures first, and reports the rest', async () => {
    const others = Array.from({ length: 256 }, (_, n) => artifact({ annotations: { n: `${n}` } }));
    const signature = artifact({ artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json' });
    const paths = Object.fromEntries(
      [...others, signature].map((each) => [`manifests/${digestOf(each)}`, each]),
    );
    expect(await attached({ ...paths, [`referrers/${image}`]: listOf(...others) })).toHaveLength(
      256,
    );
    const list = JSON.parse(listOf(...others, signature).toString()) as { manifests: object[] };
    Object.assign(list.manifests[256] ?? {}, { artifactType: 'application/vnd.dev.sigstore' });
    const { found, failures } = await besides({
      ...paths,
      [`referrers/${image}`]: Buffer.from(JSON.stringify(list)),
    });
    expect(found).toHaveLength(256);
    expect(found[0]?.manifest.digest).toBe(digestOf(signature));
    expect(failures.map((each) => each.code)).toEqual(['source-malformed']);
    expect(failures[0]?.found).toMatch(/^257: /);
  });

  it('accepts a signature with the maximum number of layers', async () => {
    const large = artifact({ layers: Array(1000).fill(layer) });
    const [found] = await attached({ [`manifests/sha256-${hex}.sig`]: large });
    expect(found?.layers).toHaveLength(1000);
  });
});

describe('when an attached artifact cannot be read', () => {
  const one = artifact();
  const signature = { [`manifests/sha256-${hex}.sig`]: one };
  const good = { [`referrers/${image}`]: listOf(one), [`manifests/${digestOf(one)}`]: one };
  const index = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [], subject: layer }),
  );
  const withSubject = artifact({ mediaType: INDEX, layers: undefined, manifests: [] });

  it.each<[string, Record<string, Answer>, ErrorCode]>([
    ...[401, 403, 500, 503].flatMap((status): [string, Record<string, Answer>, ErrorCode][] => [
      [
        `status ${status} for the signature`,
        { ...good, [`manifests/sha256-${hex}.sig`]: status },
        status === 401
          ? 'source-malformed'
          : status === 403
            ? 'source-denied'
            : 'source-unreachable',
      ],
      [
        `status ${status} for the list`,
        { ...signature, [`referrers/${image}`]: status },
        status === 401
          ? 'source-malformed'
          : status === 403
            ? 'source-denied'
            : 'source-unreachable',
      ],
    ]),
    [
      'a list that is none',
      { ...signature, [`referrers/${image}`]: Buffer.from('{"manifests":1}') },
      'source-malformed',
    ],
    [
      'a fallback tag that is not an index',
      { ...signature, [`manifests/sha256-${hex}`]: artifact({ subject: undefined }) },
      'source-malformed',
    ],
    [
      'a fallback tag that is a page',
      { ...signature, [`manifests/sha256-${hex}`]: Buffer.from('<html>') },
      'source-malformed',
    ],
    [
      'layers that are none',
      { ...good, [`manifests/sha256-${hex}.sig`]: artifact({ layers: {} }) },
      'source-malformed',
    ],
    [
      'a layer without digest',
      { ...good, [`manifests/sha256-${hex}.sig`]: artifact({ layers: [{}] }) },
      'source-malformed',
    ],
    [
      'more layers than any image',
      { ...good, [`manifests/sha256-${hex}.sig`]: artifact({ layers: Array(1001).fill(layer) }) },
      'source-malformed',
    ],
    [
      'an index for a signature',
      { ...good, [`manifests/sha256-${hex}.sig`]: index },
      'source-unsupported',
    ],
    [
      'a referrer that is an index',
      {
        ...signature,
        [`referrers/${image}`]: listOf(withSubject),
        [`manifests/${digestOf(withSubject)}`]: withSubject,
      },
      'source-unsupported',
    ],
    [
      'a referrer that does not match its digest in the list',
      {
        ...signature,
        [`referrers/${image}`]: listOf(one),
        [`manifests/${digestOf(one)}`]: withSubject,
      },
      'source-mismatch',
    ],
  ])('finds the rest, and reports %s', async (_, paths, code) => {
    const { found, failures } = await besides(paths);
    expect(found.map(({ manifest }) => manifest.digest)).toEqual([digestOf(one)]);
    expect(failures.map((each) => each.code)).toEqual([code]);
  });
});

describe('when a referrers list has several pages', () => {
  const one = artifact();
  const two = artifact({ artifactType: 'application/vnd.example' });
  const manifests = new Map([one, two].map((bytes) => [`manifests/${digestOf(bytes)}`, bytes]));
  const pages = new Map([
    ['', listOf(one)],
    ['?n=1&last=a', listOf()],
    ['?n=1&last=b', listOf(one, two)],
  ]);
  type Links = Readonly<Record<string, string | ((host: string) => string)>>;

  /** The result if each page, by its query, has this link to the next. */
  async function paged(
    links: Links,
  ): Promise<{ digests: string[]; asked: string[]; failures: (string | undefined)[] }> {
    const { host, seen } = await serve((request, response) => {
      const path = (request.url ?? '').replace('/v2/a/b/', '');
      const [place, query] = path.split(/(?=\?)/) as [string, string?];
      const list = place === `referrers/${image}` ? pages.get(query ?? '') : undefined;
      const bytes = list ?? manifests.get(place);
      const link = list && links[query ?? ''];
      if (request.url === '/v2/') return response.end();
      if (bytes === undefined) return response.writeHead(404).end();
      response.setHeader('content-type', list ? INDEX : MANIFEST);
      if (link) response.setHeader('link', typeof link === 'string' ? link : link(host));
      return response.end(bytes);
    });
    const { http } = testHttp();
    const registry = createRegistry({ credentials: { find: async () => undefined }, http });
    const { found, failures } = await registry.attached(`${host}/a/b`, image, never);
    return {
      failures: failures.map((each) => each.found),
      digests: found.map(({ manifest }) => manifest.digest),
      asked: seen.map(({ url }) => url).filter((url) => url.includes('referrers')),
    };
  }
  const path = `/v2/a/b/referrers/${image}`;

  it('reads all of them', async () => {
    const { digests, asked } = await paged({
      '': `<${path}?n=1&last=a>; rel="next"`,
      '?n=1&last=a': (host) => `<http://${host}${path}?n=1&last=b>; rel=next`,
      '?n=1&last=b': '<https://elsewhere.example/>; rel="license"',
    });
    expect(digests).toEqual([digestOf(one), digestOf(two)]);
    expect(asked).toEqual([path, `${path}?n=1&last=a`, `${path}?n=1&last=b`]);
  });

  it.each<[string, Links, string]>([
    ['to itself', { '': `<${path}>; rel="next"` }, 'a link to the same page'],
    [
      'to another host',
      { '': `<http://127.0.0.2:1${path}?n=1>; rel="next"` },
      'one at 127.0.0.2:1',
    ],
    ['to no address', { '': '<http://>; rel="next"' }, 'a link to the same page'],
    [
      'back to an earlier page',
      {
        '': `<${path}?n=1&last=a>; rel="next"`,
        '?n=1&last=a': `<${path}?n=1&last=b>; rel="next"`,
        '?n=1&last=b': `<${path}?n=1&last=a>; rel="next"`,
      },
      'more',
    ],
  ])('keeps the pages before a link %s', async (_, links, failure) => {
    const { digests, failures } = await paged(links);
    expect(digests[0]).toBe(digestOf(one));
    expect(failures).toEqual([failure]);
  });

  it('does not treat a missing page as the end', async () => {
    const { digests, failures } = await paged({ '': `<${path}?n=9>; rel="next"` });
    expect(digests).toEqual([digestOf(one)]);
    expect(failures).toEqual(['status 404']);
  });
});
