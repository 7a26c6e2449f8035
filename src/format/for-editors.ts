import type * as z from 'zod';

/** What the JSON Schema of a field says besides what zod derives. */
interface Keywords {
  /** A regular expression of the whole text, without `^` and `$`. */
  readonly pattern?: string;
  readonly format?: 'regex';
  readonly uniqueItems?: true;
  readonly minProperties?: number;
}

/**
 * A schema whose JSON Schema also tells editors what its refinements accept, which zod cannot derive from functions. The keywords may
 * accept more than they do, never less.
 */
export function forEditors<T>(
  schema: z.ZodType<T>,
  { pattern, ...others }: Keywords,
): z.ZodType<T> {
  return schema.meta(pattern === undefined ? others : { ...others, pattern: `^(?:${pattern})$` });
}

/** A regular expression of a whole text as a part of another one. */
export function partOf({ source }: RegExp): string {
  return source.replace(/^\^|\$$/g, '');
}

const PRINTABLE = '[^\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}]';
/** One line of printable text: any but an empty one, any but a blank one, and an absolute path. */
export const someText: string = `${PRINTABLE}+`;
export const someWords: string = `(?=.*\\S)${PRINTABLE}*`;
export const absolutePath: string = `\\/${PRINTABLE}*`;
/** Line feeds, tabs and printable text. */
export const severalLines: string = '(?:[^\\p{Cc}\\p{Cs}]|[\\n\\t])*';
export const someLines: string = '(?:[^\\p{Cc}\\p{Cs}]|[\\n\\t])+';

const NUMBER = '(?:0|[1-9]\\d*)';
const IDENTIFIER = `(?:${NUMBER}|\\d*[A-Za-z-][0-9A-Za-z-]*)`;
/** Semantic Versioning 2.0.0, section 2 and 9: three numbers and a pre-release. */
export const semanticVersion: string = `${NUMBER}(?:\\.${NUMBER}){2}(?:-${IDENTIFIER}(?:\\.${IDENTIFIER})*)?`;

const DATE = '\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])';
/** A time in UTC to the second, also on a day that not every month has. */
export const momentInUtc: string = `${DATE}T(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\dZ`;

const BEYOND_ASCII = '\\u{80}-\\u{10FFFF}';
const ANYWHERE = `\\w+@=,()[\\]${BEYOND_ASCII}`;
const SEGMENT = `(?:[\\w${BEYOND_ASCII}]|[\\w.${BEYOND_ASCII}][${ANYWHERE} .\\-]*[${ANYWHERE}\\-])`;
/** A relative path without `.` and `..`, of characters that every system allows in names, as far as ASCII goes. */
export const relativePath: string = `${SEGMENT}(?:\\/${SEGMENT}){0,31}`;

/** RFC 4648, section 4, with the bits that pad it zero. */
export const base64Text: string =
  '(?:[A-Za-z0-9+\\/]{4})*(?:[A-Za-z0-9+\\/][AQgw]==|[A-Za-z0-9+\\/]{2}[AEIMQUYcgkosw048]=)?';
