import { type FileHandle, open } from 'node:fs/promises';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { KIB } from '../core/limits.ts';
import type { DepotRequest } from './handler.ts';
import { pump, write } from './pump.ts';

export interface ServedFile {
  readonly path: string;
  /** The size that the file must have, in bytes; any size if absent. */
  readonly size?: number;
  /** An entity tag, quoted. */
  readonly etag: string;
  readonly headers: OutgoingHttpHeaders;
  readonly intact: Intact;
}

/** Throws unless an open file has the content that it must have. */
export type Intact = (handle: FileHandle) => Promise<void>;

/** A file, or a range of it. */
interface ServedRange {
  readonly path: string;
  /** Bytes that are sent of it. */
  readonly size: number;
  readonly intact: Intact;
  /** Where the range begins, and the size that the whole file must have; absent for the whole file. */
  readonly within?: { readonly offset: number; readonly size: number };
}

/** Consecutive bytes, some generated and some in files. */
export interface ServedPieces {
  readonly pieces: readonly ({ readonly bytes: Buffer } | ServedRange)[];
  readonly etag: string;
  readonly headers: OutgoingHttpHeaders;
}

/** A request, and the response to it. */
export interface Exchange {
  readonly request: DepotRequest;
  readonly response: ServerResponse;
}

/** Sends JSON; for HEAD, only its headers. */
export function sendJson(
  exchange: Exchange,
  status: number,
  value: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  sendBytes(exchange, status, Buffer.from(JSON.stringify(value), 'utf8'), {
    'Content-Type': 'application/json',
    ...headers,
  });
}

/** Sends bytes; for HEAD, only their headers. */
export function sendBytes(
  { request, response }: Exchange,
  status: number,
  body: Buffer,
  headers: OutgoingHttpHeaders,
): void {
  response.writeHead(status, { 'Content-Length': body.length, ...headers });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/**
 * Sends a file, or the requested range of it (RFC 9110 section 14).
 * @throws StowageError `blob-damaged` or a system error before anything was sent; later errors close the connection, so that the client gets an
 * incomplete body and never a wrong one
 */
export async function sendFile(
  request: DepotRequest,
  response: ServerResponse,
  file: ServedFile,
): Promise<void> {
  const handle = await open(file.path, 'r');
  try {
    const status = await handle.stat();
    if (!status.isFile() || (file.size !== undefined && status.size !== file.size))
      throw new Error('a stored blob is not a file of the expected size');
    if (request.method === 'GET') await file.intact(handle);
    const range = begin(request, response, status.size, file);
    if (range === undefined) return;
    await pumpIntact(handle, response, range, file.intact);
    response.end();
  } finally {
    await handle.close();
  }
}

/** {@link sendFile} for pieces. A range opens only the files that it needs. */
export async function sendPieces(
  request: DepotRequest,
  response: ServerResponse,
  { pieces, ...answer }: ServedPieces,
): Promise<void> {
  const sizes = pieces.map((piece) => ('bytes' in piece ? piece.bytes.length : piece.size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const range = begin(request, response, total, answer);
  if (range === undefined) return;
  let start = 0;
  for (const [index, piece] of pieces.entries()) {
    const size = sizes[index] ?? 0;
    const first = Math.max(range.first - start, 0);
    const last = Math.min(range.last - start, size - 1);
    start += size;
    if (first > last) continue;
    if ('bytes' in piece) await write(response, piece.bytes.subarray(first, last + 1));
    else await pumpFile(response, piece, first, last);
  }
  response.end();
}

/** Bytes that are sent last, after the file was found unchanged since the first. */
const LAST_BYTES: number = 64 * KIB;

/** {@link pump}, but without its last bytes if the file changed meanwhile: no client then takes it for complete. */
async function pumpIntact(
  handle: FileHandle,
  response: ServerResponse,
  { first, last }: ByteRange,
  intact: Intact,
): Promise<void> {
  const tail = Math.max(first, last - LAST_BYTES + 1);
  if (tail > first) await pump(handle, response, first, tail - 1);
  await intact(handle);
  await pump(handle, response, tail, last);
}

async function pumpFile(
  response: ServerResponse,
  { path, size, intact, within = { offset: 0, size } }: ServedRange,
  first: number,
  last: number,
): Promise<void> {
  const handle = await open(path, 'r');
  try {
    if ((await handle.stat()).size !== within.size)
      throw new Error('a stored blob is not a file of the expected size');
    await intact(handle);
    const range = { first: within.offset + first, last: within.offset + last };
    await pumpIntact(handle, response, range, intact);
  } finally {
    await handle.close();
  }
}

/** Writes the head of a response with `size` bytes. @returns the bytes that must follow; undefined if it is complete */
function begin(
  { message, method }: DepotRequest,
  response: ServerResponse,
  size: number,
  answer: { readonly etag: string; readonly headers: OutgoingHttpHeaders },
): ByteRange | undefined {
  const { headers } = message;
  const common = { ...answer.headers, ETag: answer.etag, 'Accept-Ranges': 'bytes' };
  if (matches(headers['if-none-match'], answer.etag)) {
    response.writeHead(304, common).end();
    return undefined;
  }
  const fresh = headers['if-range'] === undefined || headers['if-range'] === answer.etag;
  // Ranges are defined for GET only (RFC 9110 section 14.2).
  const range = fresh && method === 'GET' ? parseRange(headers.range, size) : undefined;
  if (range === 'unsatisfiable') {
    const unsatisfied = { 'Content-Range': `bytes */${size}`, 'Content-Length': 0 };
    response.writeHead(416, { ...common, ...unsatisfied }).end();
    return undefined;
  }
  const { first, last } = range ?? { first: 0, last: size - 1 };
  const length = last - first + 1;
  if (range === undefined) response.writeHead(200, { ...common, 'Content-Length': length });
  else {
    const span = { 'Content-Range': `bytes ${first}-${last}/${size}` };
    response.writeHead(206, { ...common, ...span, 'Content-Length': length });
  }
  if (method === 'HEAD' || length === 0) {
    response.end();
    return undefined;
  }
  return { first, last };
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const tags = header.split(',').map((each) => each.trim().replace(/^W\//, ''));
  return tags.includes(etag) || header.trim() === '*';
}

/** The first and last byte to send, both inclusive (RFC 9110 section 14.1.2). */
interface ByteRange {
  readonly first: number;
  readonly last: number;
}

const SINGLE = /^bytes=([0-9]*)-([0-9]*)$/;

/**
 * The range of `size` bytes that a `Range` header requests: a range, `unsatisfiable`, or undefined for the whole. A
 * header that has another unit, several ranges, or is invalid is ignored, as RFC 9110 section 14.2 permits.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const match = SINGLE.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [, from = '', to = ''] = match;
  if (from === '') return to === '' ? undefined : suffix(Number(to), size);
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return undefined;
  return first >= size ? 'unsatisfiable' : { first, last };
}

function suffix(length: number, size: number): ByteRange | 'unsatisfiable' {
  if (length === 0 || size === 0) return 'unsatisfiable';
  return { first: Math.max(0, size - length), last: size - 1 };
}
