import { MAX_DER_DEPTH } from '../core/limits.ts';
import { counted } from '../core/text.ts';

const SEQUENCE = 16;
const SET = 17;
const BMP_STRING = 30;

interface Header {
  readonly constructed: boolean;
  readonly start: number;
  readonly end: number;
}

/**
 * Why the tags and lengths of these bytes are not those of exactly one DER value (X.690 sections 8.1 and 10.1);
 * undefined if they are. Linear and without recursion, so that neither 10,000 nested values nor a length of terabytes
 * reaches the parser.
 */
export function layoutDefect(bytes: Uint8Array): string | undefined {
  const ends: number[] = [];
  let at = 0;
  do {
    const header = headerAt(bytes, at, ends.at(-1) ?? bytes.length);
    if (typeof header === 'string') return header;
    if (header.constructed && ends.length === MAX_DER_DEPTH)
      return `values nested deeper than ${MAX_DER_DEPTH}`;
    ends.push(header.end);
    at = header.constructed ? header.start : header.end;
    while (ends.at(-1) === at) ends.pop();
  } while (ends.length > 0);
  return at === bytes.length ? undefined : `${counted(bytes.length - at, 'byte')} after the end`;
}

function headerAt(bytes: Uint8Array, at: number, limit: number): Header | string {
  if (at + 2 > limit) return 'cut short';
  const identifier = bytes[at] ?? 0;
  const first = bytes[at + 1] ?? 0;
  const constructed = (identifier & 0x20) !== 0;
  const defect = identifierDefect(identifier, constructed);
  if (defect !== undefined) return defect;
  if (first === 0x80) return 'an indefinite length, which is BER and not DER';
  const more = Math.max(0, first - 0x80);
  if (more > 4) return `a length of ${counted(more, 'byte')}`;
  const start = at + 2 + more;
  if (start > limit) return 'cut short';
  let length = more === 0 ? first : 0;
  for (const byte of bytes.subarray(at + 2, start)) length = length * 256 + byte;
  const fewest = length < 0x80 ? 0 : Math.ceil((32 - Math.clz32(length)) / 8);
  if (more !== fewest) return 'a length that is not in its shortest form';
  if (length > limit - start) return 'truncated, or a value longer than the one that contains it';
  return { constructed, start, end: start + length };
}

function identifierDefect(identifier: number, constructed: boolean): string | undefined {
  const number = identifier & 0x1f;
  // node-forge rewrites the content of tag 30 (BMPString) in every class; no accepted format uses it.
  if (number >= BMP_STRING) return `a tag of number ${number} or more`;
  if ((identifier & 0xc0) !== 0) return undefined;
  if (number === 0) return 'an end-of-contents tag';
  const composed = number === SEQUENCE || number === SET;
  return composed === constructed ? undefined : `a universal tag in the wrong form`;
}
