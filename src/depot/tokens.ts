import { createHash, timingSafeEqual } from 'node:crypto';
import { StowageError } from '../core/error.ts';
import { KIB } from '../core/limits.ts';

/** The accepted tokens: the name of each holder, and the SHA-256 of the token. */
export interface Tokens {
  /** The holder of the token in an `Authorization` header, or undefined. Takes the same time for any token. */
  holder(authorization: string | undefined): string | undefined;
}

export const MAX_TOKEN_FILE_BYTES: number = 256 * KIB;
const MIN_TOKEN_LENGTH = 16;
const HASHED = /^sha256=([0-9a-f]{64})$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const TOKEN = /^[\x21-\x7e]+$/;

/**
 * Reads a token file: one line for each holder, `NAME:TOKEN` or `NAME:sha256=HEX` (of the token, in hex). Empty lines
 * and lines that begin with `#` are ignored.
 * @throws StowageError `document-invalid`, with line numbers and never a token
 */
export function parseTokens(text: string): Tokens {
  const holders: { name: string; hash: Buffer }[] = [];
  const defects: string[] = [];
  for (const { line, name, token } of entriesOf(text)) {
    const hash = hashOf(token);
    if (!NAME.test(name)) defects.push(`line ${line}: expected NAME: before the token`);
    else if (hash === undefined)
      defects.push(
        `line ${line}: expected a token of at least ${MIN_TOKEN_LENGTH} printable characters, or sha256= and 64 hex digits`,
      );
    else holders.push({ name, hash });
  }
  if (defects.length > 0 || holders.length === 0)
    throw new StowageError('document-invalid', 'the token file cannot be used', {
      expected: 'lines of NAME:TOKEN or NAME:sha256=HEX',
      found: defects.length === 0 ? 'no token' : `${defects.length} invalid lines`,
      hint: 'generate a token with: openssl rand -hex 32',
      defects,
    });
  return { holder: (authorization) => holderOf(authorization, holders) };
}

/** The first holder of a token file whose token it has in plain text; undefined if there is none that {@link parseTokens} accepts. */
export function plainToken(
  text: string,
): { readonly name: string; readonly token: string } | undefined {
  for (const { name, token } of entriesOf(text))
    if (NAME.test(name) && !HASHED.test(token) && hashOf(token) !== undefined)
      return { name, token };
  return undefined;
}

/** Every line that is neither empty nor a comment, split at its first colon. */
function entriesOf(
  text: string,
): { readonly line: number; readonly name: string; readonly token: string }[] {
  return text.split(/\r?\n/).flatMap((each, index) => {
    if (each.trim() === '' || each.startsWith('#')) return [];
    const colon = each.indexOf(':');
    const name = each.slice(0, Math.max(colon, 0));
    return { line: index + 1, name, token: each.slice(colon + 1).trim() };
  });
}

function hashOf(text: string): Buffer | undefined {
  const [, hex] = HASHED.exec(text) ?? [];
  if (hex !== undefined) return Buffer.from(hex, 'hex');
  return text.length >= MIN_TOKEN_LENGTH && TOKEN.test(text) ? sha256(text) : undefined;
}

/** `Bearer TOKEN`, or `Basic` with the holder's name as user and the token as password (RFC 6750, RFC 7617). */
function holderOf(
  authorization: string | undefined,
  holders: readonly { readonly name: string; readonly hash: Buffer }[],
): string | undefined {
  const [, scheme = '', value = ''] = /^([A-Za-z]+) +(\S+)$/.exec(authorization ?? '') ?? [];
  const basic = scheme.toLowerCase() === 'basic';
  if (!basic && scheme.toLowerCase() !== 'bearer') return undefined;
  const pair = basic ? Buffer.from(value, 'base64').toString('utf8') : `:${value}`;
  const colon = pair.indexOf(':');
  const user = pair.slice(0, Math.max(colon, 0));
  const presented = sha256(pair.slice(colon + 1));
  let found: string | undefined;
  for (const { name, hash } of holders) {
    const same = timingSafeEqual(presented, hash);
    if (same && (!basic || user === name)) found ??= name;
  }
  return found;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
