import { StowageError } from '../core/error.ts';
import { counted } from '../core/text.ts';
import { isLocal, isLoopback, redactUrl } from '../net/address.ts';
import type { Http, HttpRequest, HttpResponse } from '../net/http.ts';
import { type Asked, malformed } from '../net/http-response.ts';
import type { Origin, OriginPart } from './origin.ts';

/** Sends a GET with these headers and everything else that is required, such as credentials. */
export type Send = (
  part: Required<Pick<HttpRequest, 'headers' | 'allow'>>,
  signal: AbortSignal,
) => Promise<HttpResponse>;

/** Sends a GET without credentials. */
export type SendPlain = Http['request'];

/** Statuses that mean that a temporary redirect target has expired. */
const EXPIRED = [400, 401, 403, 404, 410];

/**
 * An HTTP resource that is read from any offset with Range requests (RFC 9110, 14).
 * @param plain sends requests directly to the target of an earlier redirect, so that each range does not need one
 */
export function rangeOrigin(asked: Asked, send: Send, plain?: SendPlain): Origin {
  let led: URL | undefined;
  const ask = async (offset: number, signal: AbortSignal): Promise<Part> => {
    const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
    return readPart(asked, offset, await send({ headers, allow: [416] }, signal));
  };
  const sendPart = async (
    start: number,
    end: number,
    signal: AbortSignal,
  ): Promise<HttpResponse> => {
    const headers = { range: `bytes=${start}-${end - 1}` };
    if (led !== undefined && plain !== undefined) {
      const redirected = !isLocal(asked.url.hostname);
      const request = { what: asked.what, url: led, redirected, headers, allow: [416, ...EXPIRED] };
      const response = await plain(request, signal);
      if (!EXPIRED.includes(response.status)) return response;
      led = undefined;
    }
    const response = await send({ headers, allow: [416] }, signal);
    if (response.redirected) led = response.url;
    return response;
  };
  return {
    description: asked.what,
    part: async (start, end, signal) =>
      bounded(asked, start, end, await sendPart(start, end, signal)),
    open: async (offset, signal) => {
      const first = await ask(offset, signal);
      return allParts(asked, first, (from) => ask(from, signal));
    },
  };
}

/** The response to a request for bytes `start` to `end`: that range, the beginning of it, or the whole file. */
function bounded(asked: Asked, start: number, end: number, response: HttpResponse): OriginPart {
  if (response.status === 200) return { from: 0, body: response.body };
  const { body, until, total } = readPart(asked, start, response);
  if (total !== undefined && total < end) throw changed(asked, undefined, total, end);
  if (until === undefined)
    throw malformed(asked, { expected: `bytes from ${start} on`, found: 'none' });
  if (until > end)
    throw malformed(asked, { expected: `bytes up to ${end}`, found: `bytes up to ${until}` });
  return { from: start, to: until, body };
}

interface Part {
  readonly body: AsyncIterable<Uint8Array>;
  /** Where the next request must continue, if these bytes are not the rest of the file. */
  readonly continueAt?: number;
  /** One past the last of these bytes, if the response states it. */
  readonly until?: number;
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
  if (status !== 206)
    throw malformed(asked, { expected: 'status 200 or 206', found: `status ${status}` });
  const [start, end, total] = (/^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(range ?? '') ?? [])
    .slice(1)
    .map(Number);
  if (start !== offset || end === undefined || total === undefined || end < start || end >= total) {
    throw malformed(asked, {
      expected: `bytes from ${offset} on`,
      found: `Content-Range ${range ?? 'absent'}`,
    });
  }
  if ((headers.get('content-encoding') ?? 'identity') !== 'identity') {
    throw malformed(asked, {
      expected: 'unencoded bytes',
      found: 'a content encoding on a partial response',
    });
  }
  const exact = exactly(asked, body, end - start + 1);
  return { body: exact, total, until: end + 1, ...(end + 1 < total && { continueAt: end + 1 }) };
}

/** 416 with `bytes * /N`: the download is complete if N bytes have been received. */
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
    throw malformed(asked, {
      expected: `the ${counted(bytes, 'byte')} of its Content-Range`,
      found: left < 0 ? 'more' : 'fewer',
    });
  }
}

function changed(
  { what }: Asked,
  expected: number | undefined,
  found: number | undefined,
  offset = 0,
): StowageError {
  return new StowageError('source-mismatch', `${what} changed during the download`, {
    expected:
      expected === undefined ? `at least ${counted(offset, 'byte')}` : counted(expected, 'byte'),
    found: found === undefined ? 'another size' : counted(found, 'byte'),
    hint: 'run the same command again; it downloads this file from the start',
  });
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}

/** A file at an https address; http is allowed for this machine. @throws StowageError `source-unsupported` */
export function httpsOrigin(address: string, http: Http): Origin {
  const url = parseHttps(address);
  const asked = { what: redactUrl(url), url };
  return rangeOrigin(
    asked,
    (part, signal) => http.request({ ...asked, ...part }, signal),
    http.request,
  );
}

/** An https address in a form that may appear in messages. */
export function describeHttps(address: string): string {
  return redactUrl(parseHttps(address));
}

function parseHttps(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const plain = url?.protocol === 'http:' && isLoopback(url.hostname);
  if (url === undefined || (url.protocol !== 'https:' && !plain)) {
    throw unsupported(url === undefined ? 'no address' : `${url.protocol}// at ${url.host}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw unsupported(`an address with a user in it, at ${url.host}`);
  }
  return url;
}

function unsupported(found: string): StowageError {
  return new StowageError('source-unsupported', 'files are supported only over https', {
    expected: 'https://host/path, without a user or a password',
    found,
    hint: 'give an https URL, or download the file and give its path',
  });
}

/**
 * A layer that its registry does not store, downloaded from the addresses in its descriptor (image-spec 1.1,
 * descriptor.md, `urls`). The first that works is used. Credentials of the registry are not sent there.
 * @throws StowageError `source-unsupported` for an address that is not https (http on this machine)
 */
export function foreignLayerOrigin(urls: readonly string[], http: Http): Origin {
  const origins = urls.map((each) => httpsOrigin(each, http));
  const first = async <T>(ask: (origin: Origin) => Promise<T> | undefined): Promise<T> => {
    let failure: unknown = new Error('a foreign layer without an address');
    for (const origin of origins) {
      try {
        const answer = await ask(origin);
        if (answer !== undefined) return answer;
      } catch (error) {
        if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
        failure = error;
      }
    }
    throw failure;
  };
  return {
    description: origins[0]?.description ?? '',
    open: (offset, signal) => first((origin) => origin.open(offset, signal)),
    part: (start, end, signal) => first((origin) => origin.part?.(start, end, signal)),
  };
}
