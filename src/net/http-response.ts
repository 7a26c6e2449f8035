import { interrupted, StowageError, systemCode } from '../core/error.ts';
import { counted } from '../core/text.ts';
import { LocalAddressError, redactUrl } from './address.ts';
import { explainProxy, ProxyFailure } from './proxy-failure.ts';

/** What a request asks for, for messages. */
export interface Asked {
  /** Such as `the tags of docker.io/library/debian`. */
  readonly what: string;
  readonly url: URL;
}

const NO_ROUTE = ['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL'];
const CERTIFICATE =
  /^(CERT_|ERR_TLS_CERT|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|PATH_LENGTH)/;
const TLS = /^(EPROTO|ERR_SSL|ERR_TLS)/;

/** The server sent nothing for too long. */
export class NoAnswer extends Error {
  constructor(what: string, afterMs: number) {
    super(`no ${what} for ${afterMs / 1000} s`);
    this.name = 'NoAnswer';
  }
}

/**
 * The system's error under the layers in which a client wraps it. The layers may quote an address with its secrets, and
 * stay out of our errors.
 */
function rootOf(error: unknown): Error {
  if (error instanceof NoAnswer || error instanceof ProxyFailure) return error;
  for (let each = error; each instanceof Error; each = each.cause) {
    if (systemCode(each) !== undefined) return each;
  }
  return new Error('the connection failed');
}

function networkCode(error: unknown): string | undefined {
  return systemCode(rootOf(error));
}

/** Whether a connection failed because of the server's certificate. */
export function isCertificateFailure(error: unknown): boolean {
  return CERTIFICATE.test(networkCode(error) ?? '');
}

/** Whether a connection failed because the server does not speak TLS. */
export function isTlsFailure(error: unknown): boolean {
  return TLS.test(networkCode(error) ?? '') && !isCertificateFailure(error);
}

/** Whether another try is sure to fail too: no such name, an invalid certificate, a refusal by a proxy. */
export function isFinal(error: unknown): boolean {
  if (error instanceof ProxyFailure && Math.floor((error.status ?? 0) / 100) === 4) return true;
  const code = networkCode(error) ?? '';
  return ['ENOTFOUND', 'ERR_LOCAL_ADDRESS'].includes(code) || isCertificateFailure(error);
}

/** The error for a connection that failed, before its answer or within its body. */
export function unreachable({ what, url }: Asked, error: unknown, bytes?: number): StowageError {
  const cause = rootOf(error);
  const { found, hint } = explain(cause, url);
  const when = bytes === undefined ? '' : ` after ${counted(bytes, 'byte')}`;
  const denied = cause instanceof ProxyFailure && cause.status === 407;
  return new StowageError(denied ? 'source-denied' : 'source-unreachable', `cannot fetch ${what}`, {
    expected: `an answer from ${redactUrl(url)}`,
    found: `${found}${when}`,
    hint,
    cause,
  });
}

function explain(cause: Error, url: URL): { found: string; hint: string } {
  const code = networkCode(cause) ?? '';
  const again = 'run the same command again; it resumes where it stopped';
  if (cause instanceof NoAnswer) return { found: cause.message, hint: again };
  if (cause instanceof ProxyFailure) return explainProxy(cause, url.host);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return {
      found: `no address for the name ${url.hostname}`,
      hint: "check the spelling of the host name, and this machine's DNS and network",
    };
  }
  if (code === 'ECONNREFUSED') {
    return {
      found: 'connection refused',
      hint: `check the port, and that a server listens at ${url.host}`,
    };
  }
  if (NO_ROUTE.includes(code)) {
    return { found: `no route (${code})`, hint: "check this machine's network and firewall" };
  }
  if (cause instanceof LocalAddressError) {
    return {
      found: `a redirect to this machine or its link: ${cause.message}`,
      hint: 'report it to the operator of the server that redirected',
    };
  }
  if (CERTIFICATE.test(code)) {
    return {
      found: `an invalid or untrusted certificate (${code})`,
      hint: "check this machine's clock; if the certificate is from a CA of your own, pass that CA with --ca-file",
    };
  }
  if (TLS.test(code)) {
    return { found: `no TLS (${code})`, hint: `check that ${url.host} serves https on this port` };
  }
  return { found: `a broken connection${code === '' ? '' : ` (${code})`}`, hint: again };
}

/** The error for an unexpected status. `said` is the server's own message as one clean line. */
export function refusedStatus({ what, url }: Asked, status: number, said: string): StowageError {
  const where = redactUrl(url);
  const found = said === '' ? `status ${status}` : `status ${status}: ${said}`;
  if (status === 407) {
    return new StowageError('source-denied', `not allowed to fetch ${what}`, {
      expected: `an answer from ${where}`,
      ...explainProxy(new ProxyFailure('in front of it', status, undefined), url.host),
    });
  }
  if (status === 401 || status === 403) {
    return new StowageError('source-denied', `not allowed to fetch ${what}`, {
      expected: `access to ${where}`,
      found,
      hint: `sign in to ${url.host} with an account that may read it`,
    });
  }
  if (status === 404 || status === 410) {
    return new StowageError('source-not-found', `no ${what}`, {
      expected: `something at ${where}`,
      found,
      hint: 'check the name in the manifest',
    });
  }
  return new StowageError('source-unreachable', `cannot fetch ${what}`, {
    expected: `an answer from ${where}`,
    found,
    hint:
      status === 429
        ? `wait, or sign in to ${url.host}: it limits the requests of anonymous clients`
        : 'try again later; if the problem persists, ask the operator of the server',
  });
}

/** What a protocol requires, and what came instead. */
export interface Violation {
  readonly expected: string;
  readonly found: string;
}

/** The error for a response that violates its protocol. */
export function malformed({ what, url }: Asked, violation: Violation): StowageError {
  return new StowageError(
    'source-malformed',
    `${redactUrl(url)} sent an invalid response for ${what}`,
    { hint: 'ask the operator of the server, or of a proxy in front of it', ...violation },
  );
}

/** A slower server holds the connection open on purpose. */
const MIN_BYTES_PER_SECOND = 1024;

/** A connection that can be aborted. */
export interface Connection {
  readonly asked: Asked;
  readonly controller: AbortController;
  readonly signal: AbortSignal;
  readonly idleTimeoutMs: number;
}

/**
 * The bytes of a body as they arrive. Gives up when none, or next to none, arrive within the idle timeout.
 * @throws StowageError `source-unreachable` when it breaks, `interrupted`
 */
export async function* readBody(
  body: AsyncIterable<Uint8Array>,
  connection: Connection,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { asked, controller, signal, idleTimeoutMs } = connection;
  let bytes = 0;
  let waiting = false;
  let waitedMs = 0;
  let fromBytes = 0;
  const idle = setTimeout(() => {
    if (waiting) controller.abort(new NoAnswer('bytes', idleTimeoutMs));
  }, idleTimeoutMs);
  const reader = body[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      waiting = true;
      idle.refresh();
      const since = performance.now();
      const { done, value } = await reader.next();
      waiting = false; // the consumer's time does not count
      if (done) break;
      bytes += value.byteLength;
      waitedMs += performance.now() - since;
      if (waitedMs >= idleTimeoutMs) {
        if (bytes - fromBytes < (waitedMs / 1000) * MIN_BYTES_PER_SECOND)
          throw new NoAnswer(`more than ${counted(bytes - fromBytes, 'byte')}`, idleTimeoutMs);
        waitedMs = 0;
        fromBytes = bytes;
      }
      yield value;
    }
    ended = true;
  } catch (cause) {
    if (signal.aborted) throw interrupted(signal);
    throw unreachable(asked, controller.signal.aborted ? controller.signal.reason : cause, bytes);
  } finally {
    clearTimeout(idle);
    if (!ended) {
      controller.abort();
      await reader.return?.().catch(() => {});
    }
  }
}

/** @throws StowageError `source-malformed` for a body of more than `maxBytes`, and as {@link readBody} */
export async function collect(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  asked: Asked,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes)
      throw malformed(asked, { expected: `at most ${maxBytes} bytes`, found: 'more' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The first `maxBytes` of a body as text; the rest is not read. */
export async function beginning(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8');
}

/**
 * Parses JSON that a server sent. Its own words stay out of the error: they may hold a token.
 * @throws StowageError `source-malformed`
 */
export function parseRemote(bytes: Uint8Array, asked: Asked): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw malformed(asked, {
      expected: 'JSON',
      found: `${counted(bytes.byteLength, 'byte')} of something else`,
    });
  }
}

/**
 * The next page of a listing (RFC 8288): this page's address with the query of the link. Undefined for the last.
 * @param page the address of this page
 * @param sameHost refuses a link to another host; otherwise the host of the link is ignored, as a mirror may not know
 * the name by which clients reach it
 * @throws StowageError `source-malformed`, also for a link to the same page
 */
export function nextPage(
  page: URL,
  link: string | null,
  asked: Asked,
  { sameHost = false }: { sameHost?: boolean } = {},
): URL | undefined {
  if (link === null) return undefined;
  for (const [, target, parameters = ''] of link.matchAll(/<([^>]*)>((?:\s*;[^,<]*)*)/g)) {
    if (!/;\s*rel\s*=\s*"?next"?\s*(;|$)/i.test(parameters)) continue;
    const named = URL.parse(target ?? '', page.href);
    if (sameHost && named !== null && named.host !== page.host) {
      throw malformed(asked, {
        expected: `a next page at ${page.host}`,
        found: `one at ${named.host}`,
      });
    }
    const next = new URL(page);
    next.search = named?.search ?? '';
    if (named !== null && next.href !== page.href) return next;
    throw malformed(asked, {
      expected: 'a link to the next page',
      found: 'a link to the same page',
    });
  }
  return undefined;
}
