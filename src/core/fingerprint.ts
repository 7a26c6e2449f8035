import { counted } from './amount.ts';

/** The hex digits of a SHA-256 fingerprint. */
export const FINGERPRINT_DIGITS = 64;

/** Normalizes a fingerprint that a user typed with colons, spaces or upper-case letters. */
export function normalizeFingerprint(text: string): string {
  return text
    .replace(/^sha-?256(?: fingerprint)?[:= ]/i, '')
    .replace(/[:\s]/g, '')
    .toLowerCase();
}

/**
 * Why text is not a number of lower-case hex digits; undefined if it is.
 * @param least the fewest digits it may have
 * @param most the most digits it may have
 */
export function digitsDefect(text: string, least: number, most: number): string | undefined {
  const foreign = /[^0-9a-f]/u.exec(text)?.[0];
  if (foreign !== undefined) return `${JSON.stringify(foreign)} is not a hexadecimal digit`;
  if (text.length >= least && text.length <= most) return undefined;
  return `${counted(text.length, 'digit')} given, ${text.length < least ? least : most} needed`;
}
