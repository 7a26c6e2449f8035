import { type IncomingHttpHeaders, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { StowageError, systemCode } from '../core/error.ts';
import { fieldsOf, textOf } from '../core/fields.ts';
import { interrupted } from '../core/interrupted.ts';
import { MIB } from '../core/limits.ts';
import { parseChallenges } from './challenge.ts';
import type { HostTrust } from './host-trust.ts';
import type { CredentialStore } from './registry-credentials.ts';
import type { Secret } from './secret.ts';

const MAX_ANSWER_BYTES: number = MIB;
/** How long a registry may say nothing: it may hash a whole layer before it answers. */
const SILENCE_MS = 600_000;

export interface RegistryClientOptions {
  /** `host` or `host:port`. */
  readonly registry: string;
  readonly plain: boolean;
  readonly credentials: CredentialStore;
  readonly trust: HostTrust;
  readonly signal: AbortSignal;
}

export interface Ask {
  readonly method: 'GET' | 'HEAD' | 'PATCH' | 'POST' | 'PUT';
  /** Of the registry, or where it said that an upload goes on. */
  readonly url: URL;
  /** The repository that is written, and one that is read to mount from. */
  readonly repository: string;
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, or how to open them: once more when the registry wanted a token first. */
  readonly body?: Buffer | { readonly size: number; open(): Readable };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Asks one registry, with the credentials that this machine has for it. */
export class RegistryClient {
  readonly base: URL;
  readonly #options: RegistryClientOptions;
  readonly #held = new Map<string, string>();

  constructor(options: RegistryClientOptions) {
    this.#options = options;
    this.base = new URL(`${options.plain ? 'http' : 'https'}://${options.registry}/v2/`);
  }

  /** @throws StowageError `registry-unreachable`, `registry-denied`, `interrupted`, and those of credentials */
  async ask(ask: Ask): Promise<Answer> {
    const scopes = `${ask.repository} ${ask.from ?? ''}`;
    const first = await this.#send(ask, this.#held.get(scopes));
    if (first.status !== 401 && first.status !== 403) return first;
    const authorization = await this.#authorize(first, ask);
    this.#held.set(scopes, authorization);
    const second = await this.#send(ask, authorization);
    if (second.status !== 401 && second.status !== 403) return second;
    throw this.#denied(ask.repository, `status ${second.status}`);
  }

  async #authorize({ status, headers }: Answer, ask: Ask): Promise<string> {
    const { registry, credentials, signal } = this.#options;
    const challenges = parseChallenges(headers['www-authenticate'] ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    const found = await credentials.find(registry, ask.repository, signal);
    if (bearer === undefined) {
      const basic = challenges.some(({ scheme }) => scheme === 'basic');
      if (basic && found?.kind === 'basic') return basicOf(found.username, found.password);
      throw this.#denied(
        ask.repository,
        found === undefined ? 'no credentials' : `status ${status}`,
      );
    }
    const realm = URL.parse(bearer.parameters.get('realm') ?? '');
    // A password goes where the registry's own connection is no safer, or to https.
    if (realm === null || (realm.protocol !== 'https:' && !this.#options.plain))
      throw this.#denied(ask.repository, 'a token service that is not at an https address');
    const scopes = [
      `repository:${ask.repository}:pull,push`,
      ...(ask.from === undefined ? [] : [`repository:${ask.from}:pull`]),
    ];
    const query = new URLSearchParams(scopes.map((scope): [string, string] => ['scope', scope]));
    query.set('client_id', 'stowage');
    const service = bearer.parameters.get('service');
    if (service !== undefined) query.set('service', service);
    const identity = found?.kind === 'identity' ? found.token : undefined;
    if (identity !== undefined) {
      query.set('grant_type', 'refresh_token');
      query.set('refresh_token', identity.reveal());
    } else realm.search = query.toString();
    const answer = await this.#exchange(
      {
        ...{
          method: identity === undefined ? 'GET' : 'POST',
          url: realm,
          repository: ask.repository,
        },
        ...(identity === undefined
          ? {}
          : {
              headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
              body: Buffer.from(query.toString()),
            }),
      },
      found?.kind === 'basic' ? basicOf(found.username, found.password) : undefined,
    );
    const fields = fieldsOf(parse(answer.body));
    const token = textOf(fields['token'] ?? fields['access_token'], MAX_ANSWER_BYTES);
    if (answer.status === 200 && token !== undefined && /^[\x21-\x7e]+$/.test(token))
      return `Bearer ${token}`;
    throw this.#denied(ask.repository, `no token, status ${answer.status}`);
  }

  async #send(ask: Ask, authorization: string | undefined): Promise<Answer> {
    // Where an upload goes on may be another host's: it gets no credentials of this one.
    return this.#exchange(ask, ask.url.host === this.base.host ? authorization : undefined);
  }

  async #exchange(ask: Ask, authorization: string | undefined): Promise<Answer> {
    const { method, url, body } = ask;
    const { signal, trust } = this.#options;
    const tls = url.protocol === 'https:';
    const size = body === undefined ? 0 : Buffer.isBuffer(body) ? body.length : body.size;
    const request = (tls ? requestTls : requestPlain)(url, {
      ...{ method, signal, timeout: SILENCE_MS },
      // No variable of the environment turns the checks of TLS off.
      ...(tls ? { ...(await trust(url.host)), rejectUnauthorized: true } : {}),
      headers: {
        'User-Agent': 'stowage',
        ...ask.headers,
        ...(method === 'GET' || method === 'HEAD' ? {} : { 'Content-Length': size }),
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
    });
    request.once('timeout', () => request.destroy(new Error('silence')));
    try {
      const answered = new Promise<Answer>((resolve, reject) => {
        request.once('error', reject);
        request.once('response', (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk);
          });
          response.once('error', reject);
          response.once('end', () => {
            const { statusCode: status = 0, headers } = response;
            resolve({ status, headers, body: Buffer.concat(chunks) });
          });
        });
      });
      answered.catch(() => {});
      // A registry may answer before it read all, and close: that answer says more than the broken pipe.
      if (body === undefined || Buffer.isBuffer(body)) request.end(body);
      else await pipeline(body.open(), request).catch(() => {});
      return await answered;
    } catch (cause) {
      if (signal.aborted) throw interrupted(signal);
      throw new StowageError('registry-unreachable', `${url.host} did not answer`, {
        expected: `an answer to ${method} ${url.origin}${url.pathname}`,
        found: systemCode(cause) ?? 'a connection that ended early',
        hint: `check that the registry runs, and run the same command again: what is there is not sent twice`,
        cause,
      });
    }
  }

  #denied(repository: string, found: string): StowageError {
    const { registry } = this.#options;
    return new StowageError('registry-denied', `${registry} lets nobody write to ${repository}`, {
      expected: 'credentials of a user who may push there',
      found,
      hint: `sign in with podman login ${registry} or docker login ${registry}; Harbor wants the project to exist`,
    });
  }
}

function basicOf(username: string, password: Secret): string {
  return `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`;
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
