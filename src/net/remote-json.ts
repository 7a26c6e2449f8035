import { type Asked, malformed } from './http-error.ts';

/**
 * Parses JSON that a server sent. Its own words stay out of the error: they may hold a token.
 * @throws StowageError `source-malformed`
 */
export function parseRemote(bytes: Uint8Array, asked: Asked): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw malformed(asked, 'JSON', `${bytes.byteLength} bytes that are none`);
  }
}
