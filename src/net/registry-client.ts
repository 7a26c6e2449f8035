import { isLoopback } from './address.ts';
import type { Http, HttpRequest, HttpResponse } from './http.ts';
import { type Asked, isCertificateFailure, malformed } from './http-error.ts';
import { type Authenticator, denied, type Place } from './registry-auth.ts';

export interface TransportOptions {
  readonly http: Http;
  readonly authenticator: Authenticator;
  /** Hosts, with their port, that may be asked without TLS. */
  readonly insecure?: readonly string[] | undefined;
}

/** Requests to a registry, signed in as far as it asks for it. */
export interface Transport {
  /** The address of something of a repository: `manifests/<tag>`, `blobs/<digest>`. */
  url(place: Place, path: string, signal: AbortSignal): Promise<URL>;
  /**
   * Sends a request, again with an Authorization when the registry answers 401.
   * @throws StowageError `source-denied` when that is refused, and as `run` does
   */
  send<T extends HttpResponse>(
    request: HttpRequest,
    place: Place,
    signal: AbortSignal,
    run: (request: HttpRequest) => Promise<T>,
  ): Promise<T>;
}

export function createTransport(options: TransportOptions): Transport {
  const { http, authenticator, insecure = [] } = options;
  const bases = new Map<string, Promise<string>>();
  const base = (registry: string, signal: AbortSignal): Promise<string> => {
    const known = bases.get(registry);
    if (known !== undefined) return known;
    const found = findBase(registry, insecure, http, signal);
    bases.set(registry, found);
    found.catch(() => bases.delete(registry));
    return found;
  };
  return {
    url: async ({ registry, repository }, path, signal) =>
      new URL(`${await base(registry, signal)}/v2/${repository}/${path}`),
    send: async (request, place, signal, run) => {
      const known = authenticator.known(place);
      const first = await run({
        ...request,
        authorization: known,
        allow: [...(request.allow ?? []), 401],
      });
      if (first.status !== 401) return first;
      const challenge = { header: challengeOf(first, request), asked: request };
      const authorization = await authenticator.answer(challenge, place, signal);
      const explain: HttpRequest['explain'] = (refusal) =>
        [401, 403].includes(refusal.status)
          ? denied(request, place, authorization.scheme === 'Basic')
          : request.explain?.(refusal);
      return run({ ...request, authorization, explain });
    },
  };
}

function challengeOf({ headers, url }: HttpResponse, request: Asked): string {
  const header = headers.get('www-authenticate');
  if (header === null || url.host !== request.url.host) {
    throw malformed(
      { ...request, url },
      'WWW-Authenticate with status 401',
      'none of the registry',
    );
  }
  return header;
}

/**
 * https, always; except that a registry of this machine, or one named insecure, may turn out to speak no TLS. A
 * certificate that does not hold is an error there too.
 */
async function findBase(
  registry: string,
  insecure: readonly string[],
  http: Http,
  signal: AbortSignal,
): Promise<string> {
  const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
  const secure = `https://${host}`;
  if (!isLoopback(new URL(secure).hostname) && !insecure.includes(registry)) return secure;
  const url = new URL(`${secure}/v2/`);
  try {
    await http.request({ what: `the registry ${registry}`, url, tries: 1 }, signal);
    return secure;
  } catch (error) {
    if (signal.aborted) throw error;
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause === undefined) return secure; // a status, whatever it is, came over TLS
    if (isCertificateFailure(cause)) throw error;
    return `http://${host}`;
  }
}
