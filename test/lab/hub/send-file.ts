import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Fault } from './fault.ts';
import type { HubFile } from './revision.ts';

interface Span {
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
}

/** Sends a file, or the range of it that was asked for, in a stream: 200, 206 or 416 (RFC 9110 section 14). */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: HubFile,
  headers: Readonly<Record<string, string>>,
  fault: Fault | undefined,
): Promise<void> {
  const range = request.headers.range;
  const span = range === undefined || file.size === 0 ? undefined : spanOf(range, file.size);
  if (span === 'unsatisfiable') {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${file.size}` }).end();
    return;
  }
  const { start, end } = span ?? { start: 0, end: file.size };
  response.writeHead(span === undefined ? 200 : 206, {
    ...headers,
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    'content-length': end - start,
    ...(span && { 'content-range': `bytes ${start}-${end - 1}/${file.size}` }),
    // The Hub's own client asks an empty file for bytes=0-0 and wants a total in the answer.
    ...(file.size === 0 && range !== undefined && { 'content-range': 'bytes 0-0/0' }),
  });
  if (request.method === 'HEAD' || end === start) {
    response.end();
    return;
  }
  const source = createReadStream(file.source, { start, end: end - 1, highWaterMark: 256 * 1024 });
  await pipeline(source, spoiled(response, start, fault), response);
}

/** Undefined for a range that is to be ignored: several ranges, or another unit. */
function spanOf(range: string, size: number): Span | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') return { start: Math.max(0, size - Number(last)), end: size };
  const span = { start: Number(first), end: last === '' ? size : Math.min(Number(last) + 1, size) };
  return span.start >= size || span.end <= span.start ? 'unsatisfiable' : span;
}

function spoiled(response: ServerResponse, start: number, fault: Fault | undefined): Transform {
  let sent = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const offset = start + sent;
      const before = sent;
      sent += chunk.length;
      if (fault?.kind === 'flip' && fault.offset >= offset && fault.offset < start + sent) {
        const at = fault.offset - offset;
        chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
      }
      if ((fault?.kind === 'cut' || fault?.kind === 'stall') && sent >= fault.afterBytes) {
        const last = chunk.subarray(0, fault.afterBytes - before);
        // A stall never calls back, so that the pipeline waits for the client to give up.
        response.write(last, () => fault.kind === 'cut' && response.destroy());
        return;
      }
      done(null, chunk);
    },
  });
}
