import type { IncomingMessage } from 'node:http';

/** The body of a `paths-info` request. */
export interface PathsRequest {
  readonly paths: readonly string[];
  readonly expand: boolean;
}

/**
 * Reads the body of a `paths-info` request: a form from Python clients, JSON from JavaScript clients.
 * Undefined if it is neither, or longer than `maxBytes`.
 */
export async function readPaths(
  message: IncomingMessage,
  maxBytes: number,
): Promise<PathsRequest | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return /json/i.test(message.headers['content-type'] ?? '') ? fromJson(text) : fromForm(text);
}

function fromForm(text: string): PathsRequest {
  const form = new URLSearchParams(text);
  return { paths: form.getAll('paths'), expand: /^(?:true|1)$/i.test(form.get('expand') ?? '') };
}

function fromJson(text: string): PathsRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { paths, expand } = value as { paths?: unknown; expand?: unknown };
  const list = typeof paths === 'string' ? [paths] : paths;
  if (!Array.isArray(list) || !list.every((each) => typeof each === 'string')) return undefined;
  return { paths: list, expand: expand === true };
}
