import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serve } from '../net/server.ts';

/** A registry in memory, to which a bundle is pushed, and in which a test changes what it likes. */
export interface SmallRegistry {
  readonly host: string;
  /** Blobs by digest. */
  readonly blobs: Map<string, Buffer>;
  /** Manifests by tag and by digest. */
  readonly manifests: Map<string, Buffer>;
  /** The blobs that were requested, each with its `Range`. */
  readonly fetched: string[];
  /** Changes how a blob is sent: true if it was answered. */
  answer?: (digest: string, request: IncomingMessage, response: ServerResponse) => boolean;
}

const digestOf = (bytes: Buffer): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Runs until the test ends. */
export async function smallRegistry(): Promise<SmallRegistry> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, Buffer>();
  const fetched: string[] = [];
  let received = Buffer.alloc(0);
  const registry: SmallRegistry = {
    ...{ host: '', blobs, manifests, fetched },
  };
  const { host } = await serve((request, response) => void handle(request, response));
  return Object.assign(registry, { host });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const path = new URL(url, 'http://registry').pathname;
    const [, kind = '', name = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const place = { Location: '/v2/a/blobs/uploads/1' };
    if (method === 'POST') {
      received = Buffer.alloc(0);
      response.writeHead(202, place).end();
    } else if (method === 'PATCH') {
      received = Buffer.concat([received, body]);
      response.writeHead(202, { ...place, Range: `0-${received.length - 1}` }).end();
    } else if (method === 'PUT' && kind === 'manifests') {
      manifests.set(name, body).set(digestOf(body), body);
      response.writeHead(201).end();
    } else if (method === 'PUT') {
      blobs.set(digestOf(received), received);
      response.writeHead(201).end();
    } else if (path === '/v2/') response.writeHead(200).end('{}');
    else {
      const bytes = (kind === 'blobs' ? blobs : manifests).get(name);
      if (bytes === undefined) return void response.writeHead(404).end();
      if (method === 'HEAD') return void response.writeHead(200).end();
      const range = headers.range ?? '';
      if (kind === 'blobs') fetched.push(`${name} ${range}`);
      if (kind === 'blobs' && registry.answer?.(name, request, response) === true) return;
      const [, from] = /^bytes=([0-9]+)-/.exec(range) ?? [];
      if (from === undefined) return void response.writeHead(200).end(bytes);
      const span = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
      response.writeHead(206, { 'Content-Range': span }).end(bytes.subarray(Number(from)));
    }
  }
}
