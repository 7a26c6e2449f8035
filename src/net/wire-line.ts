import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectSecure, type SecureContextOptions } from 'node:tls';
import { MIB } from '../core/limits.ts';
import { lookupElsewhere } from './local-address.ts';
import { type ResponseHead, readResponseHead } from './response-head.ts';
import { lend, retire, takeSlab } from './slabs.ts';

/** The least that is read at once; what is left of a slab is given up for it. */
const MIN_READ_BYTES = 64 * 1024;
const MAX_QUEUED_BYTES = 2 * MIB;
const MAX_HEAD_BYTES = 64 * 1024;
/** How long bytes may wait for more to come. */
const HAND_ON_MS = 250;

/** No variable of the environment turns the checks of TLS off. */
export const checked = { rejectUnauthorized: true } as const;

/**
 * A connection on which one request follows the other. What comes is read into large buffers by the system itself, and
 * handed on in them: no stream, no parser and no copy between socket and disk.
 */
export class WireLine {
  /** Whether anything came since the last request. */
  heard = false;
  readonly #socket: Socket;
  #slab: Buffer = takeSlab();
  /** Of the slab: what was handed on, and what has come. */
  #handed = 0;
  #filled = 0;
  #handedAt = 0;
  #head: { found: (head: ResponseHead | undefined) => void; text: string } | undefined;
  /** Bytes of the body that have not come. */
  #left = 0;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #wake: () => void = () => {};
  #failure: Error | undefined;

  constructor(url: URL, context: SecureContextOptions, strayed = false) {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
    // Its types know no buffer that is made for each read.
    const onread = {
      buffer: (): Uint8Array => this.#room(),
      callback: (bytes: number): boolean => this.#take(bytes),
    } as unknown as OnReadOpts;
    const place = { host, port, onread };
    const named = isIP(host) === 0 ? { servername: host } : {};
    this.#socket =
      url.protocol === 'https:'
        ? connectSecure({ ...context, ...checked, ...place, ...named })
        : connect({ ...place, ...(strayed && { lookup: lookupElsewhere }) });
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the connection closed')));
  }

  get broken(): boolean {
    return this.#failure !== undefined;
  }

  /** Sends the head of a GET; undefined for an answer that is none of ours to read. */
  async ask(request: string): Promise<ResponseHead | undefined> {
    this.heard = false;
    this.#socket.ref();
    const head = await new Promise<ResponseHead | undefined>((found) => {
      this.#head = { found, text: '' };
      if (this.#failure === undefined) this.#socket.write(request, 'latin1');
      else found(undefined);
    });
    if (head === undefined && this.#failure !== undefined) throw this.#failure;
    return head;
  }

  /** The body of the answer, to its last byte. */
  async *body(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) {
        this.#queued -= chunk.byteLength;
        if (this.#queued < MAX_QUEUED_BYTES) this.#socket.resume();
        yield chunk;
      } else if (this.#left === 0) return;
      else if (this.#failure !== undefined) throw this.#failure;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** Lets the connection wait for another request, or end the process if none comes. */
  rest(): void {
    this.#socket.unref();
  }

  destroy(reason?: Error): void {
    this.#fail(reason ?? new Error('the connection was given up'));
    this.#socket.destroy();
  }

  #room(): Uint8Array {
    if (this.#slab.length - this.#filled < MIN_READ_BYTES) {
      this.#handOn();
      retire(this.#slab);
      this.#slab = takeSlab();
      this.#handed = 0;
      this.#filled = 0;
    }
    return this.#slab.subarray(this.#filled);
  }

  #take(bytes: number): boolean {
    const from = this.#filled;
    this.#filled += bytes;
    this.heard = true;
    if (this.#head !== undefined) return this.#takeHead(from);
    return this.#takeBody(bytes);
  }

  #takeHead(from: number): boolean {
    const head = this.#head;
    if (head === undefined) return true;
    const before = head.text.length;
    head.text += this.#slab.toString('latin1', from, this.#filled);
    const end = head.text.indexOf('\r\n\r\n');
    if (end < 0 && head.text.length <= MAX_HEAD_BYTES) {
      this.#handed = this.#filled;
      return true;
    }
    this.#head = undefined;
    const found = end < 0 ? undefined : readResponseHead(head.text.slice(0, end));
    this.#handed = from + Math.max(0, end + 4 - before);
    this.#handedAt = performance.now();
    this.#left = found?.length ?? 0;
    const more = found === undefined || this.#takeBody(this.#filled - this.#handed);
    head.found(found);
    return more;
  }

  #takeBody(bytes: number): boolean {
    if (bytes > this.#left) {
      // Bytes that nobody asked for: what follows could be taken for another answer.
      this.#filled -= bytes - this.#left;
      this.#left = 0;
      this.#handOn();
      this.destroy();
      return false;
    }
    this.#left -= bytes;
    const late = performance.now() - this.#handedAt > HAND_ON_MS;
    if (this.#left === 0 || late) this.#handOn();
    return this.#queued < MAX_QUEUED_BYTES;
  }

  #handOn(): void {
    if (this.#head === undefined && this.#filled > this.#handed) {
      const chunk = lend(this.#slab, this.#handed, this.#filled);
      this.#queue.push(chunk);
      this.#queued += chunk.byteLength;
    }
    this.#handed = this.#filled;
    this.#handedAt = performance.now();
    this.#wake();
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    // What came before the line broke is kept.
    this.#handOn();
    this.#head?.found(undefined);
  }
}
