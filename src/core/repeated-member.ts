const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g;

/**
 * A member that one object of a JSON text has twice, of which `JSON.parse` keeps the last without a word; undefined
 * when there is none. Names are compared as they read, whatever escapes they are written with.
 * @param text JSON that `JSON.parse` reads
 */
export function repeatedMember(text: string): string | undefined {
  const open: Set<string>[] = [];
  let latest = '""';
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ':') latest = token;
    else {
      const name = String(JSON.parse(latest));
      if (open.at(-1)?.has(name)) return name;
      open.at(-1)?.add(name);
    }
  }
  return undefined;
}
