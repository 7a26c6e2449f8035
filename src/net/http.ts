import { StowageError } from '../core/error.ts';
import { interrupted } from '../core/interrupted.ts';
import { oneLine } from './address.ts';
import { MAX_TRIES, pauseMs, retryAfterMs, type Sleep, sleep } from './backoff.ts';
import { beginning, collect, readBody } from './http-body.ts';
import {
  type Asked,
  isFinal,
  malformed,
  refusedStatus,
  Silence,
  unreachable,
} from './http-error.ts';
import { isNear, leadsInside } from './local-address.ts';
import type { Secret } from './secret.ts';
import { createWire, type Wire, type WireResponse } from './wire.ts';

const MAX_REDIRECTS = 10;
const MAX_SAID_BYTES = 8192;
const REDIRECTS = [301, 302, 303, 307, 308];
const WORTH_ANOTHER_TRY = [408, 425, 429, 500, 502, 503, 504];

export interface HttpRequest extends Asked {
  readonly method?: 'GET' | 'HEAD' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  /** Does not follow a redirect to another host. */
  readonly authorization?: Authorization | undefined;
  /** The body of a POST. */
  readonly form?: URLSearchParams;
  /** The body of a POST, as JSON. */
  readonly json?: unknown;
  /** Statuses from 400 up that are answers, not errors. */
  readonly allow?: readonly number[];
  /** A better error for a refusal than its status alone gives; undefined leaves it at that. */
  readonly explain?: (refusal: HttpRefusal) => StowageError | undefined;
  /** Whether a server named the host; such a name may not mean this machine. */
  readonly strayed?: boolean | undefined;
  /** Times to try; 4 unless said otherwise. */
  readonly tries?: number;
}

/** An Authorization header: `secret` is what follows the scheme. */
export interface Authorization {
  /** `Bearer`, `Basic`, or what an LFS server asks for. */
  readonly scheme: string;
  readonly secret: Secret;
}

export interface HttpRefusal {
  readonly status: number;
  readonly headers: Headers;
  /** The beginning of the body, without the token that was sent; not to be quoted where a password was. */
  readonly said: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
  /** Whether another address was asked first. */
  readonly redirected?: boolean;
  /** To be read once, or not at all; empty for statuses from 400 up. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** A client for HTTP that tries again, follows redirects and keeps secrets to the host that they are for. */
export interface Http {
  /** @throws StowageError `source-*`, `interrupted`; while reading the body too */
  request(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  /** An answer with its whole body, asked for again when the body breaks off. */
  read(
    request: HttpRequest,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<HttpResponse & { readonly bytes: Buffer }>;
}

export interface HttpOptions {
  readonly wire?: Wire;
  readonly sleep?: Sleep;
  /** From 0 up to 1. */
  readonly random?: () => number;
  readonly now?: () => number;
  /** How long a server may take to connect and answer with headers. */
  readonly headersTimeoutMs?: number;
  /** How long it may send nothing within a body. */
  readonly idleTimeoutMs?: number;
}

export function createHttp(options: HttpOptions = {}): Http {
  const client: Client = {
    wire: options.wire ?? createWire(),
    sleep,
    random: Math.random,
    now: Date.now,
    headersTimeoutMs: 30_000,
    idleTimeoutMs: 60_000,
    ...options,
  };
  return {
    request: (request, signal) =>
      persist(client, request, signal, () => ask(client, request, signal)),
    read: (request, maxBytes, signal) =>
      persist(client, request, signal, async () => {
        const response = await ask(client, request, signal);
        return { ...response, bytes: await collect(response.body, maxBytes, request) };
      }),
  };
}

type Client = Required<HttpOptions>;

/** A failure that another try may mend. */
class Passing extends Error {
  readonly error: StowageError;
  readonly retryAfterMs: number | undefined;

  constructor(error: StowageError, retryAfter?: number) {
    super(error.message);
    this.error = error;
    this.retryAfterMs = retryAfter;
  }
}

async function persist<T>(
  client: Client,
  request: HttpRequest,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    if (signal.aborted) throw interrupted(signal);
    try {
      return await attempt();
    } catch (error) {
      const passing = asPassing(error);
      if (passing === undefined) throw error;
      if (tried >= (request.tries ?? MAX_TRIES)) throw passing.error;
      await client
        .sleep(pauseMs(tried, passing.retryAfterMs, client.random()), signal)
        .catch((cause: unknown) => {
          throw signal.aborted ? interrupted(signal) : cause;
        });
    }
  }
}

function asPassing(error: unknown): Passing | undefined {
  if (error instanceof Passing) return error;
  // A body that broke off within `read`.
  if (error instanceof StowageError && error.code === 'source-unreachable' && isBroken(error)) {
    return new Passing(error);
  }
  return undefined;
}

function isBroken(error: StowageError): boolean {
  return error.cause !== undefined && !isFinal(error.cause);
}

/** One try: the request and every redirect after it. */
async function ask(
  client: Client,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpResponse> {
  let hop: HttpRequest = request;
  for (let redirects = 0; ; redirects++) {
    const { response, body } = await send(client, hop, signal);
    if (!REDIRECTS.includes(response.status)) {
      return { ...(await settle(client, hop, response, body)), redirected: redirects > 0 };
    }
    response.discard();
    if (redirects === MAX_REDIRECTS) {
      throw malformed(request, `at most ${MAX_REDIRECTS} redirects`, 'more');
    }
    hop = follow(hop, response);
  }
}

async function send(
  client: Client,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<{ response: WireResponse; body: AsyncIterable<Uint8Array> }> {
  const controller = new AbortController();
  const { headersTimeoutMs, idleTimeoutMs } = client;
  const timer = setTimeout(
    () => controller.abort(new Silence('answer', headersTimeoutMs)),
    headersTimeoutMs,
  );
  try {
    const response = await client.wire({
      method: request.method ?? 'GET',
      url: request.url,
      headers: {
        'user-agent': 'stowage',
        'accept-encoding': 'identity',
        ...request.headers,
        ...(request.authorization && { authorization: headerOf(request.authorization) }),
        ...(request.form && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      strayed: request.strayed,
      body: request.json === undefined ? request.form?.toString() : JSON.stringify(request.json),
      signal: AbortSignal.any([signal, controller.signal]),
    });
    const connection = { asked: request, controller, signal, idleTimeoutMs };
    return { response, body: readBody(response.body, connection) };
  } catch (cause) {
    if (signal.aborted) throw interrupted(signal);
    const reason = controller.signal.aborted ? controller.signal.reason : cause;
    const error = unreachable(request, reason);
    throw isFinal(reason) ? error : new Passing(error);
  } finally {
    clearTimeout(timer);
  }
}

function headerOf({ scheme, secret }: Authorization): string {
  return `${scheme} ${secret.reveal()}`;
}

/** Whether a server could repeat a secret in a form that we do not know again. */
function sentPassword({ authorization, form }: HttpRequest): boolean {
  return form !== undefined || authorization?.scheme === 'Basic';
}

function follow(request: HttpRequest, response: WireResponse): HttpRequest {
  const location = response.headers.get('location');
  const url = location === null ? null : URL.parse(location, request.url.href);
  if (url === null || !/^https?:$/.test(url.protocol) || request.method === 'POST') {
    throw malformed(request, 'an answer, or a redirect to an http address', 'another redirect');
  }
  if (url.protocol === 'http:' && request.url.protocol === 'https:') {
    throw malformed(
      request,
      'a redirect that stays with https',
      `a redirect to http at ${url.host}`,
    );
  }
  if (leadsInside(url, request.url)) {
    throw malformed(
      request,
      'a redirect to another server',
      `one to this machine or its link: ${url.host}`,
    );
  }
  // What a server writes into an address is no user of ours.
  url.username = '';
  url.password = '';
  const { authorization, ...open } = request;
  return url.host === request.url.host
    ? { ...open, url, authorization }
    : { ...open, url, strayed: request.strayed === true || !isNear(request.url.hostname) };
}

async function settle(
  client: Client,
  request: HttpRequest,
  response: WireResponse,
  body: AsyncIterable<Uint8Array>,
): Promise<HttpResponse> {
  const { status, headers } = response;
  if (status < 300) {
    const encoding = headers.get('content-encoding') ?? 'identity';
    if (encoding === 'identity') return { status, headers, url: request.url, body };
    response.discard();
    throw malformed(request, 'bytes as they are', `the encoding ${oneLine(encoding, 40)}`);
  }
  const raw = await beginning(body, MAX_SAID_BYTES).catch(() => '');
  if (request.allow?.includes(status))
    return { status, headers, url: request.url, body: nothing() };
  const said = request.authorization?.secret.hideIn(raw) ?? raw;
  const error =
    request.explain?.({ status, headers, said }) ??
    refusedStatus(request, status, sentPassword(request) ? '' : oneLine(said));
  if (!WORTH_ANOTHER_TRY.includes(status)) throw error;
  throw new Passing(error, retryAfterMs(headers.get('retry-after'), client.now()));
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}
