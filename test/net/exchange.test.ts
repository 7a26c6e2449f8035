import { describe, expect, it } from 'vitest';
import { readResponseHead } from '../../src/net/exchange.ts';

const ok = 'HTTP/1.1 206 Partial Content';

describe('when the head of an answer is read', () => {
  it('knows status, headers and length', () => {
    const head = readResponseHead(`${ok}\r\nContent-Length: 12\r\nContent-Range: bytes 0-11/12`);
    expect(head).toMatchObject({ status: 206, length: 12, keepAlive: true });
    expect(head?.headers.get('content-range')).toBe('bytes 0-11/12');
  });

  it.each([
    ['a body that is chunked', `${ok}\r\nTransfer-Encoding: chunked`],
    ['a body that ends with the connection', ok],
  ])('knows no length of %s', (_, text) => {
    expect(readResponseHead(text)?.length).toBeUndefined();
  });

  it('hears that the connection ends', () => {
    const text = `${ok}\r\nContent-Length: 0\r\nConnection: close`;
    expect(readResponseHead(text)?.keepAlive).toBe(false);
  });

  it.each([
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 1'],
    ['HTTP/2', 'HTTP/2 200\r\nContent-Length: 1'],
    ['an interim answer', 'HTTP/1.1 100 Continue\r\nContent-Length: 1'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 1'],
    ['two lengths', `${ok}\r\nContent-Length: 1\r\nContent-Length: 1`],
    ['a list of lengths', `${ok}\r\nContent-Length: 1, 1`],
    ['a length with a sign', `${ok}\r\nContent-Length: +1`],
    ['a length in hexadecimal', `${ok}\r\nContent-Length: 0x10`],
    [
      'length and chunks (request smuggling)',
      `${ok}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked`,
    ],
    ['a folded line', `${ok}\r\nX: a\r\n b\r\nContent-Length: 1`],
    ['a blank before the colon', `${ok}\r\nContent-Length : 1`],
    ['a bare line feed', `${ok}\r\nX: a\nContent-Length: 1`],
    ['a zero byte', `${ok}\r\nX: a\0\r\nContent-Length: 1`],
    ['a line without a colon', `${ok}\r\nnonsense\r\nContent-Length: 1`],
  ])('refuses %s', (_, text) => {
    expect(readResponseHead(text)).toBeUndefined();
  });
});
