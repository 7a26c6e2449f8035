import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createDirectTransport } from '../../src/net/direct-transport.ts';
import type { ExchangeResponse } from '../../src/net/exchange.ts';
import { createHttp } from '../../src/net/http.ts';
import { rangeOrigin } from '../../src/source/https.ts';
import { drain, never, serve } from './server.ts';

const size = 3 * 1024 * 1024;
const bytes = Buffer.from(Array.from({ length: size }, (_, index) => (index * 7) % 251));
const range = (start = 0, end: number = size): Record<string, string> => ({
  range: `bytes=${start}-${end - 1}`,
});
const part = (start: number, end: number): string =>
  `HTTP/1.1 206 Partial Content\r\nContent-Length: ${end - start}\r\nContent-Range: bytes ${start}-${end - 1}/${size}\r\n\r\n`;

const open: { close(): void }[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const each of sockets.splice(0)) each.destroy();
  for (const each of open.splice(0)) each.close();
});

/** A server that answers each request on a connection in turn with the bytes that `answer` gives. */
async function raw(
  answer: (request: string, socket: Socket) => void,
): Promise<{ url: URL; connections: () => number }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => answer(chunk.toString('latin1'), socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`http://127.0.0.1:${port}/x?y=1`), connections: () => connections };
}

const get = (
  transport: ReturnType<typeof createDirectTransport>,
  url: URL,
  headers: Record<string, string> = range(),
  signal: AbortSignal = never,
): Promise<ExchangeResponse | undefined> => transport({ method: 'GET', url, headers, signal }, {});

async function whole(response: ExchangeResponse | undefined): Promise<Buffer> {
  if (response === undefined) throw new Error('no answer');
  return drain(response.body);
}

describe('when a large stretch is fetched', () => {
  it('brings every byte, and asks again on the same connection', async () => {
    const requests: string[] = [];
    const { url, connections } = await raw((request, socket) => {
      requests.push(request);
      socket.write(Buffer.concat([Buffer.from(part(0, size)), bytes]));
    });
    const transport = createDirectTransport();
    for (let time = 0; time < 3; time++) {
      const response = await get(transport, url, { ...range(), accept: '*/*' });
      expect(response?.status).toBe(206);
      expect((await whole(response)).equals(bytes)).toBe(true);
    }
    expect(connections()).toBe(1);
    expect(requests[0]).toBe(
      `GET /x?y=1 HTTP/1.1\r\nhost: ${url.host}\r\nrange: bytes=0-${size - 1}\r\naccept: */*\r\n\r\n`,
    );
  });

  it('sends headers with digits in their names, such as those that S3 signs', async () => {
    const requests: string[] = [];
    const { url } = await raw((request, socket) => {
      requests.push(request);
      socket.write(Buffer.concat([Buffer.from(part(0, size)), bytes]));
    });
    const headers = { ...range(), 'x-amz-content-sha256': 'abc' };
    const response = await get(createDirectTransport(), url, headers);
    expect((await whole(response)).equals(bytes)).toBe(true);
    expect(requests[0]).toContain('\r\nx-amz-content-sha256: abc\r\n');
  });

  it.each([1, 2, 7, 100])('takes a head that comes in pieces of %i bytes', async (step) => {
    const head = part(0, size);
    const { url } = await raw(async (_, socket) => {
      socket.setNoDelay(true);
      for (let at = 0; at < head.length; at += step) {
        socket.write(head.slice(at, at + step));
        await new Promise((wake) => setImmediate(wake));
      }
      socket.write(bytes);
    });
    const response = await get(createDirectTransport(), url);
    expect((await whole(response)).equals(bytes)).toBe(true);
  });

  it.each([0, 1, 4095, 4096, 70_000])(
    'keeps the place in a page of what begins at byte %i',
    async (from) => {
      const { url } = await raw((_, socket) => {
        socket.write(Buffer.concat([Buffer.from(part(from, size)), bytes.subarray(from)]));
      });
      const response = await get(createDirectTransport(), url, range(from));
      const places: number[] = [];
      let at = from;
      for await (const chunk of response?.body ?? []) {
        expect(chunk.buffer).toBeInstanceOf(SharedArrayBuffer);
        places.push((chunk.byteOffset - at) % 4096);
        expect(bytes.compare(chunk, 0, chunk.length, at, at + chunk.length)).toBe(0);
        at += chunk.length;
      }
      expect(at).toBe(size);
      expect(new Set(places)).toEqual(new Set([0]));
    },
  );

  it('hands on what came before the line broke', async () => {
    const { url } = await raw((_, socket) => {
      socket.end(Buffer.concat([Buffer.from(part(0, size)), bytes.subarray(0, 1_500_000)]));
    });
    const response = await get(createDirectTransport(), url);
    const came: Uint8Array[] = [];
    await expect(async () => {
      for await (const chunk of response?.body ?? []) came.push(Buffer.from(chunk));
    }).rejects.toThrow('the connection closed');
    expect(Buffer.concat(came).equals(bytes.subarray(0, 1_500_000))).toBe(true);
  });

  it('takes no byte more than was said, and leaves that connection', async () => {
    const { url, connections } = await raw((_, socket) => {
      socket.write(Buffer.concat([Buffer.from(part(0, size)), bytes, Buffer.from('HTTP/1.1 200')]));
    });
    const transport = createDirectTransport();
    for (let time = 0; time < 2; time++) {
      const response = await get(transport, url);
      expect((await whole(response)).length).toBe(size);
    }
    expect(connections()).toBe(2);
  });

  it('asks on another connection when the server had closed the one that rested', async () => {
    const { url, connections } = await raw((_, socket) => {
      socket.write(Buffer.concat([Buffer.from(part(0, size)), bytes]));
      setTimeout(() => socket.destroy(), 20);
    });
    const transport = createDirectTransport();
    for (let time = 0; time < 2; time++) {
      const response = await get(transport, url);
      expect((await whole(response)).length).toBe(size);
      await new Promise((wake) => setTimeout(wake, 40));
    }
    expect(connections()).toBe(2);
  });

  it.each([
    ['chunks', 'HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['what is no HTTP', 'SSH-2.0-x\r\n\r\n'],
    ['a head without an end', `HTTP/1.1 206 x\r\nX: ${'a'.repeat(70_000)}`],
  ])('leaves %s to the other client', async (_, answer) => {
    const { url } = await raw((__, socket) => void socket.write(answer));
    expect(await get(createDirectTransport(), url)).toBeUndefined();
  });

  it.each([
    ['HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone', 404, 'gone'],
    ['HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 429, ''],
    ['HTTP/1.1 302 Found\r\nLocation: /y\r\n\r\n', 302, ''],
  ])('does not ask twice for a refusal or a redirect: %j', async (answer, status, said) => {
    const { url } = await raw((__, socket) => void socket.write(answer));
    const response = await get(createDirectTransport(), url);
    expect(response?.status).toBe(status);
    expect((await whole(response)).toString()).toBe(said);
  });

  it('leaves small stretches, other methods and strange headers to the other client', async () => {
    const url = new URL('http://127.0.0.1:1/');
    expect(await get(createDirectTransport(), url, range(0, 1000))).toBeUndefined();
    expect(await get(createDirectTransport(), url, {})).toBeUndefined();
    expect(await get(createDirectTransport(), url, { ...range(), x: 'a\r\nb: c' })).toBeUndefined();
  });

  it('gives up when its signal does, before the head and within the body', async () => {
    for (const answer of ['', part(0, size)]) {
      const { url } = await raw((_, socket) => void (answer !== '' && socket.write(answer)));
      const stop = new AbortController();
      setTimeout(() => stop.abort(new Error('stopped')), 30);
      await expect(async () => {
        const response = await get(createDirectTransport(), url, range(), stop.signal);
        await whole(response);
      }).rejects.toThrow('stopped');
    }
  });

  it('keeps memory bounded before a reader that is slow', async () => {
    let written = 0;
    const { url } = await raw((_, socket) => {
      socket.write(part(0, 64 * size));
      const more = (): void => {
        while (written < 64 * size && socket.write(bytes)) written += size;
        if (written < 64 * size) socket.once('drain', more);
      };
      more();
    });
    const transport = createDirectTransport();
    const wanted = { range: `bytes=0-${64 * size - 1}` };
    const response = await get(transport, url, wanted);
    await new Promise((wake) => setTimeout(wake, 200));
    expect(written).toBeLessThan(32 * size);
    response?.discard();
  });
});

describe('when a redirect leads to the stretch', () => {
  it('follows it without the token, and remembers where it led', async () => {
    const storage = await serve((_, response) => {
      response.writeHead(206, {
        'content-length': size,
        'content-range': `bytes 0-${size - 1}/${size}`,
      });
      response.end(bytes);
    });
    const hub = await serve((_, response) => {
      response
        .writeHead(302, { location: `http://localhost:${storage.host.split(':')[1]}/z` })
        .end();
    });
    const http = createHttp();
    const asked = { what: 'it', url: new URL(`${hub.url}/x`) };
    const origin = rangeOrigin(
      asked,
      (each, signal) =>
        http.request({ ...asked, ...each, headers: { ...each.headers, 'x-test': '1' } }, signal),
      http.request,
    );
    for (let time = 0; time < 2; time++) {
      const found = await origin.part?.(0, size, never);
      if (found === undefined) throw new Error('no stretch');
      expect((await drain(found.body)).equals(bytes)).toBe(true);
    }
    expect(hub.seen).toHaveLength(1);
    expect(storage.seen).toHaveLength(2);
  });
});
