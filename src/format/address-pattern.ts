/** Patterns of addresses and networks for JSON Schemas, whose editors know no function that reads one. */

const OCTET = '(?:25[0-5]|(?:2[0-4]|1\\d|[1-9]?)\\d)';
const IPV4: string = `${OCTET}(?:\\.${OCTET}){3}`;
const WORD = '[0-9A-Fa-f]{1,4}';
const WORDS = 8;
/** RFC 4291, section 2.2: the last two words may be an IPv4 address, and `::` stands for one word or more. */
const IPV6: string = [
  `(?:${WORD}:){6}(?:${WORD}:${WORD}|${IPV4})`,
  ...Array.from({ length: WORDS }, (_, before) => `${wordsBefore(before)}::${wordsAfter(before)}`),
].join('|');

function wordsBefore(count: number): string {
  return count === 0 ? '' : `${WORD}(?::${WORD}){${count - 1}}`;
}

function wordsAfter(before: number): string {
  const most = WORDS - 1 - before;
  const words = `(?:${WORD}:){0,${most - 1}}${WORD}`;
  if (most === 0) return '';
  return most === 1 ? `(?:${WORD})?` : `(?:${words}|(?:${WORD}:){0,${most - 2}}${IPV4})?`;
}

/** An address of IPv4 or IPv6 without a zone. */
export const addressPattern: string = `(?:${IPV4}|${IPV6})`;

/** An address, or a network in CIDR notation (RFC 4632). */
export const placePattern: string = `(?:${IPV4}(?:\\/(?:3[0-2]|[12]?\\d))?|(?:${IPV6})(?:\\/(?:12[0-8]|1[01]\\d|[1-9]?\\d))?)`;
