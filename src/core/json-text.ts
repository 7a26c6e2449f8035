import { MAX_JSON_DEPTH } from './limits.ts';

const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g;

/**
 * What `JSON.parse` accepts silently and other parsers treat differently: a duplicate member, of which it keeps the last,
 * and values nested too deep. Undefined if there is neither. Names are compared after their escapes are decoded.
 * @param text JSON that `JSON.parse` accepts
 */
export function jsonTextDefect(text: string): string | undefined {
  const open: Set<string>[] = [];
  let latest = '""';
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ':') latest = token;
    else {
      const name = String(JSON.parse(latest));
      if (open.at(-1)?.has(name)) return `${JSON.stringify(name.slice(0, 64))} twice in one object`;
      open.at(-1)?.add(name);
    }
    if (open.length > MAX_JSON_DEPTH) return `more than ${MAX_JSON_DEPTH} levels`;
  }
  return undefined;
}
