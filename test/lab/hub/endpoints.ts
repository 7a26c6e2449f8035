import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { modelInfo, pathsInfo, refs, tree } from './answers.ts';
import { type Exchange, sendJson } from './exchange.ts';
import {
  entryNotFound,
  gatedRepo,
  invalidToken,
  Refusal,
  repoNotFound,
  revisionNotFound,
} from './refusal.ts';
import { findRevision, type LoadedRepo } from './repository.ts';
import type { HubFile, Revision } from './revision.ts';
import { type Route, routeOf } from './routes.ts';
import { sendFile } from './send-file.ts';

export interface EndpointOptions {
  /** Access tokens to the gated and private repositories each may read. Any other token is invalid. */
  readonly tokens?: Readonly<Record<string, readonly string[]>>;
  /** Entries of a tree in one answer; the next page is named by a Link header. Default: all. */
  readonly pageSize?: number;
}

/** Answers as the Hub does: its API, and files or a redirect to where they are stored. */
export async function answerRequest(
  exchange: Exchange,
  repos: ReadonlyMap<string, LoadedRepo>,
  options: EndpointOptions,
  storage: string | undefined,
): Promise<void> {
  const url = new URL(exchange.record.url, 'http://hub.invalid');
  const route = routeOf(url.pathname);
  const granted = grantsOf(exchange.request, options.tokens ?? {});
  if (route === undefined) throw new Refusal(404, undefined, 'Sorry, this page does not exist.');
  const repo = repos.get(route.repo);
  const admitted = granted?.includes(route.repo) === true;
  if (repo === undefined || (repo.private === true && !admitted)) {
    throw repoNotFound(granted === undefined);
  }
  if (route.kind === 'refs') return sendJson(exchange, 200, refs(repo));
  const name = route.kind === 'info' ? 'main' : route.revision;
  const revision = findRevision(repo, name);
  if (revision === undefined) throw revisionNotFound(name);
  if (route.kind === 'resolve') {
    if (repo.gated !== undefined && !admitted) throw gatedRepo(repo.name, granted === undefined);
    return answerFile(exchange, revision, route.path, storage);
  }
  return answerApi(exchange, repo, revision, route, url, options.pageSize);
}

/** Undefined without a token. @throws Refusal for a token that nobody issued. */
function grantsOf(
  request: IncomingMessage,
  tokens: Readonly<Record<string, readonly string[]>>,
): readonly string[] | undefined {
  const header = request.headers.authorization;
  if (header === undefined) return undefined;
  const granted = tokens[header.replace(/^Bearer /i, '')];
  if (granted === undefined) throw invalidToken();
  return granted;
}

async function answerApi(
  exchange: Exchange,
  repo: LoadedRepo,
  revision: Revision,
  route: Exclude<Route, { kind: 'refs' }>,
  url: URL,
  pageSize: number | undefined,
): Promise<void> {
  const flag = (name: string): boolean =>
    ['', '1', 'true', 'True'].includes(url.searchParams.get(name) ?? 'false');
  if (route.kind === 'paths-info') {
    const { paths, expand } = await pathsAsked(exchange.request);
    return sendJson(exchange, 200, pathsInfo(revision, paths, expand));
  }
  if (route.kind !== 'tree') {
    return sendJson(exchange, 200, modelInfo(repo, revision, flag('blobs')));
  }
  const entries = tree(revision, route.path, flag('recursive'), flag('expand'));
  if (entries.length === 0 && route.path !== '') throw entryNotFound(revision.commit);
  const start = Number(url.searchParams.get('cursor') ?? 0);
  const end = start + (pageSize ?? entries.length);
  const next = new URL(url.pathname + url.search, `http://${exchange.request.headers.host}`);
  next.searchParams.set('cursor', String(end));
  const link = end < entries.length ? { link: `<${next.href}>; rel="next"` } : undefined;
  return sendJson(exchange, 200, entries.slice(start, end), link);
}

/** The JavaScript client sends JSON, the Python client a form. */
async function pathsAsked(
  request: IncomingMessage,
): Promise<{ paths: readonly string[]; expand: boolean }> {
  const body = await text(request);
  if (request.headers['content-type']?.includes('json') === true) {
    const { paths, expand } = JSON.parse(body) as { paths: string[]; expand?: boolean };
    return { paths, expand: expand === true };
  }
  const form = new URLSearchParams(body);
  return { paths: form.getAll('paths'), expand: form.get('expand')?.toLowerCase() === 'true' };
}

async function answerFile(
  exchange: Exchange,
  revision: Revision,
  path: string,
  storage: string | undefined,
): Promise<void> {
  const file = revision.files.get(path);
  if (file === undefined) throw entryNotFound(revision.commit);
  const etag = `"${file.lfs?.sha256 ?? file.oid}"`;
  const headers = { 'x-repo-commit': revision.commit };
  if (storage === undefined || file.lfs === undefined) {
    const { request, response, fault } = exchange;
    return sendFile(request, response, file, { ...headers, etag }, fault);
  }
  exchange.response.writeHead(302, {
    ...headers,
    'x-linked-etag': etag,
    'x-linked-size': String(file.size),
    location: `${storage}/${file.lfs.sha256}`,
    'content-length': '0',
  });
  exchange.response.end();
}

/** Answers as the object store behind it does: knows a file by its SHA-256, gives no ETag to trust, refuses the Hub's token. */
export async function answerFromStorage(
  exchange: Exchange,
  repos: ReadonlyMap<string, LoadedRepo>,
): Promise<void> {
  const { request, response, fault } = exchange;
  if (request.headers.authorization !== undefined) {
    throw new Refusal(400, undefined, 'Only one auth mechanism allowed');
  }
  const file = fileOf(repos, (request.url ?? '').slice(1));
  if (file === undefined) throw new Refusal(404, undefined, 'no such object');
  return sendFile(request, response, file, { etag: `"${file.oid}"` }, fault);
}

function fileOf(repos: ReadonlyMap<string, LoadedRepo>, sha256: string): HubFile | undefined {
  for (const repo of repos.values()) {
    for (const { files } of repo.named.values()) {
      for (const file of files.values()) if (file.lfs?.sha256 === sha256) return file;
    }
  }
  return undefined;
}
