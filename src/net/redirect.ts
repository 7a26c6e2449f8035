import { isLocal, pointsToLocal } from './address.ts';
import { type Asked, malformed } from './http-response.ts';

export const MAX_REDIRECTS = 10;
const WITH_BODY = ['PATCH', 'POST', 'PUT'];

interface Redirectable extends Asked {
  readonly method?: string;
  readonly authorization?: unknown;
  readonly redirected?: boolean | undefined;
}

export function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/**
 * The request that a redirect leads to. Secrets stay with the host that they are for.
 * @throws StowageError `source-malformed` for a redirect of an upload, from https to http, or to this machine
 */
export function follow<T extends Redirectable>(request: T, location: string | null): T {
  const url = location === null ? null : URL.parse(location, request.url.href);
  if (url === null || !/^https?:$/.test(url.protocol) || WITH_BODY.includes(request.method ?? '')) {
    throw malformed(request, {
      expected: 'a response, or a redirect to an http address',
      found: 'another redirect',
    });
  }
  requireSafe(request, url);
  // A user in it would be the server's choice, not ours.
  url.username = '';
  url.password = '';
  if (url.host === request.url.host) return { ...request, url };
  const redirected = request.redirected === true || !isLocal(request.url.hostname);
  return { ...request, url, authorization: undefined, redirected };
}

/**
 * Refuses an address that a server named and that leaves TLS or leads to this machine.
 * @throws StowageError `source-malformed`
 */
export function requireSafe(request: Asked, url: URL): void {
  if (url.protocol === 'http:' && request.url.protocol === 'https:') {
    throw malformed(request, {
      expected: 'an address that stays with https',
      found: `http at ${url.host}`,
    });
  }
  if (pointsToLocal(url, request.url)) {
    throw malformed(request, {
      expected: 'an address of another server',
      found: `this machine or its link: ${url.host}`,
    });
  }
}
