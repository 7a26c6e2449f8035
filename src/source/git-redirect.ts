import { redactUrl } from '../net/address.ts';
import type { Http } from '../net/http.ts';
import type { Secret } from '../net/secret.ts';

const QUESTION = '/info/refs';

/**
 * Where a repository is that wants a password. Git, led to another host, sends it the Authorization that was for the
 * first; so what it would be told is asked here, by the rules of our client, and git then follows nothing.
 * @returns where it is asked for in the end, also where that refuses: git says why
 * @throws StowageError `source-unreachable`, `source-malformed`, `interrupted`
 */
export async function settleRepository(
  url: string,
  secret: Secret,
  http: Http,
  signal: AbortSignal,
): Promise<string> {
  const { url: found, body } = await http.request(
    {
      what: redactUrl(new URL(url)),
      url: new URL(`${url}${QUESTION}?service=git-upload-pack`),
      authorization: { scheme: 'Basic', secret },
      allow: [400, 401, 403, 404, 405, 410],
    },
    signal,
  );
  for await (const _ of body) break;
  const isQuestion = found.pathname.endsWith(QUESTION);
  return isQuestion ? `${found.origin}${found.pathname.slice(0, -QUESTION.length)}` : url;
}
