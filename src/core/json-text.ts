import { MAX_JSON_DEPTH } from './limits.ts';

const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g;

/**
 * What `JSON.parse` takes without a word and readers take differently: a member that one object has twice, of which it
 * keeps the last, and values nested too deep. Undefined when there is none. Names are compared as they read, whatever
 * escapes they are written with.
 * @param text JSON that `JSON.parse` reads
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
