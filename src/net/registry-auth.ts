import { StowageError } from '../core/error.ts';
import { fieldsOf, textOf } from '../core/json.ts';
import { MIB } from '../core/limits.ts';
import { isLoopback, pointsToLocal } from './address.ts';
import type { Credential } from './credential-file.ts';
import type { Authorization, Http, HttpRequest } from './http.ts';
import { type Asked, malformed, parseRemote } from './http-response.ts';
import type { CredentialStore } from './registry-credentials.ts';
import { Secret } from './secret.ts';

const MAX_TOKEN_BYTES: number = MIB;
/** What a token service that does not say grants (distribution token specification). */
const DEFAULT_LIFE_SECONDS = 60;
/** A token is not used in the last seconds of its life. */
const MARGIN_SECONDS = 10;

/** A repository of a registry. */
export interface Place {
  readonly registry: string;
  readonly repository: string;
}

/** What a request may do there: read, unless it says more. */
export interface Scope extends Place {
  readonly write?: boolean;
  /** A repository of the same registry that a blob is mounted from. */
  readonly mountFrom?: string | undefined;
}

export interface Authenticator {
  /** The last answer to a challenge for this scope, while it is valid. */
  known(scope: Scope): Authorization | undefined;
  /**
   * Answers the WWW-Authenticate header of a registry's 401: with an access token for this scope, fetched with or without
   * credentials, or with the credentials themselves.
   * @throws StowageError `source-denied` or, to write, `registry-denied`; `source-malformed`
   */
  answer(
    challenge: { readonly header: string; readonly asked: Asked },
    scope: Scope,
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
  const keyOf = (scope: Scope): string => [scope.registry, ...scopesOf(scope)].join(' ');
  return {
    known: (scope) => {
      const entry = held.get(keyOf(scope));
      return entry !== undefined && now() < entry.until ? entry.authorization : undefined;
    },
    answer: async ({ header, asked }, scope, signal) => {
      const challenges = parseChallenges(header);
      const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
      const basic = challenges.some(({ scheme }) => scheme === 'basic');
      if (bearer === undefined && !basic) {
        throw malformed(asked, {
          expected: 'a Bearer or Basic challenge with status 401',
          found: 'neither',
        });
      }
      const credential = await credentials.find(scope.registry, scope.repository, signal);
      if (bearer === undefined) {
        if (credential?.kind !== 'basic') throw unsigned(asked, scope);
        const authorization = basicOf(credential);
        held.set(keyOf(scope), { authorization, until: Number.POSITIVE_INFINITY });
        return authorization;
      }
      const request = tokenRequest(bearer.parameters, scope, asked, credential);
      const { bytes } = await http.read(request, MAX_TOKEN_BYTES, signal);
      const { token, seconds } = readToken(bytes, request);
      const authorization: Authorization = { scheme: 'Bearer', secret: token };
      const until = now() + (seconds - MARGIN_SECONDS) * 1000;
      held.set(keyOf(scope), { authorization, until });
      return authorization;
    },
  };
}

/** Our own words, not those of the challenge: a registry may not widen what its token can do elsewhere. */
function scopesOf({ repository, write, mountFrom }: Scope): string[] {
  return [
    `repository:${repository}:${write ? 'pull,push' : 'pull'}`,
    ...(mountFrom === undefined ? [] : [`repository:${mountFrom}:pull`]),
  ];
}

/** Distribution's token specification; with an identity token, its OAuth2 form. */
function tokenRequest(
  parameters: ReadonlyMap<string, string>,
  scope: Scope,
  asked: Asked,
  credential: Credential | undefined,
): HttpRequest {
  const url = parseRealm(parameters.get('realm') ?? '', asked);
  const service = parameters.get('service');
  const scopes = scopesOf(scope);
  const what = `a token for ${scope.registry}/${scope.repository}`;
  const explain = (): StowageError => denied(asked, scope, credential !== undefined);
  if (credential?.kind === 'identity') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      service: service ?? scope.registry,
      client_id: 'stowage',
      scope: scopes.join(' '),
      refresh_token: credential.token.reveal(),
    });
    return { what, url, method: 'POST', form, explain: refusals(explain) };
  }
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.delete('scope');
  for (const each of scopes) url.searchParams.append('scope', each);
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
    throw malformed(asked, {
      expected: 'the address of its token service',
      found: 'something else',
    });
  }
  const near = isLoopback(url.hostname) && isLoopback(asked.url.hostname);
  if ((plain && asked.url.protocol === 'https:' && !near) || pointsToLocal(url, asked.url)) {
    throw malformed(asked, {
      expected: 'a token service at an https address elsewhere',
      found: `${url.protocol}// at ${url.host}`,
    });
  }
  return url;
}

function readToken(bytes: Buffer, asked: Asked): { token: Secret; seconds: number } {
  const answer = fieldsOf(parseRemote(bytes, asked));
  const text = textOf(answer['token'] || answer['access_token'], MAX_TOKEN_BYTES);
  if (text === undefined || !/^[\x21-\x7e]+$/.test(text)) {
    throw malformed(asked, { expected: 'a token', found: 'none that a header can carry' });
  }
  const life = answer['expires_in'];
  const seconds = typeof life === 'number' && life > 0 ? life : DEFAULT_LIFE_SECONDS;
  return { token: new Secret(text), seconds };
}

function basicOf(credential: Extract<Credential, { kind: 'basic' }>): Authorization {
  const pair = `${credential.username}:${credential.password.reveal()}`;
  return { scheme: 'Basic', secret: new Secret(Buffer.from(pair).toString('base64')) };
}

function unsigned({ what, url }: Asked, { registry, write }: Scope): StowageError {
  const code = write ? 'registry-denied' : 'source-denied';
  return new StowageError(code, `${registry} asks for credentials for ${what}`, {
    expected: `credentials for ${url.host}`,
    found: 'none',
    hint: `sign in with podman login ${registry} or docker login ${registry}`,
  });
}

/** The error for a refusal by a registry or its token service, which answers the same for absent and for private. */
export function denied({ what }: Asked, scope: Scope, signedIn: boolean): StowageError {
  const { registry, repository, write } = scope;
  const signIn = `sign in with podman login ${registry} or docker login ${registry}`;
  if (write) {
    return new StowageError('registry-denied', `${registry} refused to write ${what}`, {
      expected: `credentials of a user who may push to ${repository}`,
      found: signedIn ? 'a user who may not' : 'none, or a user who may not',
      hint: `${signIn}; in Harbor, create the project first`,
    });
  }
  return new StowageError('source-denied', `${registry} refused access to ${what}`, {
    expected: `a repository ${repository} that ${signedIn ? 'your user' : 'anybody'} may read`,
    found: 'one that is absent, or private',
    hint: signedIn
      ? `check its spelling, and that your user at ${registry} may read it`
      : `check its spelling; if it is private, ${signIn}`,
  });
}

/** One way to sign in that a server offers in WWW-Authenticate (RFC 9110, 11.6.1). */
interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** By lower-case name. */
  readonly parameters: ReadonlyMap<string, string>;
}

const PARAMETER = /([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;
const SCHEME = /([A-Za-z][A-Za-z0-9-]*)(?=\s|,|$)/y;
const GAP = /[\s,]*/y;

/** Reads every challenge of a header; what cannot be read ends the list. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let position = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position;
    const match = pattern.exec(header);
    if (match !== null) position = pattern.lastIndex;
    return match;
  };
  for (;;) {
    take(GAP);
    const parameter = take(PARAMETER);
    if (parameter !== null) {
      const [, name = '', quoted, plain = ''] = parameter;
      const value = quoted?.replace(/\\(.)/g, '$1') ?? plain;
      challenges.at(-1)?.parameters.set(name.toLowerCase(), value);
      continue;
    }
    const scheme = take(SCHEME);
    if (scheme === null) return challenges;
    challenges.push({ scheme: (scheme[1] ?? '').toLowerCase(), parameters: new Map() });
  }
}
