import { StowageError } from '../core/error.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import { type Asked, malformed } from './http-error.ts';
import type { Origin } from './origin.ts';

/** Sends a GET with these headers and what else it takes, such as credentials. */
export type Send = (
  part: Required<Pick<HttpRequest, 'headers' | 'allow'>>,
  signal: AbortSignal,
) => Promise<HttpResponse>;

/** Bytes of an HTTP resource from any offset, by Range requests (RFC 9110, 14). */
export function rangeOrigin(asked: Asked, send: Send): Origin {
  const ask = async (offset: number, signal: AbortSignal): Promise<Part> => {
    const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
    return readPart(asked, offset, await send({ headers, allow: [416] }, signal));
  };
  return {
    description: asked.what,
    open: async (offset, signal) => {
      const first = await ask(offset, signal);
      return allParts(asked, first, (from) => ask(from, signal));
    },
  };
}

interface Part {
  readonly body: AsyncIterable<Uint8Array>;
  /** Where these bytes stop short of the whole. */
  readonly continueAt?: number;
  readonly total?: number;
}

async function* allParts(
  asked: Asked,
  first: Part,
  ask: (offset: number) => Promise<Part>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let part = first;
  for (;;) {
    yield* part.body;
    if (part.continueAt === undefined) return;
    const next = await ask(part.continueAt);
    if (next.total !== part.total) throw changed(asked, part.total, next.total);
    part = next;
  }
}

function readPart(asked: Asked, offset: number, response: HttpResponse): Part {
  const { status, headers, body } = response;
  const range = headers.get('content-range');
  if (status === 416) return beyondEnd(asked, offset, range);
  if (status === 200) return { body: offset === 0 ? body : skip(asked, body, offset) };
  if (status !== 206) throw malformed(asked, 'status 200 or 206', `status ${status}`);
  const [start, end, total] = (/^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(range ?? '') ?? [])
    .slice(1)
    .map(Number);
  if (start !== offset || end === undefined || total === undefined || end < start || end >= total) {
    throw malformed(asked, `bytes from ${offset} on`, `Content-Range ${range ?? 'absent'}`);
  }
  if ((headers.get('content-encoding') ?? 'identity') !== 'identity') {
    throw malformed(asked, 'bytes as they are', 'an encoding around a part of them');
  }
  const exact = exactly(asked, body, end - start + 1);
  return { body: exact, total, ...(end + 1 < total && { continueAt: end + 1 }) };
}

/** 416 with `bytes * /N`: nothing is left when N bytes are here already. */
function beyondEnd(asked: Asked, offset: number, range: string | null): Part {
  const total = /^bytes \*\/(\d{1,16})$/.exec(range ?? '')?.[1];
  if (Number(total) === offset) return { body: exactly(asked, nothing(), 0), total: offset };
  throw changed(asked, undefined, total === undefined ? undefined : Number(total), offset);
}

async function* skip(
  asked: Asked,
  body: AsyncIterable<Uint8Array>,
  offset: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = offset;
  for await (const chunk of body) {
    if (left >= chunk.byteLength) left -= chunk.byteLength;
    else {
      yield left === 0 ? chunk : chunk.subarray(left);
      left = 0;
    }
  }
  if (left > 0) throw changed(asked, undefined, offset - left, offset);
}

async function* exactly(
  asked: Asked,
  body: AsyncIterable<Uint8Array>,
  bytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = bytes;
  for await (const chunk of body) {
    left -= chunk.byteLength;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0) {
    throw malformed(asked, `the ${bytes} bytes of its Content-Range`, left < 0 ? 'more' : 'fewer');
  }
}

function changed(
  { what }: Asked,
  expected: number | undefined,
  found: number | undefined,
  offset?: number,
): StowageError {
  return new StowageError('source-mismatch', `${what} changed while it was fetched`, {
    expected: expected === undefined ? `at least ${offset} bytes` : `${expected} bytes`,
    found: found === undefined ? 'another size' : `${found} bytes`,
    hint: 'run the same command again; it starts afresh with this file',
  });
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}
