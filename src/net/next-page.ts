import { type Asked, malformed } from './http-error.ts';

/**
 * The next page of a listing (RFC 8288): this page's address with the query of the link. Undefined for the last.
 * @param page the address of this page
 * @param sameHost refuses a link to another host; otherwise the host of the link is ignored, as a mirror may not know
 * the name by which clients reach it
 * @throws StowageError `source-malformed`, also for a link to the same page
 */
export function nextPage(
  page: URL,
  link: string | null,
  asked: Asked,
  { sameHost = false }: { sameHost?: boolean } = {},
): URL | undefined {
  if (link === null) return undefined;
  for (const [, target, parameters = ''] of link.matchAll(/<([^>]*)>((?:\s*;[^,<]*)*)/g)) {
    if (!/;\s*rel\s*=\s*"?next"?\s*(;|$)/i.test(parameters)) continue;
    const named = URL.parse(target ?? '', page.href);
    if (sameHost && named !== null && named.host !== page.host) {
      throw malformed(asked, {
        expected: `a next page at ${page.host}`,
        found: `one at ${named.host}`,
      });
    }
    const next = new URL(page);
    next.search = named?.search ?? '';
    if (named !== null && next.href !== page.href) return next;
    throw malformed(asked, {
      expected: 'a link to the next page',
      found: 'a link to the same page',
    });
  }
  return undefined;
}
