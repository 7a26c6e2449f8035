import type { Emit } from '../core/context.ts';
import { interrupted, StowageError } from '../core/error.ts';
import { oneLine } from './address.ts';
import { MAX_TRIES, pauseMs, rateLimitMs, retryAfterMs, type Sleep, sleep } from './backoff.ts';
import type { ExchangeResponse, Transport, Upload } from './exchange.ts';
import {
  type Asked,
  beginning,
  collect,
  isFinal,
  malformed,
  NoAnswer,
  readBody,
  refusedStatus,
  unreachable,
} from './http-response.ts';
import { follow, isRedirect, MAX_REDIRECTS } from './redirect.ts';
import type { Secret } from './secret.ts';
import { createTransport } from './transport.ts';

/** Waits that are told to a person. */
const TOLD_FROM_MS = 3000;
const MAX_SAID_BYTES = 8192;
const RETRIED_STATUSES = [408, 425, 429, 500, 502, 503, 504];

export interface HttpRequest extends Asked {
  readonly method?: 'GET' | 'HEAD' | 'PATCH' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  /** Does not follow a redirect to another host. */
  readonly authorization?: Authorization | undefined;
  /** The body of a POST, which may hold a password. */
  readonly form?: URLSearchParams;
  /** The body of a POST, as JSON. */
  readonly json?: unknown;
  readonly body?: Buffer | Upload | undefined;
  /** Statuses from 400 up that are answers, not errors. */
  readonly allow?: readonly number[];
  /** A better error for a refusal than its status alone gives; undefined leaves it at that. */
  readonly explain?: (refusal: HttpRefusal) => StowageError | undefined;
  /** What a redirect is: followed unless said otherwise, or a refusal, for a request that is signed for one address. */
  readonly redirects?: 'followed' | 'refused';
  /** Whether a server chose the host; its name must not resolve to this machine. */
  readonly redirected?: boolean | undefined;
  /** Times to try; 4 unless said otherwise. */
  readonly tries?: number;
  /** Milliseconds until the headers come, where they may take longer than the client allows. */
  readonly headersTimeoutMs?: number;
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
  /** Where the response came from, after redirects. */
  readonly url: URL;
  /** Whether another address was asked first. */
  readonly redirected?: boolean;
  /** To be read once, or not at all; empty for statuses from 400 up. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** An HTTP client that retries, follows redirects and keeps secrets to the host that they are for. */
export interface Http {
  /** @throws StowageError `source-*`, `interrupted`; while reading the body too */
  request(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  /** A response with its whole body, requested again when the body breaks off. */
  read(
    request: HttpRequest,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<HttpResponse & { readonly bytes: Buffer }>;
}

export interface HttpOptions {
  readonly transport?: Transport;
  readonly sleep?: Sleep;
  /** From 0 up to 1. */
  readonly random?: () => number;
  readonly now?: () => number;
  /** Called before a longer wait with its reason, and its duration in milliseconds. */
  readonly onWait?: (reason: string, ms: number) => void;
  /** How long a server may take to connect and send headers, or to take more of an upload. */
  readonly headersTimeoutMs?: number;
  /** How long it may send nothing within a body. */
  readonly idleTimeoutMs?: number;
}

export function createHttp(options: HttpOptions = {}): Http {
  const client: Client = {
    transport: options.transport ?? createTransport(),
    sleep,
    random: Math.random,
    now: Date.now,
    onWait: () => {},
    headersTimeoutMs: 30_000,
    idleTimeoutMs: 60_000,
    ...options,
  };
  return {
    request: (request, signal) =>
      withRetries(client, request, signal, () => tryOnce(client, request, signal)),
    read: (request, maxBytes, signal) =>
      withRetries(client, request, signal, async () => {
        const response = await tryOnce(client, request, signal);
        return { ...response, bytes: await collect(response.body, maxBytes, request) };
      }),
  };
}

/** An `onWait` that warns. */
export function waitWarning(emit: Emit): NonNullable<HttpOptions['onWait']> {
  return (reason, ms) =>
    emit({ type: 'warning', message: `${reason}; trying again in ${Math.ceil(ms / 1000)} s` });
}

type Client = Required<HttpOptions>;

/** A failure that another try may not meet again. */
class TransientFailure extends Error {
  readonly error: StowageError;
  readonly retryAfterMs: number | undefined;

  constructor(error: StowageError, retryAfter?: number) {
    super(error.message);
    this.error = error;
    this.retryAfterMs = retryAfter;
  }
}

async function withRetries<T>(
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
      const transient = asTransient(error);
      if (transient === undefined) throw error;
      if (tried >= (request.tries ?? MAX_TRIES)) throw transient.error;
      const pause = pauseMs(tried, transient.retryAfterMs, client.random());
      if (pause >= TOLD_FROM_MS) client.onWait(`${request.url.host} asks to wait`, pause);
      await client.sleep(pause, signal).catch((cause: unknown) => {
        throw signal.aborted ? interrupted(signal) : cause;
      });
    }
  }
}

function asTransient(error: unknown): TransientFailure | undefined {
  if (error instanceof TransientFailure) return error;
  // A body that broke off within `read`.
  const isBroken =
    error instanceof StowageError &&
    error.code === 'source-unreachable' &&
    error.cause !== undefined &&
    !isFinal(error.cause);
  return isBroken ? new TransientFailure(error) : undefined;
}

/** The request, and every redirect after it. */
async function tryOnce(
  client: Client,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpResponse> {
  let hop: HttpRequest = request;
  for (let redirects = 0; ; redirects++) {
    const { response, body } = await send(client, hop, signal);
    if (!isRedirect(response.status) || request.redirects === 'refused') {
      return { ...(await readResponse(client, hop, response, body)), redirected: redirects > 0 };
    }
    response.discard();
    if (redirects === MAX_REDIRECTS) {
      throw malformed(request, { expected: `at most ${MAX_REDIRECTS} redirects`, found: 'more' });
    }
    hop = follow(hop, response.headers.get('location'));
  }
}

async function send(
  client: Client,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<{ response: ExchangeResponse; body: AsyncIterable<Uint8Array> }> {
  const controller = new AbortController();
  const { idleTimeoutMs } = client;
  const headersTimeoutMs = request.headersTimeoutMs ?? client.headersTimeoutMs;
  const timer = setTimeout(
    () => controller.abort(new NoAnswer('answer', headersTimeoutMs)),
    headersTimeoutMs,
  );
  let isWaiting = true;
  const upload: UploadState = {
    onSent: () => {
      if (isWaiting) timer.refresh();
    },
  };
  const { url, method = 'GET', authorization } = request;
  try {
    const response = await client.transport({
      method,
      url,
      headers: {
        'user-agent': 'stowage',
        'accept-encoding': 'identity',
        ...request.headers,
        ...(authorization && { authorization: headerOf(authorization) }),
        ...(request.form && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      body: bodyOf(request, upload),
      signal: AbortSignal.any([signal, controller.signal]),
      redirected: request.redirected,
    });
    const connection = { asked: request, controller, signal, idleTimeoutMs };
    return { response, body: readBody(response.body, connection) };
  } catch (cause) {
    if (signal.aborted) throw interrupted(signal);
    if (upload.failure !== undefined) throw upload.failure;
    const reason = controller.signal.aborted ? controller.signal.reason : cause;
    const error = unreachable(request, reason);
    throw isFinal(reason) ? error : new TransientFailure(error);
  } finally {
    isWaiting = false;
    clearTimeout(timer);
  }
}

interface UploadState {
  /** Called for each chunk that is sent. */
  readonly onSent: () => void;
  /** Why the local content could not be read. The connection then fails too, but that is not the cause. */
  failure?: StowageError;
}

function bodyOf(
  { form, json, body }: HttpRequest,
  upload: UploadState,
): string | Buffer | Upload | undefined {
  if (form !== undefined) return form.toString();
  if (json !== undefined) return JSON.stringify(json);
  if (body === undefined || Buffer.isBuffer(body)) return body;
  const open = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of body.open()) {
        upload.onSent();
        yield chunk;
      }
    } catch (error) {
      if (error instanceof StowageError) upload.failure = error;
      throw error;
    }
  };
  return { size: body.size, open };
}

function headerOf({ scheme, secret }: Authorization): string {
  return `${scheme} ${secret.reveal()}`;
}

/** Whether a server could repeat a secret in a form that we do not recognize. */
function sentPassword({ authorization, form }: HttpRequest): boolean {
  return form !== undefined || authorization?.scheme === 'Basic';
}

async function readResponse(
  client: Client,
  request: HttpRequest,
  response: ExchangeResponse,
  body: AsyncIterable<Uint8Array>,
): Promise<HttpResponse> {
  const { status, headers } = response;
  const { url } = request;
  if (status < 300) {
    const encoding = headers.get('content-encoding') ?? 'identity';
    if (encoding === 'identity') return { status, headers, url, body };
    response.discard();
    throw malformed(request, {
      expected: 'bytes without encoding',
      found: `the encoding ${oneLine(encoding, 40)}`,
    });
  }
  const raw = await beginning(body, MAX_SAID_BYTES).catch(() => '');
  if (request.allow?.includes(status)) return { status, headers, url, body: nothing() };
  const said = request.authorization?.secret.hideIn(raw) ?? raw;
  const error =
    request.explain?.({ status, headers, said }) ??
    refusedStatus(request, status, sentPassword(request) ? '' : oneLine(said));
  if (!RETRIED_STATUSES.includes(status)) throw error;
  const told = retryAfterMs(headers.get('retry-after'), client.now());
  throw new TransientFailure(error, told ?? (status === 429 ? rateLimitMs(headers) : undefined));
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}
