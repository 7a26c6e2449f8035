import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestFromHex } from '../../src/core/digest.ts';
import { createRegistryClient } from '../../src/net/registry-client.ts';
import {
  openSessions,
  type PushBlobOptions,
  type PushedBlob,
  pushBlob,
} from '../../src/push/push-blob.ts';
import { createRegistryWriter } from '../../src/push/registry-writer.ts';
import { testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

/** A registry that keeps what came of a chunk that broke, as Zot does and docker-registry does not. */
class KeepingRegistry {
  received: Buffer = Buffer.alloc(0);
  stored: Buffer | undefined;
  readonly asked: string[] = [];
  /** Cuts the connection after so many bytes of an upload, once for each. */
  cuts: number[] = [];
  /** Answers each chunk with this, when it is set. */
  status: number | undefined;
  #server: Server | undefined;

  async start(): Promise<string> {
    const server = createServer((message, response) => void this.#answer(message, response));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = message;
    this.asked.push(`${method} ${message.headers['content-range'] ?? ''}`.trim());
    const place = { Location: '/v2/a/blobs/uploads/1', Range: `0-${this.received.length - 1}` };
    if (method === 'HEAD') response.writeHead(this.stored === undefined ? 404 : 200).end();
    else if (url.includes('mount=')) response.writeHead(201).end();
    else if (method === 'POST') response.writeHead(202, place).end();
    else if (method === 'GET') response.writeHead(204, place).end();
    else if (method === 'PUT') {
      const digest = createHash('sha256').update(this.received).digest('hex');
      const right = url.endsWith(encodeURIComponent(`sha256:${digest}`));
      this.stored = this.received;
      response.writeHead(right ? 201 : 400).end('{"errors":[{"code":"DIGEST_INVALID"}]}');
    } else await this.#take(message, response);
  }

  async #take(message: IncomingMessage, response: ServerResponse): Promise<void> {
    message.on('error', () => {});
    const [cut] = this.cuts;
    if (this.status !== undefined) return void response.writeHead(this.status).end();
    for await (const chunk of message) {
      this.received = Buffer.concat([this.received, chunk as Buffer]);
      if (cut === undefined || this.received.length < cut) continue;
      this.received = this.received.subarray(0, cut);
      this.cuts.shift();
      message.socket.destroy();
      return;
    }
    const Range = `0-${this.received.length - 1}`;
    response.writeHead(202, { Location: '/v2/a/blobs/uploads/1', Range }).end();
  }
}

const scratch = scratchFolder();
const bytes = Buffer.from(Array.from({ length: 1_000_000 }, (_, index) => (index * 7) % 251));
const blob: PushedBlob = {
  digest: digestFromHex(createHash('sha256').update(bytes).digest('hex')),
  size: bytes.length,
  open: (start, end) => Readable.from([bytes.subarray(start, end)]),
  check: async () => {},
};
let registry: KeepingRegistry;
let options: PushBlobOptions;
let sent: number;
let host: string;

beforeEach(async () => {
  registry = new KeepingRegistry();
  sent = 0;
  const { signal } = new AbortController();
  host = await registry.start();
  const { http } = testHttp();
  const client = createRegistryClient({ http, credentials: { find: async () => undefined } });
  const writer = createRegistryWriter({ registry: host, client, http, signal });
  options = {
    ...{ writer, repository: 'a', chunkBytes: 300_000, signal },
    sessions: await openSessions(scratch.fresh('sessions.json')),
    onBytes: (count) => {
      sent += count;
    },
  };
});

afterEach(() => registry.stop());

describe('when a blob is pushed', () => {
  it('goes in chunks', async () => {
    expect(await pushBlob(blob, options)).toBe('uploaded');
    expect(registry.stored?.equals(bytes)).toBe(true);
    expect(registry.asked).toEqual([
      ...['HEAD', 'POST', 'PATCH 0-299999', 'PATCH 300000-599999', 'PATCH 600000-899999'],
      ...['PATCH 900000-999999', 'PUT'],
    ]);
    expect(sent).toBe(bytes.length);
  });

  it('goes on at the byte where the line broke', async () => {
    registry.cuts = [123_457, 700_001];
    await pushBlob(blob, options);
    expect(registry.stored?.equals(bytes)).toBe(true);
    expect(registry.asked.filter((each) => each === 'POST')).toHaveLength(1);
    expect(registry.asked).toContain('PATCH 123457-423456');
    expect(registry.asked).toContain('PATCH 700001-999999');
    expect(sent).toBe(bytes.length);
  });

  it('goes on in a later run', async () => {
    registry.received = bytes.subarray(0, 300_000);
    const path = scratch.fresh('sessions.json');
    const { href } = new URL('/v2/a/blobs/uploads/1', `http://${host}`);
    await (await openSessions(path)).set(`a@${blob.digest}`, href);
    const sessions = await openSessions(path);
    await pushBlob(blob, { ...options, sessions });
    expect(registry.asked.slice(0, 3)).toEqual(['HEAD', 'GET', 'PATCH 300000-599999']);
    expect(sessions.get(`a@${blob.digest}`)).toBeUndefined();
    expect(registry.stored?.equals(bytes)).toBe(true);
  });

  it('is not sent where it is, and mounted where another repository has it', async () => {
    expect(await pushBlob(blob, { ...options, mountFrom: 'b' })).toBe('mounted');
    registry.stored = bytes;
    expect(await pushBlob(blob, options)).toBe('present');
    expect(registry.asked).toEqual(['HEAD', 'POST', 'HEAD']);
    expect(sent).toBe(2 * bytes.length);
  });

  it('is refused when the registry makes something else of it', async () => {
    registry.received = Buffer.from('something of before');
    const error = await expectCode(() => pushBlob(blob, options), 'registry-refused');
    expect(error.found).toBe('status 400, DIGEST_INVALID');
  });

  it('is given up when no byte arrives', async () => {
    registry.status = 413;
    await expectCode(() => pushBlob({ ...blob }, options), 'registry-refused');
    expect(registry.stored).toBeUndefined();
  });

  it('says that nobody answers', async () => {
    registry.stop();
    await expectCode(() => pushBlob(blob, options), 'registry-unreachable');
  });
});
