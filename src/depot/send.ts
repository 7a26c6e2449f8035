import { open } from 'node:fs/promises';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { MIB } from '../core/limits.ts';
import { parseRange } from './byte-range.ts';
import type { DepotRequest } from './handler.ts';

export interface ServedFile {
  readonly path: string;
  /** Bytes that the file must have; whatever its file system says when this is absent. */
  readonly size?: number;
  /** An entity tag in its quotes. */
  readonly etag: string;
  readonly headers: OutgoingHttpHeaders;
}

/** Answers with JSON, or with its headers alone when the method is HEAD. */
export function sendJson(
  request: DepotRequest,
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  const body = Buffer.from(JSON.stringify(value), 'utf8');
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/**
 * Answers with a file's bytes as they are, or with the range that was asked for (RFC 9110 section 14).
 * @throws the system's error before anything was sent; later errors end the connection, so that the client sees
 * a short body and never a wrong one
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
      throw new Error('a stored blob is not a file of its size');
    const { headers } = request.message;
    const common = { ...file.headers, ETag: file.etag, 'Accept-Ranges': 'bytes' };
    if (matches(headers['if-none-match'], file.etag)) {
      response.writeHead(304, common).end();
      return;
    }
    const fresh = headers['if-range'] === undefined || headers['if-range'] === file.etag;
    const range = fresh ? parseRange(headers.range, status.size) : undefined;
    if (range === 'unsatisfiable') {
      const unsatisfied = { 'Content-Range': `bytes */${status.size}`, 'Content-Length': 0 };
      response.writeHead(416, { ...common, ...unsatisfied }).end();
      return;
    }
    const { first, last } = range ?? { first: 0, last: status.size - 1 };
    const length = last - first + 1;
    if (range === undefined) response.writeHead(200, { ...common, 'Content-Length': length });
    else {
      const span = { 'Content-Range': `bytes ${first}-${last}/${status.size}` };
      response.writeHead(206, { ...common, ...span, 'Content-Length': length });
    }
    if (request.method === 'HEAD' || length === 0) {
      response.end();
      return;
    }
    const stream = handle.createReadStream({
      start: first,
      end: last,
      highWaterMark: MIB,
      autoClose: false,
    });
    await pipeline(stream, response);
  } finally {
    await handle.close();
  }
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((each) => each.trim().replace(/^W\//, '') === etag);
}
