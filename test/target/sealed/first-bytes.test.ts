import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_FIRST_BYTES, readFirstBytes } from '../../../src/target/sealed/first-bytes.ts';

/** The first bytes of a real client. */
async function clientHello(servername: string | undefined): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client = connect({ host: '127.0.0.1', port, ...(servername ? { servername } : {}) });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

describe('when a client of TLS connects', () => {
  it('tells the name of the server, once all of it has arrived', async () => {
    const hello = await clientHello('Stats.vllm.ai');
    expect(readFirstBytes(hello)).toEqual({ sni: 'stats.vllm.ai' });
    for (let length = 1; length < hello.length; length++)
      expect(readFirstBytes(hello.subarray(0, length)), `${length}`).toBeUndefined();
  });

  it('tells nothing for a client that names no server', async () => {
    expect(readFirstBytes(await clientHello(undefined))).toEqual({});
  });
});

describe('when a client of HTTP connects', () => {
  it.each([
    [
      'GET /a/b?token=secret HTTP/1.1\r\nHost: Example.com:8080\r\n\r\n',
      { host: 'example.com', path: 'GET /a/b' },
    ],
    ['POST / HTTP/1.1\r\nhost: [2001:db8::7]\r\n\r\n', { host: '2001:db8::7', path: 'POST /' }],
    ['GET /x HTTP/1.0\r\n\r\n', { path: 'GET /x' }],
    ['GET /x HTTP/1.1\r\nHost: a"b\r\n\r\n', { path: 'GET /x' }],
    ['CONNECT example.com:443 HTTP/1.1\r\n\r\n', { path: 'CONNECT example.com:443' }],
    ['<14>1 started\n', {}],
    ['SSH-2.0-Go\r\n', {}],
  ])('reads %j', (text, expected) => {
    expect(readFirstBytes(Buffer.from(text))).toEqual(expected);
  });

  it.each(['GET', 'GET /a HTTP/1.1\r\nHost: exam'])('waits for the rest of %j', (text) => {
    expect(readFirstBytes(Buffer.from(text))).toBeUndefined();
  });

  it('does not wait for ever', () => {
    const text = `GET / HTTP/1.1\r\nx: ${'a'.repeat(MAX_FIRST_BYTES)}`;
    expect(readFirstBytes(Buffer.from(text))).toEqual({ path: 'GET /' });
  });
});

describe('when a stranger connects', () => {
  it('never throws', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes, fc.boolean(), (each, tls) => {
        const start = tls ? [0x16, 3, 1, 0, 100, 1, 0, 0, 80] : [];
        readFirstBytes(Buffer.from([...start, ...each]));
      }),
    );
  });
});
