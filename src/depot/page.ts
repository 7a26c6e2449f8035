/** A page of a sorted list, and whether more follows. */
export interface Page {
  readonly items: readonly string[];
  readonly more: boolean;
}

/**
 * The names after `last`, at most `n` of them (distribution specification, "Content discovery").
 * Undefined if `n` is not a number.
 */
export function pageOf(names: readonly string[], query: URLSearchParams): Page | undefined {
  const n = query.get('n');
  if (n !== null && !/^[0-9]{1,9}$/.test(n)) return undefined;
  const last = query.get('last') ?? '';
  const rest = [...names].sort(bytewise).filter((name) => bytewise(name, last) > 0);
  const items = n === null ? rest : rest.slice(0, Number(n));
  return { items, more: items.length > 0 && items.length < rest.length };
}

/** The `Link` header to the next page, if there is one. */
export function nextLink(path: string, page: Page): { Link?: string } {
  const last = page.items.at(-1);
  if (!page.more || last === undefined) return {};
  const query = new URLSearchParams({ n: String(page.items.length), last });
  return { Link: `<${path}?${query}>; rel="next"` };
}

function bytewise(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
