import { createHash } from 'node:crypto';
import { checkData, fromData, fromHex, parse } from 'ssri';
import { StowageError } from './error.ts';

declare const brand: unique symbol;

/** An OCI digest, always SHA-256: `sha256:` and 64 lower-case hex digits. */
export type Digest = string & { readonly [brand]: 'Digest' };

/** A Subresource-Integrity string with exactly one SHA-512: `sha512-` and 88 base64 characters. */
export type Sri = string & { readonly [brand]: 'Sri' };

const DIGEST = /^sha256:[0-9a-f]*$/;
const DIGEST_LENGTH = 71;
// 512 bits end within the 86th character: its last four are zero (RFC 4648 3.5).
const SRI = /^sha512-[A-Za-z0-9+/]*[AQgw]==$/;
const SRI_LENGTH = 95;
const HEX = /^[0-9a-f]*$/;
const HEX_512_LENGTH = 128;

/** Whether a text is a {@link Digest}. */
export function isDigest(text: string): text is Digest {
  return text.length === DIGEST_LENGTH && DIGEST.test(text);
}

/** @throws StowageError `digest-malformed` */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw malformed('digest', 'sha256:<64 lower-case hex digits>', text);
}

/** The digest whose hex form this is. @throws StowageError `digest-malformed` */
export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

/** The 64 hex digits of a digest. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** Whether a text is an {@link Sri} whose base64 is the canonical encoding of 64 bytes (no stray bits). */
export function isSri(text: string): text is Sri {
  return text.length === SRI_LENGTH && SRI.test(text);
}

/** The SRI form of 128 hex digits. @throws StowageError `digest-malformed` */
export function sriFromHex(hex: string): Sri {
  if (hex.length !== HEX_512_LENGTH || !HEX.test(hex)) throw malformedHex(hex);
  return fromHex(hex, 'sha512').toString() as Sri;
}

/**
 * {@link sriFromHex} of many, faster.
 * @param refuse the error for the first that is malformed, by its index
 * @throws StowageError `digest-malformed`, or what `refuse` returns
 */
export function srisFromHex(
  list: readonly string[],
  refuse: (at: number) => StowageError = (at) => malformedHex(list[at] ?? ''),
): Sri[] {
  const whole = list.join('');
  const areLong = list.every((hex) => hex.length === HEX_512_LENGTH);
  if (!areLong || !HEX.test(whole))
    throw refuse(list.findIndex((hex) => hex.length !== HEX_512_LENGTH || !HEX.test(hex)));
  const bytes = Buffer.from(whole, 'hex');
  return list.map((_, at) => `sha512-${bytes.toString('base64', 64 * at, 64 * at + 64)}` as Sri);
}

/** The 128 hex digits of an SRI string, as `sha512sum` prints them. */
export function sriHex(sri: Sri): string {
  return hexOf(sri);
}

/** The SHA-256 digest of bytes in memory. */
export function digestOf(bytes: Uint8Array): Digest {
  return digestFromHex(createHash('sha256').update(bytes).digest('hex'));
}

/** The digest of all bytes of a stream. */
export async function digestOfStream(stream: AsyncIterable<Uint8Array>): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return digestFromHex(hash.digest('hex'));
}

/** The SHA-512 of bytes in memory. */
export function sriOf(bytes: Uint8Array): Sri {
  return fromData(bytes, { algorithms: ['sha512'] }).toString() as Sri;
}

/**
 * Whether bytes in memory have this sum. ssri accepts lists of algorithms and, in places, an empty list: anything but
 * one canonical SHA-512 is false before it is called.
 */
export function hasSri(bytes: Uint8Array, sri: Sri): boolean {
  return isSri(sri) && checkData(bytes, sri) !== false;
}

function hexOf(text: string): string {
  return parse(text, { single: true, strict: true })?.hexDigest() ?? '';
}

function malformedHex(hex: string): StowageError {
  return malformed('SHA-512', '128 lower-case hex digits', hex);
}

function malformed(what: string, expected: string, found: string): StowageError {
  return new StowageError('digest-malformed', `malformed ${what}`, {
    expected,
    found: JSON.stringify(found.slice(0, 160)),
    hint: 'copy the whole digest, including its algorithm, from where it was published',
  });
}
