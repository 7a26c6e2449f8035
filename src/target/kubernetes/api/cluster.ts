import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError } from '../../../core/error.ts';
import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import { MANAGER } from '../labels.ts';
import { type Connection, type RawRequest, sendOnce } from './connection.ts';
import {
  type ApiFailure,
  apiFailure,
  isMissingApi,
  type RawResponse,
  refusedRequest,
} from './failure.ts';
import { groupOf, type Kind, kinds, pathOf } from './kinds.ts';
import { Outages } from './outages.ts';

/** How long a server is waited for that answered before, and now is down, restarts or is overloaded. */
const PATIENCE_MS = 60_000;
/** How long a server is waited for that this command has not reached yet: nothing was changed. */
const FIRST_PATIENCE_MS = 10_000;
const FIRST_WAIT_MS = 200;
const MAX_WAIT_MS = 5_000;
/** Objects in one page of a list. A ConfigMap can have a megabyte. */
export const PAGE = 500;
const LARGE_PAGE = 25;
/** Characters of the text with which the server continues a list: it holds the name of the last object, and more of some servers. */
const MAX_TOKEN = 65_536;

/** An object as the server returned it. */
export type Found = Readonly<Record<string, unknown>>;

/** An object by its kind and name. */
export interface Named {
  readonly kind: Kind;
  readonly namespace?: string;
  readonly name: string;
}

export interface Selection {
  readonly kind: Kind;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** A field selector. */
  readonly fields?: string;
}

/** Objects that one path lists. */
export interface Collection extends Pick<Selection, 'labels' | 'fields'> {
  /** In messages, such as `list pods`. */
  readonly what: string;
  readonly path: string;
  /** Objects in one page. */
  readonly page: number;
}

/** What only reads needs: the cluster, or an inventory of it. */
export type Reader = Pick<Cluster, 'get' | 'list'>;

/** The result of a request that the server may refuse. */
export type Attempt =
  | { readonly object: Found; readonly failure?: undefined }
  | { readonly failure: ApiFailure; readonly object?: undefined };

/**
 * The API of one cluster. Every request can be repeated, and is: while the server does not answer, is overloaded or restarts, for
 * up to a minute; for ten seconds if it never answered.
 * @throws StowageError from every method: `engine-failed` when the server refuses or stays away, `host-unfit` when the
 * kubeconfig cannot be used, `interrupted`
 */
export class Cluster {
  readonly connection: Connection;
  readonly outages: Outages;
  /** Kinds that this server has in another version only. */
  readonly #versions = new Map<Kind, string>();
  #answered = false;

  /** @param outages where it notes when the server did not serve it */
  constructor(connection: Connection, outages: Outages = new Outages()) {
    this.connection = connection;
    this.outages = outages;
  }

  /** @returns undefined if there is no such object */
  async get(named: Named, signal: AbortSignal): Promise<Found | undefined> {
    const answer = await this.tryGet(named, signal);
    if (answer.failure?.status === 404) return undefined;
    return required(answer, `read ${said(named.kind, named.namespace, named.name)}`);
  }

  /** {@link get}, where a refusal is a result. */
  async tryGet({ kind, namespace, name }: Named, signal: AbortSignal): Promise<Attempt> {
    const what = `read ${said(kind, namespace, name)}`;
    return this.#sendAt(kind, signal, (apiVersion) =>
      this.send(what, {
        ...{ method: 'GET', signal },
        path: pathOf(kind, namespace, name, apiVersion),
      }),
    );
  }

  /** Any GET that has no object, such as `/version`. */
  async read(path: string, signal: AbortSignal): Promise<Found> {
    return required(
      await this.send(`read ${path}`, { method: 'GET', path, signal }),
      `read ${path}`,
    );
  }

  /** Whether the server has a kind, in the version that Stowage speaks. */
  async hasKind(kind: Kind, signal: AbortSignal): Promise<boolean> {
    const { apiVersion, plural } = kinds[kind];
    const path = `/apis/${apiVersion}`;
    const answer = await this.send(`read ${path}`, { method: 'GET', path, signal });
    if (answer.failure?.status === 404) return false;
    const { resources } = required(answer, `read ${path}`);
    return listOf(resources).some(({ name }) => name === plural);
  }

  /** The clock of the API server, to a second; undefined if it does not say it. */
  async time(signal: AbortSignal): Promise<Date | undefined> {
    const response = await sendOnce(this.connection, { method: 'GET', path: '/version', signal });
    const time = new Date(response?.date ?? '');
    return Number.isNaN(time.getTime()) ? undefined : time;
  }

  /** Every object of a kind that is selected, in pages. */
  async *list(selection: Selection, signal: AbortSignal): AsyncGenerator<Found> {
    const { kind, namespace, ...selectors } = selection;
    const what = `list ${said(kind, namespace)}`;
    const page = kind === 'ConfigMap' ? LARGE_PAGE : PAGE;
    yield* this.pages({ what, path: pathOf(kind, namespace), page, ...selectors }, signal);
  }

  /** The selected objects of a collection, whatever kind it is of. */
  async *pages(collection: Collection, signal: AbortSignal): AsyncGenerator<Found> {
    const { what, labels = {}, fields } = collection;
    const selectors = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    let token = '';
    for (;;) {
      const query = new URLSearchParams({
        limit: String(collection.page),
        ...(selectors.length === 0 ? {} : { labelSelector: selectors.join(',') }),
        ...(fields === undefined ? {} : { fieldSelector: fields }),
        ...(token === '' ? {} : { continue: token }),
      });
      const path = `${collection.path}?${query}`;
      const answer = await this.send(what, { method: 'GET', path, signal });
      // 410: the list expired between two pages. Its objects may repeat, which callers tolerate.
      if (answer.failure?.status === 410 && token !== '') {
        token = '';
        continue;
      }
      const page = required(answer, what);
      yield* listOf(page['items']);
      token = textOf(fieldsOf(page['metadata'])['continue'], MAX_TOKEN) ?? '';
      if (token === '') return;
    }
  }

  /** Server-side apply by the field manager `stowage`, never forced. */
  async apply(object: KubernetesObject, signal: AbortSignal): Promise<Found> {
    return required(await this.tryApply(object, signal), `apply ${objectText(object)}`);
  }

  /** {@link apply}, where a refusal is a result. With `dryRun` the server validates and admits, and stores nothing. */
  async tryApply(
    object: KubernetesObject,
    signal: AbortSignal,
    { dryRun = false }: { readonly dryRun?: boolean } = {},
  ): Promise<Attempt> {
    const { name, namespace } = object.metadata;
    const path = pathOf(object.kind as Kind, namespace, name);
    return this.applyAt({ what: `apply ${objectText(object)}`, path, dryRun }, object, signal);
  }

  /** {@link tryApply} of an object whose path is known, whatever kind it is of. */
  async applyAt(
    {
      what,
      path,
      dryRun,
    }: { readonly what: string; readonly path: string; readonly dryRun: boolean },
    object: KubernetesObject,
    signal: AbortSignal,
  ): Promise<Attempt> {
    const query = new URLSearchParams({
      fieldManager: MANAGER,
      fieldValidation: 'Strict',
      ...(dryRun ? { dryRun: 'All' } : {}),
    });
    return this.send(what, {
      method: 'PATCH',
      path: `${path}?${query}`,
      contentType: 'application/apply-patch+yaml',
      body: JSON.stringify(object),
      signal,
    });
  }

  /** Creates an object that the server answers itself, such as a review of access. */
  async create(path: string, object: object, signal: AbortSignal): Promise<Attempt> {
    return this.send(`create ${path}`, {
      ...{ method: 'POST', path, signal },
      contentType: 'application/json',
      body: JSON.stringify(object),
    });
  }

  /**
   * Deletes an object and what it owns; one that is not there is no failure.
   * @param atOnce for a pod: the object goes without waiting for its node, which ends the processes in its own time
   */
  async remove(
    { kind, namespace, name }: Named,
    signal: AbortSignal,
    { atOnce = false }: { readonly atOnce?: boolean } = {},
  ): Promise<void> {
    const what = `delete ${said(kind, namespace, name)}`;
    const answer = await this.#sendAt(kind, signal, (apiVersion) =>
      this.send(what, {
        ...{ method: 'DELETE', signal },
        path: pathOf(kind, namespace, name, apiVersion),
        contentType: 'application/json',
        body: JSON.stringify({
          propagationPolicy: 'Background',
          ...(atOnce ? { gracePeriodSeconds: 0 } : {}),
        }),
      }),
    );
    if (answer.failure?.status === 404) return;
    required(answer, what);
  }

  /** Text, such as a log; `onBytes` receives it as it comes, until it ends or the signal is aborted. */
  async text(
    path: string,
    signal: AbortSignal,
    onBytes?: (bytes: Uint8Array) => void,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const response = await sendOnce(this.connection, {
      ...{ method: 'GET', path, signal },
      ...(onBytes === undefined ? {} : { onBytes }),
    });
    return { status: response?.status ?? 0, text: response?.body ?? '' };
  }

  /**
   * A request for objects of a kind. A server that no longer has the version that created them has them in another version:
   * what an earlier version of Stowage installed can still be read and removed.
   */
  async #sendAt(
    kind: Kind,
    signal: AbortSignal,
    send: (apiVersion: string) => Promise<Attempt>,
  ): Promise<Attempt> {
    const { apiVersion } = kinds[kind];
    const known = this.#versions.get(kind) ?? apiVersion;
    const answer = await send(known);
    if (answer.failure === undefined || !isMissingApi(answer.failure) || known !== apiVersion)
      return answer;
    const other = await this.#otherVersion(kind, signal);
    if (other === undefined) return answer;
    this.#versions.set(kind, other);
    return send(other);
  }

  async #otherVersion(kind: Kind, signal: AbortSignal): Promise<string | undefined> {
    const ask = (path: string): Promise<Attempt> =>
      this.send(`read ${path}`, { method: 'GET', path, signal });
    const group = await ask(`/apis/${groupOf(kind)}`);
    for (const { groupVersion } of listOf(group.object?.['versions']).slice(0, 20)) {
      const version = textOf(groupVersion) ?? '';
      const { object } = await ask(`/apis/${version}`);
      const has = listOf(object?.['resources']).some(({ name }) => name === kinds[kind].plural);
      if (has && version !== kinds[kind].apiVersion) return version;
    }
    return undefined;
  }

  /** A request for objects of any kind, where a refusal is a result. `what` is what is requested, such as `read Lease a/b`. */
  async send(what: string, request: RawRequest): Promise<Attempt> {
    const began = performance.now();
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, MAX_WAIT_MS)) {
      const sent = performance.now();
      const response = await sendOnce(this.connection, request);
      const answer = response === undefined ? undefined : attemptOf(response);
      if (answer !== undefined) this.#answered = true;
      if (answer !== undefined && !isTransient(answer)) {
        this.outages.answered(sent);
        return answer;
      }
      this.outages.failed(began, answer?.failure?.message ?? 'the API server does not answer');
      const pause = Math.max(wait, (answer?.failure?.retryAfter ?? 0) * 1000);
      const patience = this.#answered ? PATIENCE_MS : FIRST_PATIENCE_MS;
      if (performance.now() - began + pause > patience) {
        if (answer !== undefined) return answer;
        throw absent(what, this.connection.server, performance.now() - began);
      }
      await sleep(pause, undefined, { signal: request.signal }).catch(() => {});
    }
  }
}

function attemptOf(response: RawResponse): Attempt {
  const { status, body } = response;
  if (status >= 200 && status < 300) {
    try {
      return { object: fieldsOf(JSON.parse(body)) };
    } catch {
      return { failure: apiFailure({ status: 502, body: 'the answer is not JSON' }) };
    }
  }
  return { failure: apiFailure(response) };
}

/** Whether the same request may succeed later. A webhook that fails is 500, and not worth a minute. */
function isTransient({ failure }: Attempt): boolean {
  if (failure === undefined) return false;
  const { status, message } = failure;
  return [429, 502, 503, 504].includes(status) || (status === 500 && /etcd/.test(message));
}

/** @throws StowageError `engine-failed` for a refusal */
export function required(answer: Attempt, what: string): Found {
  if (answer.failure !== undefined) throw refusedRequest(what, answer.failure);
  return answer.object;
}

function absent(what: string, server: string, waited: number): StowageError {
  return new StowageError('engine-failed', `the API server does not answer: cannot ${what}`, {
    expected: `an answer of ${server}`,
    found: `none within ${Math.round(waited / 1000)} s`,
    hint: 'check the control plane of the cluster and the network to it; then run the same command again',
  });
}

function said(kind: Kind, namespace: string | undefined, name?: string): string {
  const where = namespace === undefined ? '' : `${namespace}/`;
  return name === undefined
    ? `${kind}s in ${namespace ?? 'the cluster'}`
    : `${kind} ${where}${name}`;
}

/** An object in messages. */
export function objectText({ kind, metadata: { namespace, name } }: KubernetesObject): string {
  return said(kind as Kind, namespace, name);
}
