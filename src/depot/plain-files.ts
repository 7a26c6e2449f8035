import type { Digest } from '../core/digest.ts';
import type { Catalog, CatalogRelease, StoredFile } from './catalog.ts';
import type { Handler } from './handler.ts';
import { type Exchange, type ServedPieces, sendBytes, sendJson, sendPieces } from './send.ts';

/** A file that is sent: a range of a file on disk. */
interface Offered {
  readonly size: number;
  readonly etag: string;
  readonly source: { readonly path: string; readonly offset: number; readonly size: number };
  readonly blob?: Digest | undefined;
}

const ROUTE = /^\/(bundles|files)\/([^/]+)\/(.*)$/;

/**
 * The files of releases by plain HTTP, for `stowage import https://` and for machines that have only curl:
 * `/bundles/NAME@VERSION/PATH` are those of the bundle, and `/files/RELEASE/NAME/PATH` the models and files in it. A path that ends in
 * `/` is a list: one line for each file, with its size and path. A path on disk is never derived from what a client sent.
 */
export function plainFiles(catalog: Catalog): Handler {
  return async (request, response) => {
    const [, kind = '', encoded = '', rest = ''] = ROUTE.exec(request.path) ?? [];
    if (kind === '') return false;
    const exchange = { request, response };
    const release = findRelease(catalog, decoded(encoded));
    // An organisation of the Hub may have that name.
    if (release === undefined) return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      sendJson(exchange, 405, { error: 'read-only' }, { Allow: 'GET, HEAD' });
      return true;
    }
    if (kind === 'bundles') await send(catalog, exchange, await bundleOf(catalog, release), rest);
    else await sendContent(catalog, exchange, release, rest);
    return true;
  };
}

async function sendContent(
  catalog: Catalog,
  exchange: Exchange,
  release: CatalogRelease,
  rest: string,
): Promise<void> {
  const contents = contentsOf(catalog, release);
  if (rest === '')
    return sendLines(
      exchange,
      [...contents.keys()].map((name) => `${name}/`),
    );
  const slash = rest.indexOf('/');
  const files = contents.get(decoded(rest.slice(0, slash < 0 ? undefined : slash)));
  if (files === undefined) return sendJson(exchange, 404, { error: 'not found' });
  await send(catalog, exchange, files, slash < 0 ? '' : rest.slice(slash + 1));
}

async function send(
  catalog: Catalog,
  exchange: Exchange,
  files: ReadonlyMap<string, Offered>,
  rest: string,
): Promise<void> {
  if (rest === '')
    return sendLines(
      exchange,
      [...files].map(([path, { size }]) => `${size} ${path}`),
    );
  const file = files.get(decoded(rest));
  if (file === undefined) return sendJson(exchange, 404, { error: 'not found' });
  const { size, etag, source, blob } = file;
  const piece: ServedPieces['pieces'][number] = {
    ...{ path: source.path, size, within: { offset: source.offset, size: source.size } },
    intact: async (handle) => {
      if (blob !== undefined) await catalog.requireIntact(blob, handle);
    },
  };
  const headers = { 'Content-Type': 'application/octet-stream' };
  await sendPieces(exchange.request, exchange.response, { pieces: [piece], etag, headers });
}

function sendLines(exchange: Exchange, lines: readonly string[]): void {
  const text = lines.map((line) => `${line}\n`).join('');
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' };
  sendBytes(exchange, 200, Buffer.from(text), headers);
}

async function bundleOf(
  catalog: Catalog,
  { id }: CatalogRelease,
): Promise<ReadonlyMap<string, Offered>> {
  const files = (await catalog.bundleFiles?.(id)) ?? new Map<string, StoredFile>();
  return new Map(
    [...files].map(([path, file]) => [path, { ...file, etag: `"${id.slice(0, 32)}/${path}"` }]),
  );
}

/** The models and files of a release, by name, each with its files. */
function contentsOf(
  catalog: Catalog,
  { bundle }: CatalogRelease,
): ReadonlyMap<string, ReadonlyMap<string, Offered>> {
  const offered = ({ digest, size }: { digest: Digest; size: number }): Offered => ({
    ...{ size, etag: `"${digest}"`, blob: digest },
    source: { path: catalog.blobPath(digest), offset: 0, size },
  });
  const items = [
    ...bundle.models.map(({ name, files }) => ({ name, files })),
    ...bundle.files.map(({ name, ...file }) => ({
      name,
      files: [{ ...file, path: file.kind === 'tree' ? `${name}.tar` : file.path }],
    })),
  ];
  return new Map(
    items.map(({ name, files }) => [
      name,
      new Map(files.map((file) => [file.path, offered(file)])),
    ]),
  );
}

/** `NAME@VERSION`, or `NAME` for its newest release. */
function findRelease(catalog: Catalog, text: string): CatalogRelease | undefined {
  return catalog
    .releases()
    .filter(({ bundle: { name, version } }) => [name, `${name}@${version}`].includes(text))
    .toSorted((a, b) => a.bundle.seq - b.bundle.seq)
    .at(-1);
}

/** A path without its percent-encoding; nothing that is served has an empty name. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
