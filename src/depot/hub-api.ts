import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { MIB } from '../core/limits.ts';
import type { Catalog, CatalogModel } from './catalog.ts';
import type { DepotRequest, Handler } from './handler.ts';
import { listTree, modelInfo, modelList, refsOf, treeEntry, treeOf } from './hub-answer.ts';
import {
  bytewise,
  findRevision,
  type HubRepository,
  type HubRevision,
  hubRepositories,
} from './hub-file.ts';
import { refuseHub, sendError, sendHubFile, sendRaw } from './hub-send.ts';
import { sendLlamaManifest } from './llama-manifest.ts';
import { type Intact, sendJson } from './send.ts';

const ACTIONS = ['revision', 'tree', 'paths-info', 'refs', 'auth-check'] as const;

/** The endpoint of a Hub request, with the decoded parts of its path. They are not paths on disk. */
export type HubRoute =
  | { readonly kind: 'models' | 'whoami' | 'malformed' | 'unknown' }
  /** A repository of data sets, spaces or anything else that a depot does not have. */
  | { readonly kind: 'foreign' }
  | {
      readonly kind: (typeof ACTIONS)[number] | 'info' | 'raw' | 'resolve';
      /** `organisation/name`, as the client wrote it. */
      readonly repository: string;
      /** The segments after it: a revision, which may have slashes of its own, and a path. */
      readonly rest: readonly string[];
    };

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const FOREIGN = ['datasets', 'spaces', 'kernels', 'buckets'];

/**
 * Parses and decodes the path of a request; undefined if it does not belong to the Hub's API.
 * An encoded slash counts as a slash, in revisions and in paths: clients send both.
 */
export function parseHubRoute(path: string): HubRoute | undefined {
  const raw = path.split('/').slice(1);
  const api = raw[0] === 'api';
  if (!api && !raw.includes('resolve') && raw[2] !== 'raw') return undefined;
  const segments: string[] = [];
  for (const each of raw) {
    const decoded = decodeSegment(each);
    if (decoded === undefined) return { kind: 'malformed' };
    segments.push(...decoded.split('/'));
  }
  return api ? apiRoute(segments.slice(1)) : fileRoute(segments);
}

function apiRoute([kind = '', ...rest]: readonly string[]): HubRoute {
  if (kind === 'whoami-v2' && rest.length === 0) return { kind: 'whoami' };
  if (FOREIGN.includes(kind)) return { kind: 'foreign' };
  if (kind !== 'models') return { kind: 'unknown' };
  if (rest.join('') === '') return { kind: 'models' };
  const [organisation = '', name = '', action, ...after] = rest;
  const repository = `${organisation}/${name}`;
  if (action === undefined) return { kind: 'info', repository, rest: [] };
  const known = ACTIONS.find((each) => each === action);
  return known === undefined ? { kind: 'unknown' } : { kind: known, repository, rest: after };
}

function fileRoute(segments: readonly string[]): HubRoute | undefined {
  const [organisation = '', name = '', kind, ...rest] = segments;
  if (kind === 'resolve' || kind === 'raw')
    return { kind, repository: `${organisation}/${name}`, rest };
  // Files of a data set, or of a repository without an organisation.
  return name === 'resolve' || segments[3] === 'resolve' ? { kind: 'foreign' } : undefined;
}

/**
 * Decodes a path segment as UTF-8. A client may send bytes that it should have encoded, which Node passes as Latin-1.
 * Undefined for an invalid escape, invalid UTF-8, or a NUL.
 */
export function decodeSegment(raw: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})|[^\0-\xff]/.test(raw)) return undefined;
  const bytes = raw.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  try {
    const decoded = UTF_8.decode(Buffer.from(bytes, 'latin1'));
    return decoded.includes('\0') ? undefined : decoded;
  } catch {
    return undefined;
  }
}

/** The body of a `paths-info` request. */
export interface PathsRequest {
  readonly paths: readonly string[];
  readonly expand: boolean;
}

/**
 * Reads the body of a `paths-info` request: a form from Python clients, JSON from JavaScript clients.
 * Undefined if it is neither, or longer than `maxBytes`.
 */
export async function readPaths(
  message: IncomingMessage,
  maxBytes: number,
): Promise<PathsRequest | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return /json/i.test(message.headers['content-type'] ?? '') ? fromJson(text) : fromForm(text);
}

function fromForm(text: string): PathsRequest {
  const form = new URLSearchParams(text);
  return { paths: form.getAll('paths'), expand: /^(?:true|1)$/i.test(form.get('expand') ?? '') };
}

function fromJson(text: string): PathsRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { paths, expand } = value as { paths?: unknown; expand?: unknown };
  const list = typeof paths === 'string' ? [paths] : paths;
  if (!Array.isArray(list) || !list.every((each) => typeof each === 'string')) return undefined;
  return { paths: list, expand: expand === true };
}

const MAX_PAGE_ENTRIES = 10_000;
/** Slashes that a revision may have if the client did not encode them. */
const MAX_REVISION_SEGMENTS = 8;
const MAX_PATHS_BYTES: number = MIB;

export interface HubApiOptions {
  /** The path of `HF_ENDPOINT`, such as `/hub`; requests without it are answered too. */
  readonly prefix?: string;
  /** The most entries of a listing in one response, for clients that follow `Link`. */
  readonly pageEntries?: number;
}

/** A request, its response and the catalog. */
interface Exchange {
  readonly catalog: Catalog;
  readonly request: DepotRequest;
  readonly response: ServerResponse;
  readonly pageEntries: number;
}

/**
 * The read side of the Hugging Face Hub API: what `huggingface_hub` from 0.36, `@huggingface/hub`, transformers, vLLM
 * and llama.cpp request. Serves the files of the catalog's models and nothing else: a path on disk is never derived
 * from what a client sent.
 */
export function hubApi(catalog: Catalog, options: HubApiOptions = {}): Handler {
  const { prefix = '', pageEntries = MAX_PAGE_ENTRIES } = options;
  let models: readonly CatalogModel[] | undefined;
  let repositories: ReadonlyMap<string, HubRepository> = new Map();
  return async (request, response) => {
    if (catalog.models() !== models) {
      models = catalog.models();
      repositories = hubRepositories(models);
    }
    const exchange = { catalog, request, response, pageEntries };
    const path = withoutPrefix(request.path, prefix);
    if (sendLlamaManifest(path, repositories, request, response)) return true;
    const route = parseHubRoute(path);
    if (route === undefined) return false;
    await answer(route, repositories, exchange);
    return true;
  };
}

function withoutPrefix(path: string, prefix: string): string {
  return prefix !== '' && path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : path;
}

async function answer(
  route: HubRoute,
  repositories: ReadonlyMap<string, HubRepository>,
  exchange: Exchange,
): Promise<void> {
  const { request, response } = exchange;
  const { method } = request;
  const asks = route.kind === 'paths-info' ? method === 'POST' : ['GET', 'HEAD'].includes(method);
  if (!asks) {
    // The body of a push is not read: the connection is closed after the response.
    const Allow = route.kind === 'paths-info' ? 'POST' : 'GET, HEAD';
    const headers = { Allow, Connection: 'close' };
    return sendError({ request, response }, 405, 'this server is read-only', headers);
  }
  switch (route.kind) {
    case 'malformed':
      return sendError({ request, response }, 400, 'the path is not percent-encoded UTF-8');
    case 'unknown':
      return sendError({ request, response }, 404, 'this server has no such endpoint');
    case 'foreign':
      return refuseHub(request, response, 'RepoNotFound');
    case 'models':
      return sendJson({ request, response }, 200, modelList(repositories.values(), request.query));
    case 'whoami':
      return sendWhoami(exchange);
  }
  const repository = repositories.get(route.repository.toLowerCase());
  if (repository === undefined) return refuseHub(request, response, 'RepoNotFound');
  if (route.kind === 'refs') return sendJson({ request, response }, 200, refsOf(repository));
  if (route.kind === 'auth-check') return sendJson({ request, response }, 200, {});
  const rest = route.kind === 'info' ? ['main'] : route.rest;
  const found = takeRevision(repository, rest);
  if (found === undefined) return refuseHub(request, response, 'RevisionNotFound');
  const { revision, path } = found;
  if (route.kind === 'resolve') return sendResolved(exchange, revision, path, sendHubFile);
  if (route.kind === 'raw') return sendResolved(exchange, revision, path, sendRaw);
  if (route.kind === 'tree') return sendTree(exchange, revision, path);
  if (path !== '') return refuseHub(request, response, 'RevisionNotFound');
  if (route.kind === 'paths-info') return sendPaths(exchange, revision);
  const blobs = /^(?:true|1)$/i.test(request.query.get('blobs') ?? '');
  sendJson({ request, response }, 200, modelInfo(repository, revision, blobs));
}

/** The revision that these segments begin with, and the path after it. */
function takeRevision(
  repository: HubRepository,
  segments: readonly string[],
): { revision: HubRevision; path: string } | undefined {
  for (let length = 1; length <= Math.min(segments.length, MAX_REVISION_SEGMENTS); length++) {
    const revision = findRevision(repository, segments.slice(0, length).join('/'));
    if (revision !== undefined) return { revision, path: segments.slice(length).join('/') };
  }
  return undefined;
}

async function sendResolved(
  { catalog, request, response }: Exchange,
  revision: HubRevision,
  path: string,
  send: typeof sendHubFile,
): Promise<void> {
  const file = revision.files.get(path);
  if (file === undefined) refuseHub(request, response, 'EntryNotFound', revision.commit);
  else {
    const intact: Intact = (handle) => catalog.requireIntact(file.digest, handle);
    const path = catalog.blobPath(file.digest);
    const stored = { path, intact, commit: revision.commit, file };
    await send(stored, request, response);
  }
}

function sendTree(exchange: Exchange, revision: HubRevision, folder: string): void {
  const { request, response } = exchange;
  const { query } = request;
  const entries = listTree(revision, folder.replace(/\/$/, ''), truth(query.get('recursive')));
  if (entries === undefined) {
    refuseHub(request, response, 'EntryNotFound', revision.commit);
    return;
  }
  const expand = truth(query.get('expand'));
  const after = query.get('cursor') ?? '';
  const rest = entries.filter(({ path }) => after === '' || bytewise(path, after) > 0);
  const size = pageSize(exchange);
  const page = rest.slice(0, size);
  const last = page.at(-1)?.path;
  const here = ownAddress(request);
  const link: { Link?: string } = {};
  if (rest.length > size && last !== undefined && here !== undefined) {
    const next = new URLSearchParams(query);
    next.set('cursor', last);
    link.Link = `<${here}?${next}>; rel="next"`;
  }
  const body = (link.Link === undefined ? rest : page).map((each) =>
    treeEntry(each, revision, expand),
  );
  sendJson({ request, response }, 200, body, link);
}

/** llama.cpp reads one page and does not follow `Link`. */
function pageSize({ request, pageEntries }: Exchange): number {
  if (/^llama-cpp\b/.test(request.message.headers['user-agent'] ?? '')) return Infinity;
  const asked = request.query.get('limit') ?? '';
  return /^[1-9][0-9]{0,6}$/.test(asked) ? Math.min(Number(asked), pageEntries) : pageEntries;
}

/** The absolute URL of this request: clients do not follow a relative `Link`. Undefined without a `Host`. */
function ownAddress({ message, path }: DepotRequest): string | undefined {
  const { host = '', 'x-forwarded-proto': forwarded } = message.headers;
  if (!/^[A-Za-z0-9.:[\]_-]{1,255}$/.test(host) || !/^[\x21-\x7e]*$/.test(path)) return undefined;
  const encrypted = (message.socket as TLSSocket).encrypted || forwarded === 'https';
  return `${encrypted ? 'https' : 'http'}://${host}${path.replace(/[<>]/g, encodeURIComponent)}`;
}

async function sendPaths({ request, response }: Exchange, revision: HubRevision): Promise<void> {
  const asked = await readPaths(request.message, MAX_PATHS_BYTES);
  if (asked === undefined) {
    const close = { Connection: 'close' };
    return sendError(
      { request, response },
      400,
      'expected a list of paths, as a form or JSON',
      close,
    );
  }
  const found = [...new Set(asked.paths)].flatMap((path) => {
    const file = revision.files.get(path);
    if (file !== undefined) return [file];
    const above = treeOf(revision).get(path.slice(0, Math.max(0, path.lastIndexOf('/')))) ?? [];
    return above.filter((each) => each.path === path);
  });
  const body = found.map((each) => treeEntry(each, revision, asked.expand));
  sendJson({ request, response }, 200, body);
}

/** A token that reaches this point is valid, as the server has checked it; without one the client is anonymous. */
function sendWhoami({ request, response }: Exchange): void {
  if (request.message.headers.authorization === undefined) {
    sendError({ request, response }, 401, 'Invalid username or password.');
    return;
  }
  const user = { type: 'user', id: 'depot', name: 'depot', fullname: 'depot', orgs: [] };
  const auth = { type: 'access_token', accessToken: { displayName: 'depot', role: 'read' } };
  sendJson({ request, response }, 200, { ...user, isPro: false, auth });
}

function truth(text: string | null): boolean {
  return /^(?:true|1)$/i.test(text ?? '');
}
