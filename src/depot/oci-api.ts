import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { type Digest, isDigest } from '../core/digest.ts';
import { isDigestText, isRepositoryName, isTag } from '../core/repository-name.ts';
import type { Catalog, CatalogEntry } from './catalog.ts';
import type { DepotRequest, Handler } from './handler.ts';
import { type Exchange, type ServedFile, sendFile, sendJson, sendPieces } from './send.ts';

const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/**
 * Finds a repository by name: the copy from the registry that the engine names in `?ns=`; otherwise the repository of
 * that name; otherwise the copy of that path from Docker Hub, whose mirrors are the only ones that are asked without
 * `?ns=`; otherwise the only copy of that path.
 */
export function findRepository(
  entries: readonly CatalogEntry[],
  name: string,
  registry?: string,
): CatalogEntry | undefined {
  const copies = entries.filter(({ upstream }) => upstream?.path === name);
  const from = (wanted: string): CatalogEntry | undefined =>
    copies.find(({ upstream }) => upstream?.registry === hubName(wanted));
  return (
    (registry === undefined ? undefined : from(registry)) ??
    entries.find(({ repository }) => repository === name) ??
    from('docker.io') ??
    (copies.length === 1 ? copies[0] : undefined)
  );
}

function hubName(registry: string): string {
  return DOCKER_HUB.includes(registry) ? 'docker.io' : registry;
}

/** A page of a sorted list, and whether more follows. */
export interface Page {
  readonly items: readonly string[];
  readonly more: boolean;
}

/**
 * The names after `last`, at most `n` of them (distribution specification, "Content discovery").
 * Undefined if `n` is not a number.
 */
export function pageOf(names: readonly string[], query: URLSearchParams): Page | undefined {
  const n = query.get('n');
  if (n !== null && !/^[0-9]{1,9}$/.test(n)) return undefined;
  const last = query.get('last') ?? '';
  const rest = [...names].sort(bytewise).filter((name) => bytewise(name, last) > 0);
  const items = n === null ? rest : rest.slice(0, Number(n));
  return { items, more: items.length > 0 && items.length < rest.length };
}

/** The `Link` header to the next page, if there is one. */
export function nextLink(path: string, page: Page): { Link?: string } {
  const last = page.items.at(-1);
  if (!page.more || last === undefined) return {};
  const query = new URLSearchParams({ n: String(page.items.length), last });
  return { Link: `<${path}?${query}>; rel="next"` };
}

function bytewise(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const API_VERSION = { 'Docker-Distribution-Api-Version': 'registry/2.0' } as const;
const INDEX = 'application/vnd.oci.image.index.v1+json';
const ROUTE = /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/([^/]+)$/;

/** The error codes of the distribution specification that a read-only registry needs. */
type OciCode =
  | 'BLOB_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'PAGINATION_NUMBER_INVALID'
  | 'UNSUPPORTED';

/**
 * The read side of the OCI distribution API, version 1.1, below `/v2/`. Serves what a catalog entry lists, byte
 * for byte, and nothing else: a path on disk is never derived from what a client sent.
 */
export function ociApi(catalog: Catalog): Handler {
  return async (request, response) => {
    if (request.path !== '/v2' && !request.path.startsWith('/v2/')) return false;
    for (const [name, value] of Object.entries(API_VERSION)) response.setHeader(name, value);
    await answer(catalog, request, response);
    return true;
  };
}

async function answer(
  catalog: Catalog,
  request: DepotRequest,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    // The body of a push is not read: the connection is closed after the response.
    const headers = { Allow: 'GET, HEAD', Connection: 'close' };
    return refuse(
      { request, response },
      405,
      { code: 'UNSUPPORTED', message: 'this registry is read-only' },
      headers,
    );
  }
  // Some clients encode the colon of a digest; no other character of this API needs encoding.
  const path = request.path.replace(/%3a/gi, ':');
  if (path === '/v2/' || path === '/v2') return sendJson({ request, response }, 200, {});
  if (path === '/v2/_catalog') return sendCatalog(catalog, request, response);

  const match = ROUTE.exec(path);
  const [, name = '', kind = '', reference = ''] = match ?? [];
  if (match === null || !isRepositoryName(name))
    return refuse({ request, response }, 404, {
      code: 'NAME_INVALID',
      message: 'no such endpoint, or an invalid name',
    });
  const found = findRepository(catalog.repositories(), name, request.query.get('ns') ?? undefined);
  if (kind === 'referrers') return sendReferrers(found, request, response, reference);
  const entry = found?.make === undefined ? found : await found.make();
  if (entry === undefined)
    return refuse({ request, response }, 404, {
      code: 'NAME_UNKNOWN',
      message: `repository ${name} not found`,
    });
  if (kind === 'tags') return sendTags(entry, request, response, reference);
  const served = { catalog, entry };
  if (kind === 'blobs') return sendBlob(served, { request, response }, reference);
  return sendManifest(served, { request, response }, reference);
}

/** A repository, and the catalog that has it. */
interface Served {
  readonly catalog: Catalog;
  readonly entry: CatalogEntry;
}

async function sendManifest(served: Served, exchange: Exchange, reference: string): Promise<void> {
  const { entry } = served;
  if (reference.includes(':') && !isDigestText(reference))
    return refuse(exchange, 400, { code: 'DIGEST_INVALID', message: 'malformed digest' });
  const digest = resolveReference(entry, reference);
  const mediaType = digest === undefined ? undefined : entry.manifests.get(digest);
  if (digest === undefined || mediaType === undefined)
    return refuse(exchange, 404, { code: 'MANIFEST_UNKNOWN', message: `${reference} not found` });
  // Always the stored type, whatever Accept requests: another type would be other bytes with another digest.
  const headers = { 'Content-Type': mediaType, 'Docker-Content-Digest': digest };
  await sendStored(served, exchange, { digest, headers });
}

async function sendBlob(served: Served, exchange: Exchange, reference: string): Promise<void> {
  if (!isDigestText(reference))
    return refuse(exchange, 400, { code: 'DIGEST_INVALID', message: 'malformed digest' });
  const size = isDigest(reference) ? served.entry.blobs.get(reference) : undefined;
  if (!isDigest(reference) || size === undefined)
    return refuse(exchange, 404, { code: 'BLOB_UNKNOWN', message: `${reference} not found` });
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Docker-Content-Digest': reference,
  };
  await sendStored(served, exchange, { digest: reference, size, headers });
}

/** Sends a blob of the store, or an assembled one. */
async function sendStored(
  { catalog, entry }: Served,
  { request, response }: Exchange,
  what: {
    readonly digest: Digest;
    readonly size?: number;
    readonly headers: OutgoingHttpHeaders;
  },
): Promise<void> {
  const { digest, ...answer } = what;
  const etag = `"${digest}"`;
  const fileOf = (blob: Digest): Pick<ServedFile, 'path' | 'intact'> => ({
    path: catalog.blobPath(blob),
    intact: (handle) => catalog.requireIntact(blob, handle),
  });
  const made = entry.made?.get(digest);
  if (made === undefined)
    return sendFile(request, response, { ...answer, etag, ...fileOf(digest) });
  const pieces = made.map((each) =>
    'bytes' in each ? each : { ...fileOf(each.digest), size: each.size },
  );
  return sendPieces(request, response, { pieces, etag, headers: answer.headers });
}

function sendTags(
  entry: CatalogEntry,
  request: DepotRequest,
  response: ServerResponse,
  reference: string,
): void {
  const page = pageOf(Object.keys(entry.tags), request.query);
  if (reference !== 'list')
    refuse({ request, response }, 404, { code: 'NAME_INVALID', message: 'no such endpoint' });
  else if (page === undefined) refusePage(request, response);
  else {
    const body = { name: entry.repository, tags: page.items };
    sendJson({ request, response }, 200, body, nextLink(`/v2/${entry.repository}/tags/list`, page));
  }
}

function sendCatalog(catalog: Catalog, request: DepotRequest, response: ServerResponse): void {
  const names = catalog.repositories().map((each) => each.repository);
  const page = pageOf(names, request.query);
  if (page === undefined) refusePage(request, response);
  else {
    const body = { repositories: page.items };
    sendJson({ request, response }, 200, body, nextLink('/v2/_catalog', page));
  }
}

/** Never 404: to a client that means a registry without this API, and it tries tags instead. */
function sendReferrers(
  entry: CatalogEntry | undefined,
  request: DepotRequest,
  response: ServerResponse,
  reference: string,
): void {
  if (!isDigestText(reference)) {
    refuse({ request, response }, 400, { code: 'DIGEST_INVALID', message: 'malformed digest' });
    return;
  }
  const wanted = request.query.get('artifactType');
  const headers = {
    'Content-Type': INDEX,
    ...(wanted === null ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
  };
  const all = (isDigest(reference) ? entry?.referrers?.get(reference) : undefined) ?? [];
  const manifests = all.filter((each) => wanted === null || each.artifactType === wanted);
  sendJson({ request, response }, 200, { schemaVersion: 2, mediaType: INDEX, manifests }, headers);
}

function resolveReference(entry: CatalogEntry, reference: string): Digest | undefined {
  if (isDigest(reference)) return reference;
  if (!isTag(reference) || !Object.hasOwn(entry.tags, reference)) return undefined;
  return entry.tags[reference];
}

function refusePage(request: DepotRequest, response: ServerResponse): void {
  refuse({ request, response }, 400, {
    code: 'PAGINATION_NUMBER_INVALID',
    message: 'n is not a number',
  });
}

function refuse(
  exchange: Exchange,
  status: number,
  { code, message }: { readonly code: OciCode; readonly message: string },
  headers: OutgoingHttpHeaders = {},
): void {
  sendJson(exchange, status, { errors: [{ code, message, detail: null }] }, headers);
}
