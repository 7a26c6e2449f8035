import { StowageError } from '../core/error.ts';
import { fieldsOf, textOf } from '../core/fields.ts';
import { MIB } from '../core/limits.ts';
import { isLoopback } from './address.ts';
import { parseChallenges } from './challenge.ts';
import type { Authorization, Http, HttpRequest } from './http.ts';
import { type Asked, malformed } from './http-error.ts';
import { leadsInside } from './local-address.ts';
import type { Credential, CredentialStore } from './registry-credentials.ts';
import { parseRemote } from './remote-json.ts';
import { Secret } from './secret.ts';

const MAX_TOKEN_BYTES: number = MIB;
/** What a token service that does not say grants (distribution token specification). */
const DEFAULT_LIFE_SECONDS = 60;
/** A token is not used in the last seconds of its life. */
const MARGIN_SECONDS = 10;

/** Where something lies in a registry. */
export interface Place {
  readonly registry: string;
  readonly repository: string;
}

export interface Authenticator {
  /** What a challenge of this registry was last answered with, while it holds. */
  known(place: Place): Authorization | undefined;
  /**
   * Answers the WWW-Authenticate header of a registry's 401: with an access token for pulling from this repository,
   * fetched with credentials or without, or with the credentials themselves.
   * @throws StowageError `source-denied`, `source-malformed`
   */
  answer(
    challenge: { readonly header: string; readonly asked: Asked },
    place: Place,
    signal: AbortSignal,
  ): Promise<Authorization>;
}

export interface AuthenticatorOptions {
  readonly credentials: CredentialStore;
  readonly http: Http;
  readonly now?: (() => number) | undefined;
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { credentials, http, now = Date.now } = options;
  const held = new Map<string, { authorization: Authorization; until: number }>();
  const keyOf = ({ registry, repository }: Place): string => `${registry}/${repository}`;
  return {
    known: (place) => {
      const entry = held.get(keyOf(place));
      return entry !== undefined && now() < entry.until ? entry.authorization : undefined;
    },
    answer: async ({ header, asked }, place, signal) => {
      const challenges = parseChallenges(header);
      const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
      const basic = challenges.some(({ scheme }) => scheme === 'basic');
      if (bearer === undefined && !basic) {
        throw malformed(asked, 'an offer of Bearer or Basic with status 401', 'none');
      }
      const credential = await credentials.find(place.registry, place.repository, signal);
      if (bearer === undefined) {
        if (credential?.kind !== 'basic') throw unsigned(asked, place);
        const authorization = basicOf(credential);
        held.set(keyOf(place), { authorization, until: Number.POSITIVE_INFINITY });
        return authorization;
      }
      const request = tokenRequest(bearer.parameters, place, asked, credential);
      const { bytes } = await http.read(request, MAX_TOKEN_BYTES, signal);
      const { token, seconds } = readToken(bytes, request);
      const authorization: Authorization = { scheme: 'Bearer', secret: token };
      const until = now() + (seconds - MARGIN_SECONDS) * 1000;
      held.set(keyOf(place), { authorization, until });
      return authorization;
    },
  };
}

/** Distribution's token specification; with an identity token, its OAuth2 form. */
function tokenRequest(
  parameters: ReadonlyMap<string, string>,
  place: Place,
  asked: Asked,
  credential: Credential | undefined,
): HttpRequest {
  const url = parseRealm(parameters.get('realm') ?? '', asked);
  const service = parameters.get('service');
  // Our own words, not the scope of the challenge: a registry may not widen what its token can do elsewhere.
  const scope = `repository:${place.repository}:pull`;
  const what = `a token for ${place.registry}/${place.repository}`;
  const explain = (): StowageError => denied(asked, place, credential !== undefined);
  if (credential?.kind === 'identity') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      service: service ?? place.registry,
      client_id: 'stowage',
      scope,
      refresh_token: credential.token.reveal(),
    });
    return { what, url, method: 'POST', form, explain: refusals(explain) };
  }
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  url.searchParams.set('client_id', 'stowage');
  return {
    what,
    url,
    authorization: credential && basicOf(credential),
    explain: refusals(explain),
  };
}

function refusals(explain: () => StowageError): NonNullable<HttpRequest['explain']> {
  return ({ status }) => ([400, 401, 403, 404].includes(status) ? explain() : undefined);
}

/** The token service is asked by https, unless the registry itself is not. */
function parseRealm(realm: string, asked: Asked): URL {
  const url = URL.parse(realm);
  const plain = url?.protocol === 'http:';
  if (url === null || (!plain && url.protocol !== 'https:') || url.username !== '') {
    throw malformed(asked, 'the address of its token service', 'something else');
  }
  const near = isLoopback(url.hostname) && isLoopback(asked.url.hostname);
  if ((plain && asked.url.protocol === 'https:' && !near) || leadsInside(url, asked.url)) {
    throw malformed(
      asked,
      'a token service at an https address elsewhere',
      `${url.protocol}// at ${url.host}`,
    );
  }
  return url;
}

function readToken(bytes: Buffer, asked: Asked): { token: Secret; seconds: number } {
  const answer = fieldsOf(parseRemote(bytes, asked));
  const text = textOf(answer['token'] || answer['access_token'], MAX_TOKEN_BYTES);
  if (text === undefined || !/^[\x21-\x7e]+$/.test(text)) {
    throw malformed(asked, 'a token', 'none that a header can carry');
  }
  const life = answer['expires_in'];
  const seconds = typeof life === 'number' && life > 0 ? life : DEFAULT_LIFE_SECONDS;
  return { token: new Secret(text), seconds };
}

function basicOf(credential: Extract<Credential, { kind: 'basic' }>): Authorization {
  const pair = `${credential.username}:${credential.password.reveal()}`;
  return { scheme: 'Basic', secret: new Secret(Buffer.from(pair).toString('base64')) };
}

function unsigned({ what, url }: Asked, { registry }: Place): StowageError {
  return new StowageError('source-denied', `${registry} gives ${what} to known users alone`, {
    expected: `credentials for ${url.host}`,
    found: 'none',
    hint: `sign in with podman login ${registry} or docker login ${registry}`,
  });
}

/** The error for a registry, or its token service, that says no. Absent and private look the same to a stranger. */
export function denied({ what }: Asked, place: Place, signedIn: boolean): StowageError {
  const { registry, repository } = place;
  return new StowageError('source-denied', `${registry} does not give ${what}`, {
    expected: `a repository ${repository} that ${signedIn ? 'your user' : 'anybody'} may read`,
    found: 'one that is absent, or private',
    hint: signedIn
      ? `check its spelling, and that your user at ${registry} may read it`
      : `check its spelling; if it is private, sign in with podman login ${registry} or docker login ${registry}`,
  });
}
