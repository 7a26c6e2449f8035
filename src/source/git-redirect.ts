import { redactUrl } from '../net/address.ts';
import type { Http } from '../net/http.ts';
import type { Secret } from '../net/secret.ts';

const INFO_REFS = '/info/refs';

/**
 * The URL of a password-protected repository after redirects. When git follows a redirect to another host, it also sends
 * the Authorization header there. So redirects are resolved here by our HTTP client, which drops it, and git follows none.
 * @returns the final URL, even if its server refuses access: git then reports why
 * @throws StowageError `source-unreachable`, `source-malformed`, `interrupted`
 */
export async function repositoryUrl(
  url: string,
  secret: Secret,
  http: Http,
  signal: AbortSignal,
): Promise<string> {
  const { url: found, body } = await http.request(
    {
      what: redactUrl(new URL(url)),
      url: new URL(`${url}${INFO_REFS}?service=git-upload-pack`),
      authorization: { scheme: 'Basic', secret },
      allow: [400, 401, 403, 404, 405, 410],
    },
    signal,
  );
  for await (const _ of body) break;
  const isInfoRefs = found.pathname.endsWith(INFO_REFS);
  return isInfoRefs ? `${found.origin}${found.pathname.slice(0, -INFO_REFS.length)}` : url;
}
