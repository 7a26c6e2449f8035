import type { IncomingMessage } from 'node:http';

/** What a client asks `paths-info` about. */
export interface AskedPaths {
  readonly paths: readonly string[];
  readonly expand: boolean;
}

/**
 * Reads the body of a `paths-info` request: a form, as Python sends it, or JSON, as JavaScript does.
 * Undefined when it is neither, or longer than `maxBytes`.
 */
export async function readPaths(
  message: IncomingMessage,
  maxBytes: number,
): Promise<AskedPaths | undefined> {
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

function fromForm(text: string): AskedPaths {
  const form = new URLSearchParams(text);
  return { paths: form.getAll('paths'), expand: /^(?:true|1)$/i.test(form.get('expand') ?? '') };
}

function fromJson(text: string): AskedPaths | undefined {
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
