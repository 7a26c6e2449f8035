import type { SecureContextOptions } from 'node:tls';
import { MIB } from '../core/limits.ts';
import { WireLine } from './wire-line.ts';
import type { WireRequest, WireResponse } from './wire-request.ts';

const IDLE_MS = 4000;
const MAX_IDLE = 8;
/** Less is not worth asking twice for, should the answer be for `node:http` after all. */
const MIN_STRETCH_BYTES: number = MIB;

/** Sends a request; undefined where the answer, or the request, is for `node:http`. */
export type DirectWire = (
  request: WireRequest,
  context: SecureContextOptions,
) => Promise<WireResponse | undefined>;

/**
 * GETs for stretches of large files, without a proxy: half of what `node:http` costs for each byte. Content is read
 * here with a Content-Length alone; in any other framing, it is asked for again there.
 */
export function createDirectWire(): DirectWire {
  const idle = new Map<string, { line: WireLine; timer: NodeJS.Timeout }[]>();
  const rest = (key: string, line: WireLine): void => {
    const lines = idle.get(key) ?? [];
    if (line.broken || lines.length >= MAX_IDLE) {
      line.destroy();
      return;
    }
    const timer = setTimeout(() => {
      idle.set(
        key,
        (idle.get(key) ?? []).filter((each) => each.line !== line),
      );
      line.destroy();
    }, IDLE_MS);
    timer.unref();
    line.rest();
    idle.set(key, [...lines, { line, timer }]);
  };
  const take = (key: string): WireLine | undefined => {
    for (let each = idle.get(key)?.pop(); each !== undefined; each = idle.get(key)?.pop()) {
      clearTimeout(each.timer);
      if (!each.line.broken) return each.line;
    }
    return undefined;
  };
  return async (request, context) => {
    const { url, signal } = request;
    const text = requestText(request);
    if (text === undefined) return undefined;
    signal.throwIfAborted();
    const rested = take(url.origin);
    const answer =
      (rested && (await exchange(rested, text, signal, true))) ??
      (await exchange(new WireLine(url, context, request.strayed), text, signal, false));
    if (answer === undefined) throw new Error('the connection closed');
    const { line, head, stop } = answer;
    // What a redirect or a refusal says is not needed; its status and headers are.
    const isBare =
      head !== undefined && head.status >= 300 && (head.status < 400 || head.length === undefined);
    const isContent = head?.length !== undefined && ![201, 202, 203, 204].includes(head.status);
    if (head === undefined || !(isBare || isContent)) {
      stop();
      line.destroy();
      return undefined;
    }
    const { status, headers, keepAlive } = head;
    const discard = (): void => {
      stop();
      line.destroy();
    };
    if (isBare) discard();
    const body = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      let ended = false;
      try {
        if (!isBare) yield* line.body();
        ended = true;
      } finally {
        stop();
        if (ended && keepAlive && !isBare) rest(url.origin, line);
        else line.destroy();
      }
    };
    return { status, headers, body: body(), discard };
  };
}

interface Answer {
  readonly line: WireLine;
  readonly head: Awaited<ReturnType<WireLine['ask']>>;
  /** Forgets the signal. */
  readonly stop: () => void;
}

/** Undefined for a connection that the server had closed while it rested. */
async function exchange(
  line: WireLine,
  text: string,
  signal: AbortSignal,
  rested: boolean,
): Promise<Answer | undefined> {
  const onAbort = (): void =>
    line.destroy(signal.reason instanceof Error ? signal.reason : undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  const stop = (): void => signal.removeEventListener('abort', onAbort);
  try {
    return { line, head: await line.ask(text), stop };
  } catch (error) {
    stop();
    line.destroy();
    if (rested && !line.heard && !signal.aborted) return undefined;
    throw error;
  }
}

/** The head of a request; undefined for one that is not for a large stretch, or with what no header holds. */
function requestText({ method, url, headers, body }: WireRequest): string | undefined {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '') ?? [];
  if (!(Number(end) - Number(start) >= MIN_STRETCH_BYTES - 1)) return undefined;
  if (method !== 'GET' || body !== undefined) return undefined;
  const fields = Object.entries({ host: url.host, ...headers });
  const sound = fields.every(
    ([name, value]) => /^[A-Za-z-]+$/.test(name) && /^[\t\x20-\x7e]*$/.test(value),
  );
  if (!sound) return undefined;
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines}\r\n`;
}
