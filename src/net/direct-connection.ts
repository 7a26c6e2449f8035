import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectSecure, type SecureContextOptions } from 'node:tls';
import { MIB } from '../core/limits.ts';
import { lookupPublic } from './address.ts';
import { FILL_BYTES, retain, seal, takeBuffer } from './buffer-pool.ts';
import { type ResponseHead, readResponseHead, socketHost, verifyCertificates } from './exchange.ts';

/** Bytes of a page of memory, and of what is written to disk past the page cache. */
const PAGE_BYTES = 4096;
const MAX_QUEUED_BYTES = 2 * MIB;
const MAX_HEAD_BYTES = 64 * 1024;
/** How long received bytes may wait in the buffer for more. */
const MAX_HELD_MS = 250;

/** Where to connect, and how. */
export interface DirectConnectionOptions {
  readonly url: URL;
  readonly context: SecureContextOptions;
  readonly redirected?: boolean | undefined;
}

/** A GET for a range of a file. */
export interface RangeRequest {
  /** One character for each byte. */
  readonly head: string;
  /** The offset of the first byte. */
  readonly from: number;
}

/**
 * A connection that carries one request after another. The system reads into large buffers of ours, and the body is
 * yielded in them: no stream and no copy between socket and disk.
 */
export class DirectConnection {
  /** Whether anything was received since the last request. */
  received = false;
  readonly #socket: Socket;
  #buffer: Buffer = takeBuffer();
  /** Offsets in the buffer: the end of what was queued, and of what was received. */
  #queuedEnd = 0;
  #receivedEnd = 0;
  #queuedAtMs = 0;
  #pendingHead: { resolve: (head: ResponseHead | undefined) => void; text: string } | undefined;
  /** Where the first byte of the body is expected in a page. */
  #pageOffset = 0;
  /** Bytes of the body still to be received. */
  #bodyLeft = 0;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #wake: () => void = () => {};
  #failure: Error | undefined;

  constructor({ url, context, redirected }: DirectConnectionOptions) {
    const host = socketHost(url);
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
    // The types of Node do not know a buffer that is made for each read.
    const onread = {
      buffer: (): Uint8Array => this.#roomToRead(),
      callback: (bytes: number): boolean => this.#receive(bytes),
    } as unknown as OnReadOpts;
    const to = { host, port, onread };
    const name = isIP(host) === 0 ? { servername: host } : {};
    this.#socket =
      url.protocol === 'https:'
        ? connectSecure({ ...context, ...verifyCertificates, ...to, ...name })
        : connect({ ...to, ...(redirected && { lookup: lookupPublic }) });
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the connection closed')));
  }

  get broken(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Sends the head of a GET. Undefined for a response that this connection cannot read.
   * @param from the offset in its file at which the body is expected to begin: bytes of a page of the file are yielded at their
   * place in a page of memory, as direct writes require
   */
  async ask({ head: text, from }: RangeRequest): Promise<ResponseHead | undefined> {
    this.received = false;
    this.#pageOffset = from % PAGE_BYTES;
    this.#socket.ref();
    const head = await new Promise<ResponseHead | undefined>((resolve) => {
      this.#pendingHead = { resolve, text: '' };
      if (this.#failure === undefined) this.#socket.write(text, 'latin1');
      else resolve(undefined);
    });
    if (head === undefined && this.#failure !== undefined) throw this.#failure;
    return head;
  }

  /** The body of the response, to its last byte. */
  async *body(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) {
        this.#queuedBytes -= chunk.byteLength;
        if (this.#queuedBytes < MAX_QUEUED_BYTES) this.#socket.resume();
        yield chunk;
      } else if (this.#bodyLeft === 0) return;
      else if (this.#failure !== undefined) throw this.#failure;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** Keeps the connection for another request, without keeping the process alive. */
  rest(): void {
    this.#socket.unref();
  }

  destroy(reason?: Error): void {
    this.#fail(reason ?? new Error('the connection was given up'));
    this.#socket.destroy();
  }

  #roomToRead(): Uint8Array {
    if (this.#receivedEnd >= FILL_BYTES) {
      this.#enqueue();
      seal(this.#buffer);
      this.#startBuffer(this.#receivedEnd % PAGE_BYTES);
    }
    // Exactly full, so that what is written to disk are whole pages.
    const isLast = this.#bodyLeft <= FILL_BYTES - this.#receivedEnd;
    return this.#buffer.subarray(this.#receivedEnd, isLast ? this.#buffer.length : FILL_BYTES);
  }

  #startBuffer(offset: number): void {
    this.#buffer = takeBuffer();
    this.#queuedEnd = offset;
    this.#receivedEnd = offset;
  }

  /** Moves the beginning of the body, which came with the head, to its place in the pages of another buffer. */
  #alignBody(): void {
    const begun = this.#buffer.subarray(this.#queuedEnd, this.#receivedEnd);
    if (this.#pageOffset + begun.length >= this.#buffer.length) return;
    const withHead = this.#buffer;
    this.#startBuffer(this.#pageOffset);
    begun.copy(this.#buffer, this.#pageOffset);
    this.#receivedEnd += begun.length;
    seal(withHead);
  }

  /** Returns whether to go on reading. */
  #receive(bytes: number): boolean {
    const start = this.#receivedEnd;
    this.#receivedEnd += bytes;
    this.received = true;
    if (this.#pendingHead !== undefined) return this.#receiveHead(start);
    return this.#receiveBody(bytes);
  }

  #receiveHead(start: number): boolean {
    const head = this.#pendingHead;
    if (head === undefined) return true;
    const before = head.text.length;
    head.text += this.#buffer.toString('latin1', start, this.#receivedEnd);
    // The end may lie across two reads.
    const end = head.text.indexOf('\r\n\r\n', Math.max(0, before - 3));
    // A bare line feed can end a head for some readers: it is not waited past.
    const isSound = head.text.length <= MAX_HEAD_BYTES && !/(?:^|[^\r])\n/.test(head.text);
    if (end < 0 && isSound) {
      this.#queuedEnd = this.#receivedEnd;
      return true;
    }
    this.#pendingHead = undefined;
    const isHead = end >= 0 && end <= MAX_HEAD_BYTES;
    const found = isHead ? readResponseHead(head.text.slice(0, end)) : undefined;
    this.#queuedEnd = start + Math.max(0, end + 4 - before);
    this.#queuedAtMs = performance.now();
    this.#alignBody();
    this.#bodyLeft = found?.length ?? 0;
    const more = found !== undefined && this.#receiveBody(this.#receivedEnd - this.#queuedEnd);
    head.resolve(found);
    return more;
  }

  #receiveBody(bytes: number): boolean {
    if (bytes > this.#bodyLeft) {
      // Unsolicited bytes could be taken for the response to the next request.
      this.#receivedEnd -= bytes - this.#bodyLeft;
      this.#bodyLeft = 0;
      this.#enqueue();
      this.destroy();
      return false;
    }
    this.#bodyLeft -= bytes;
    const isLate = performance.now() - this.#queuedAtMs > MAX_HELD_MS;
    if (this.#bodyLeft === 0 || isLate) this.#enqueue();
    return this.#queuedBytes < MAX_QUEUED_BYTES;
  }

  #enqueue(): void {
    if (this.#pendingHead === undefined && this.#receivedEnd > this.#queuedEnd) {
      const chunk = retain(this.#buffer, this.#queuedEnd, this.#receivedEnd);
      this.#queue.push(chunk);
      this.#queuedBytes += chunk.byteLength;
    }
    this.#queuedEnd = this.#receivedEnd;
    this.#queuedAtMs = performance.now();
    this.#wake();
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    // What was received before the connection broke is kept.
    this.#enqueue();
    this.#pendingHead?.resolve(undefined);
  }
}
