import { StowageError } from '../core/error.ts';
import { isLocal, isLoopback } from './address.ts';
import type { Http, HttpRefusal, HttpRequest, HttpResponse } from './http.ts';
import { type Asked, isCertificateFailure, isTlsFailure, malformed } from './http-response.ts';
import { requireSafe } from './redirect.ts';
import { createAuthenticator, denied, type Place, type Scope } from './registry-auth.ts';
import type { CredentialStore } from './registry-credentials.ts';

export interface RegistryClientOptions {
  readonly http: Http;
  readonly credentials: CredentialStore;
  /** Hosts, with their port, that may be asked without TLS. This machine's own always may. */
  readonly insecure?: readonly string[] | undefined;
  /** The command line option that adds to them, for hints; `--insecure-registry <registry>` unless said otherwise. */
  readonly plainOption?: string | undefined;
  readonly now?: (() => number) | undefined;
}

/** Requests to OCI registries (distribution-spec 1.1) to read and to write, signed in as far as each registry asks. */
export interface RegistryClient {
  /** The address of something of a repository: `manifests/<tag>`, `blobs/<digest>`. */
  url(place: Place, path: string, signal: AbortSignal): Promise<URL>;
  /**
   * Sends a request by `run`, again with an Authorization when the registry answers 401. An address elsewhere, which
   * the registry named for an upload, gets no credentials.
   * @throws StowageError `source-denied` or, to write, `registry-denied`; `source-malformed`; and as `run` does
   */
  send<T extends HttpResponse>(
    request: HttpRequest,
    scope: Scope,
    signal: AbortSignal,
    run: (request: HttpRequest) => Promise<T>,
  ): Promise<T>;
}

export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const { http, insecure = [] } = options;
  const authenticator = createAuthenticator(options);
  const bases = new Map<string, Promise<URL>>();
  const baseOf = (registry: string, signal: AbortSignal): Promise<URL> => {
    const known = bases.get(registry);
    if (known !== undefined) return known;
    const found = findBase({ registry, insecure, http, signal });
    bases.set(registry, found);
    found.catch(() => bases.delete(registry));
    return found;
  };
  return {
    url: async ({ registry, repository }, path, signal) =>
      new URL(`${repository}/${path}`, await baseOf(registry, signal)),
    send: async (request, scope, signal, send) => {
      const run = (each: HttpRequest): ReturnType<typeof send> =>
        send(each).catch((error: unknown) => {
          throw plainSuggested(error, scope.registry, options);
        });
      const base = await baseOf(scope.registry, signal);
      if (request.url.origin !== base.origin) {
        requireSafe({ what: request.what, url: base }, request.url);
        return run({ ...request, redirected: !isLocal(base.hostname) });
      }
      const explain =
        (signedIn: boolean) =>
        (refusal: HttpRefusal): StowageError | undefined =>
          [401, 403].includes(refusal.status)
            ? denied(request, scope, signedIn)
            : request.explain?.(refusal);
      const known = authenticator.known(scope);
      const first = await run({
        ...request,
        authorization: known,
        allow: [...(request.allow ?? []), 401],
        explain: explain(known?.scheme === 'Basic'),
      });
      if (first.status !== 401) return first;
      const challenge = { header: challengeOf(first, request), asked: request };
      const authorization = await authenticator.answer(challenge, scope, signal);
      return run({ ...request, authorization, explain: explain(authorization.scheme === 'Basic') });
    },
  };
}

/** An error that names the option for a registry that seems to serve plain HTTP. */
function plainSuggested(
  error: unknown,
  registry: string,
  { plainOption = `--insecure-registry ${registry}` }: RegistryClientOptions,
): unknown {
  if (!(error instanceof StowageError) || !isTlsFailure(error.cause)) return error;
  const { code, message, expected = '', found = '', cause } = error;
  const hint = `if ${registry} serves plain HTTP, allow it with ${plainOption}; otherwise check its port`;
  return new StowageError(code, message, { expected, found, hint, cause });
}

function challengeOf({ headers, url }: HttpResponse, request: Asked): string {
  const header = headers.get('www-authenticate');
  if (header === null || url.host !== request.url.host) {
    throw malformed(
      { ...request, url },
      { expected: 'WWW-Authenticate with status 401', found: 'none of the registry' },
    );
  }
  return header;
}

/**
 * https, always; except that a registry of this machine, or one named insecure, may turn out not to speak TLS. An
 * invalid certificate is an error there too.
 */
async function findBase({
  registry,
  insecure,
  http,
  signal,
}: {
  readonly registry: string;
  readonly insecure: readonly string[];
  readonly http: Http;
  readonly signal: AbortSignal;
}): Promise<URL> {
  const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
  const url = new URL(`https://${host}/v2/`);
  if (!isLoopback(url.hostname) && !insecure.includes(registry)) return url;
  try {
    await http.request({ what: `the registry ${registry}`, url, tries: 1 }, signal);
    return url;
  } catch (error) {
    if (signal.aborted) throw error;
    // Without a cause it is about a status, which came over TLS.
    if (!(error instanceof StowageError) || error.cause === undefined) return url;
    if (isCertificateFailure(error.cause)) throw error;
    return new URL(`http://${host}/v2/`);
  }
}
