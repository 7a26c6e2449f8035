import { once } from 'node:events';
import { request as nodeRequest } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createDirectTransport } from '../../src/net/direct-transport.ts';
import { readResponseHead } from '../../src/net/exchange.ts';
import { drain } from './server.ts';

const MIB = 1024 * 1024;
const BODY = 'hello, world';
const HEAD = `HTTP/1.1 206 Partial Content\r\nContent-Length: ${BODY.length}\r\nETag: "a"\r\n\r\n`;

let server: Server;
/** What the server writes in answer to a request, one write after the other. */
let writes: readonly Buffer[] = [];
let endsAfter = true;
const sockets = new Set<Socket>();

beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', async () => {
      for (const each of writes) {
        socket.write(each);
        // The client reads each write before the next one.
        await new Promise((next) => setImmediate(next));
      }
      if (endsAfter) socket.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  endsAfter = true;
});

afterAll(() => {
  for (const each of sockets) each.destroy();
  server.close();
});

const address = (): URL => new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`);
const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** A response as our client reads it: `none` where it leaves the response to `node:http`. */
async function direct(
  parts: readonly Buffer[],
): Promise<{ status: number; body: string; broken?: true } | 'none' | 'failed'> {
  writes = parts;
  const received: Buffer[] = [];
  let status = 0;
  try {
    const response = await createDirectTransport()(
      {
        method: 'GET',
        url: address(),
        headers: { range: `bytes=0-${2 * MIB - 1}` },
        signal: AbortSignal.timeout(5000),
      },
      {},
    );
    if (response === undefined) return 'none';
    status = response.status;
    for await (const chunk of response.body) received.push(Buffer.from(chunk));
  } catch (error) {
    if ((error as Error).name === 'TimeoutError') throw error;
    if (status === 0) return 'failed';
    return { status, body: Buffer.concat(received).toString('latin1'), broken: true };
  }
  return { status, body: Buffer.concat(received).toString('latin1') };
}

/** The same response as Node reads it. */
async function byNode(text: string): Promise<{ status: number; length: number; body: string }> {
  writes = [bytesOf(text)];
  const request = nodeRequest(address(), { agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
  const { statusCode: status = 0, headers } = response;
  const body = (await drain(response)).toString('latin1');
  return { status, length: Number(headers['content-length']), body };
}

describe('when a response arrives in pieces', () => {
  const whole = bytesOf(HEAD + BODY);

  it('is read whole when it is split at any byte', async () => {
    for (let at = 0; at <= whole.length; at++) {
      const read = await direct([whole.subarray(0, at), whole.subarray(at)]);
      expect(read, `split at ${at}`).toEqual({ status: 206, body: BODY });
    }
  });

  it('is read whole byte by byte', async () => {
    const read = await direct(Array.from(whole, (byte) => Buffer.of(byte)));
    expect(read).toEqual({ status: 206, body: BODY });
  });

  it('is read up to the byte where the connection breaks', async () => {
    for (let at = 0; at < whole.length; at++) {
      const read = await direct([whole.subarray(0, at)]);
      const body = BODY.slice(0, Math.max(0, at - HEAD.length));
      const isHead = at >= HEAD.length;
      expect(read, `broken at ${at}`).toEqual(
        isHead ? { status: 206, body, broken: true } : 'failed',
      );
    }
  });
});

describe('when a server sends more than one response', () => {
  it('keeps to the length of the first, wherever they are split', async () => {
    const second = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad';
    const both = bytesOf(HEAD + BODY + second);
    for (let at = HEAD.length; at < both.length; at += 3) {
      const read = await direct([both.subarray(0, at), both.subarray(at)]);
      expect(read, `split at ${at}`).toEqual({ status: 206, body: BODY });
    }
  });
});

describe('when the head of a response is hostile', () => {
  const line = 'HTTP/1.1 206 Partial Content';
  const framed = (fields: string): string => `${line}\r\n${fields}\r\n\r\n${BODY}`;

  it.each([
    ['no length', framed('ETag: "a"')],
    ['an empty length', framed('Content-Length:')],
    ['a negative length', framed('Content-Length: -1')],
    ['a length with a sign', framed('Content-Length: +12')],
    ['a hexadecimal length', framed('Content-Length: 0xc')],
    ['a length with an exponent', framed('Content-Length: 1e1')],
    ['a fractional length', framed('Content-Length: 12.0')],
    ['a length beyond 2^53', framed('Content-Length: 99999999999999999999')],
    ['a length in other digits', framed('Content-Length: \xb2')],
    ['a length and a no-break space', framed('Content-Length: 12\xa0')],
    ['two lengths in one line', framed('Content-Length: 12, 12')],
    ['the same length twice', framed('Content-Length: 12\r\nContent-Length: 12')],
    ['two lengths', framed('Content-Length: 12\r\ncontent-length: 3')],
    ['length and chunks', framed('Content-Length: 12\r\nTransfer-Encoding: chunked')],
    ['chunks and a length', framed('Transfer-Encoding: chunked\r\nContent-Length: 12')],
    ['chunks under a strange name', framed('Content-Length: 12\r\nTransfer-Encoding: xchunked')],
    ['chunks', `${line}\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n${BODY}\r\n0\r\n\r\n`],
    [
      'chunks of a hostile size',
      `${line}\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n`,
    ],
    ['an upgrade', framed('Content-Length: 12\r\nUpgrade: h2c')],
    ['bare line feeds', framed('Content-Length: 12').replaceAll('\r\n', '\n')],
    ['a bare line feed in a value', framed('X: a\nContent-Length: 12')],
    ['a bare carriage return in a value', framed('X: a\rContent-Length: 12\r\nContent-Length: 12')],
    ['a doubled carriage return', framed('Content-Length: 12\r')],
    ['a folded line', framed('Content-Length: 12\r\nX: a\r\n b')],
    ['a blank before the colon', framed('Content-Length : 12')],
    ['a blank before the name', framed(' Content-Length: 12')],
    ['no name', framed(': 12\r\nContent-Length: 12')],
    ['no colon', framed('Content-Length 12')],
    ['a zero byte', framed('X: \0\r\nContent-Length: 12')],
    ['an empty line first', `\r\n${framed('Content-Length: 12')}`],
    ['an interim response first', `HTTP/1.1 100 Continue\r\n\r\n${framed('Content-Length: 12')}`],
    ['HTTP/1.0', framed('Content-Length: 12').replace('1.1', '1.0')],
    ['HTTP/2', framed('Content-Length: 12').replace('1.1', '2')],
    ['a lower-case version', framed('Content-Length: 12').replace('HTTP', 'http')],
    ['a status of four digits', framed('Content-Length: 12').replace('206', '2066')],
    ['no space after the version', framed('Content-Length: 12').replace('1.1 ', '1.1')],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['one endless field', `${line}\r\nX: ${'a'.repeat(80_000)}\r\n\r\n`],
    ['an endless status line', `HTTP/1.1 206 ${'a'.repeat(80_000)}`],
    ['a flood of fields', `${line}\r\n${'X: a\r\n'.repeat(20_000)}\r\n`],
  ])('leaves %s to the strict parser of Node', async (_, text) => {
    endsAfter = false;
    expect(await direct([bytesOf(text)])).toBe('none');
  });

  it('accepts a length of zero, and fields just below the ceiling', async () => {
    endsAfter = false;
    expect(await direct([bytesOf(`${line}\r\nContent-Length: 0\r\n\r\n`)])).toEqual({
      status: 206,
      body: '',
    });
    const many = 'X: a\r\n'.repeat(10_000);
    const read = await direct([bytesOf(framed(`${many}Content-Length: 12`))]);
    expect(read).toEqual({ status: 206, body: BODY });
  });
});

/** Pieces of responses, good and bad, from which heads are put together. */
const fragment = fc.constantFrom(
  ...[
    '\r\n',
    '\n',
    '\r',
    '\r\n\r\n',
    '\0',
    '\t',
    ' ',
    ':',
    ',',
    ';',
    '\x7f',
    '\x80',
    '\xa0',
    '\xff',
  ],
  ...['HTTP/1.1 200 OK', 'HTTP/1.0 200 OK', '206', '304', 'Content-Length: 12', 'content-length:5'],
  ...[
    'Content-Length: 12\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding: identity\r\n',
  ],
  ...['Connection: close\r\n', 'Connection: keep-alive, x\r\n', 'Upgrade: x\r\n', 'X-Y: z\r\n'],
  ...['0', '1', '12', '-1', '+1', '0x1', '1e3', '99999999999999999999', ' 12 ', '12 12'],
);

/** A good head with some pieces of it replaced, removed or doubled. */
const mutated = fc
  .tuple(
    fc.array(
      fc.record({ at: fc.nat(HEAD.length), remove: fc.nat(6), insert: fc.option(fragment) }),
      { minLength: 1, maxLength: 4 },
    ),
    fc.array(fragment, { maxLength: 2 }),
  )
  .map(([edits, tail]) => {
    let text = `${HEAD.slice(0, -2)}${tail.join('')}\r\n\r\n`;
    for (const { at, remove, insert } of edits)
      text = text.slice(0, at) + (insert ?? '') + text.slice(at + remove);
    return text;
  });

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);
const runs = Number(process.env['FUZZ_RUNS'] ?? 900);

describe(`when heads are made up (FUZZ_SEED=${seed})`, () => {
  it('accepts none that Node reads in another way', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(mutated, async (text) => {
        const end = text.indexOf('\r\n\r\n');
        const head = end < 0 ? undefined : readResponseHead(text.slice(0, end));
        if (head?.length === undefined || head.status === 304) return;
        accepted += 1;
        const body = 'b'.repeat(Math.min(head.length, 100_000));
        const node = await byNode(`${text.slice(0, end + 4)}${body}`).catch(
          (error: Error) => error,
        );
        if (body.length < head.length) return;
        expect(node).toEqual({ status: head.status, length: head.length, body });
      }),
      { seed, numRuns: runs },
    );
    expect(accepted).toBeGreaterThan(runs / 50);
  });

  it('ends with every one of them: with its body, an error, or left to Node', async () => {
    await fc.assert(
      fc.asyncProperty(mutated, fc.nat(200), fc.string(), async (head, at, tail) => {
        const bytes = bytesOf(`${head}${tail}`);
        const read = await direct([bytes.subarray(0, at), bytes.subarray(at)]);
        if (typeof read === 'string') return;
        const text = bytes.toString('latin1');
        const from = text.indexOf('\r\n\r\n') + 4;
        const length = readResponseHead(text.slice(0, from - 4))?.length ?? 0;
        expect(text.slice(from, from + length).startsWith(read.body)).toBe(true);
        if (read.broken !== true && read.status < 300) expect(read.body).toHaveLength(length);
      }),
      { seed, numRuns: Math.ceil(runs / 3) },
    );
  });
});
