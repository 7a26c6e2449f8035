import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import { MANAGER } from '../labels.ts';
import { type Attempt, type Cluster, type Found, PAGE, required } from './cluster.ts';
import { refusedRequest } from './failure.ts';

/** A kind of object as the server has it. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  /** Such as `deployments`. */
  readonly plural: string;
  readonly namespaced: boolean;
}

/** Versions of a group that are looked through for a kind. */
const MAX_VERSIONS = 20;

/**
 * The kinds that a server has: each version of a group is read when a kind of it is first needed. A kind that is missing is
 * looked for again, because a definition may have been made since.
 */
export class Resources {
  readonly #cluster: Cluster;
  readonly #versions = new Map<string, Promise<readonly Resource[]>>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** @returns undefined for a kind that the server does not have in this version */
  async find(apiVersion: string, kind: string, signal: AbortSignal): Promise<Resource | undefined> {
    const known = await this.version(apiVersion, signal);
    const found = known.find((each) => each.kind === kind);
    if (found === undefined) this.#versions.delete(apiVersion);
    return found;
  }

  /** {@link find} in any version of the group: what an earlier release made can still be read and removed. */
  async findAny(
    apiVersion: string,
    kind: string,
    signal: AbortSignal,
  ): Promise<Resource | undefined> {
    const found = await this.find(apiVersion, kind, signal);
    if (found !== undefined || !apiVersion.includes('/')) return found;
    const path = `/apis/${apiGroup(apiVersion)}`;
    const group = await this.#cluster.send(`read ${path}`, { method: 'GET', path, signal });
    for (const { groupVersion } of listOf(group.object?.['versions']).slice(0, MAX_VERSIONS)) {
      const other = textOf(groupVersion) ?? '';
      if (other === apiVersion) continue;
      const its = await this.find(other, kind, signal);
      if (its !== undefined) return its;
    }
    return undefined;
  }

  /** Every kind of a version; none for a version that the server does not have. */
  async version(apiVersion: string, signal: AbortSignal): Promise<readonly Resource[]> {
    const known = this.#versions.get(apiVersion) ?? this.#read(apiVersion, signal);
    this.#versions.set(apiVersion, known);
    try {
      const found = await known;
      if (found.length === 0) this.#versions.delete(apiVersion);
      return found;
    } catch (error) {
      this.#versions.delete(apiVersion);
      throw error;
    }
  }

  async #read(apiVersion: string, signal: AbortSignal): Promise<readonly Resource[]> {
    const path = rootOf(apiVersion);
    const { object, failure } = await this.#cluster.send(`read ${path}`, {
      ...{ method: 'GET', path, signal },
    });
    if (failure?.status === 404) return [];
    if (failure !== undefined) throw refusedRequest(`read ${path}`, failure);
    return listOf(object['resources']).flatMap(({ name, kind, namespaced }) => {
      const plural = textOf(name) ?? '';
      if (plural === '' || plural.includes('/')) return [];
      return [
        { ...{ apiVersion, plural }, kind: textOf(kind) ?? '', namespaced: namespaced === true },
      ];
    });
  }
}

/** The path of a collection, or of one object in it. @param namespace of a namespaced kind; absent for those of all namespaces */
export function resourcePath(
  { apiVersion, plural, namespaced }: Resource,
  namespace: string | undefined,
  name?: string,
): string {
  const within =
    namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const one = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${rootOf(apiVersion)}${within}/${plural}${one}`;
}

/** The group of a version; empty for the core group. */
export function apiGroup(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}

/** Of an object, wherever it is written. */
export interface ObjectPlace {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** A text by which the places of two objects can be compared, whatever version of their group they are written in. */
export function objectKey({ apiVersion, kind, namespace = '', name }: ObjectPlace): string {
  return `${apiGroup(apiVersion)} ${kind} ${namespace} ${name}`;
}

/** The kinds that definitions describe, in each version that they serve. Pure. @param definitions of kind `CustomResourceDefinition` */
export function definedResources(definitions: readonly object[]): Resource[] {
  return definitions.flatMap((definition) => {
    const { group, names, scope, versions } = fieldsOf(fieldsOf(definition)['spec']);
    const { kind, plural } = fieldsOf(names);
    return listOf(versions)
      .filter(({ served }) => served !== false)
      .map(({ name }) => ({
        apiVersion: `${String(group)}/${String(name)}`,
        ...{ kind: String(kind), plural: String(plural), namespaced: scope === 'Namespaced' },
      }));
  });
}

function rootOf(apiVersion: string): string {
  const [group = '', version] = apiVersion.split('/');
  return version === undefined
    ? `/api/${encodeURIComponent(group)}`
    : `/apis/${encodeURIComponent(group)}/${encodeURIComponent(version)}`;
}

/** An object of any kind, where it is. */
export interface Placed {
  readonly resource: Resource;
  readonly namespace?: string;
  readonly name: string;
}

const JSON_TYPE = 'application/json';

/** Objects of any kind that the server has, also those of custom resources. @throws as {@link Cluster} */
export class ObjectApi {
  readonly cluster: Cluster;
  readonly resources: Resources;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.resources = new Resources(cluster);
  }

  /**
   * Where an object is. @param within the namespace of a namespaced object that names none
   * @returns undefined for a kind that the server has in no version
   */
  async place(
    { apiVersion, kind, metadata: { namespace, name } }: KubernetesObject,
    within: string,
    signal: AbortSignal,
  ): Promise<Placed | undefined> {
    const resource = await this.resources.findAny(apiVersion, kind, signal);
    if (resource === undefined) return undefined;
    return { resource, name, ...(resource.namespaced ? { namespace: namespace ?? within } : {}) };
  }

  /** @returns undefined if there is no such object */
  async get(placed: Placed, signal: AbortSignal): Promise<Found | undefined> {
    const answer = await this.tryGet(placed, signal);
    if (answer.failure?.status === 404) return undefined;
    return required(answer, `read ${placedText(placed)}`);
  }

  async tryGet(placed: Placed, signal: AbortSignal): Promise<Attempt> {
    return this.cluster.send(`read ${placedText(placed)}`, {
      ...{ method: 'GET', path: pathTo(placed), signal },
    });
  }

  /** Server-side apply by the field manager `stowage`, never forced. With `dryRun` nothing is stored. */
  async tryApply(
    placed: Placed,
    object: KubernetesObject,
    signal: AbortSignal,
    { dryRun = false }: { readonly dryRun?: boolean } = {},
  ): Promise<Attempt> {
    const path = pathTo(written(placed, object));
    const body = inNamespace(object, placed);
    const what = `apply ${placedText(placed)}`;
    return this.cluster.applyAt({ what, path, dryRun }, body, signal);
  }

  async apply(placed: Placed, object: KubernetesObject, signal: AbortSignal): Promise<Found> {
    return required(await this.tryApply(placed, object, signal), `apply ${placedText(placed)}`);
  }

  /** Changes an object by RFC 6902. @param subresource such as `status` */
  async patch(
    placed: Placed,
    operations: readonly object[],
    signal: AbortSignal,
    subresource?: string,
  ): Promise<Found> {
    const answer = await this.tryPatch(placed, operations, signal, subresource);
    return required(answer, `change ${placedText(placed)}`);
  }

  /** {@link patch}, where a refusal is a result. */
  async tryPatch(
    placed: Placed,
    operations: readonly object[],
    signal: AbortSignal,
    subresource?: string,
  ): Promise<Attempt> {
    return this.cluster.send(`change ${placedText(placed)}`, {
      method: 'PATCH',
      path: `${pathTo(placed)}${subresource === undefined ? '' : `/${subresource}`}?fieldManager=${MANAGER}`,
      contentType: 'application/json-patch+json',
      body: JSON.stringify(operations),
      signal,
    });
  }

  /** Replaces an object, or makes it if `found` is undefined. */
  async put(
    placed: Placed,
    object: object,
    found: Found | undefined,
    signal: AbortSignal,
  ): Promise<Found> {
    const answer = await this.tryPut(placed, object, found, signal);
    return required(answer, `restore ${placedText(placed)}`);
  }

  /** {@link put}, where a refusal is a result. */
  async tryPut(
    placed: Placed,
    object: object,
    found: Found | undefined,
    signal: AbortSignal,
  ): Promise<Attempt> {
    const { resource, namespace } = placed;
    const path = found === undefined ? resourcePath(resource, namespace) : pathTo(placed);
    const answer = await this.cluster.send(`restore ${placedText(placed)}`, {
      method: found === undefined ? 'POST' : 'PUT',
      path: `${path}?fieldManager=${MANAGER}`,
      contentType: JSON_TYPE,
      body: JSON.stringify(object),
      signal,
    });
    // It was made by an attempt whose answer was lost.
    if (answer.failure?.reason === 'AlreadyExists') return this.tryGet(placed, signal);
    return answer;
  }

  /** Deletes an object and what it owns; one that is not there is no failure. */
  async remove(placed: Placed, signal: AbortSignal): Promise<void> {
    const what = `delete ${placedText(placed)}`;
    const answer = await this.cluster.send(what, {
      ...{ method: 'DELETE', path: pathTo(placed), signal },
      contentType: JSON_TYPE,
      body: JSON.stringify({ propagationPolicy: 'Background' }),
    });
    if (answer.failure?.status !== 404) required(answer, what);
  }

  /** The objects of a kind with these labels, in pages. @param namespace absent for those of all namespaces */
  async *list(
    resource: Resource,
    {
      namespace,
      labels = {},
      limit,
    }: {
      readonly namespace?: string | undefined;
      readonly labels?: Readonly<Record<string, string>>;
      /** At most so many; all if absent. */
      readonly limit?: number;
    },
    signal: AbortSignal,
  ): AsyncGenerator<Found> {
    const collection = {
      ...{ what: `list ${resource.plural}`, path: resourcePath(resource, namespace), labels },
      page: Math.min(PAGE, limit ?? PAGE),
    };
    let count = 0;
    for await (const found of this.cluster.pages(collection, signal)) {
      yield found;
      count += 1;
      if (limit !== undefined && count >= limit) return;
    }
  }
}

/** An object in messages, such as `Lease a/b`. */
export function placedText({ resource: { kind }, namespace, name }: Placed): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

/** The {@link objectKey} of a place. */
export function placedKey({ resource: { apiVersion, kind }, namespace, name }: Placed): string {
  return objectKey({ apiVersion, kind, namespace, name });
}

/** The {@link objectKey} of an object that the server has. */
export function foundKey({ apiVersion, kind, metadata }: Found): string {
  const { namespace, name } = fieldsOf(metadata);
  return objectKey({
    ...{ apiVersion: String(apiVersion), kind: String(kind) },
    ...{ namespace: textOf(namespace), name: String(name) },
  });
}

function pathTo({ resource, namespace, name }: Placed): string {
  return resourcePath(resource, namespace, name);
}

/** An object is applied in the version that it was written in, and in no other. */
function written({ resource, ...place }: Placed, { apiVersion }: KubernetesObject): Placed {
  return { ...place, resource: { ...resource, apiVersion } };
}

/** With its namespace or, for an object of the cluster, without one. */
function inNamespace(object: KubernetesObject, { namespace }: Placed): KubernetesObject {
  const { namespace: _, ...metadata } = object.metadata;
  return { ...object, metadata: namespace === undefined ? metadata : { ...metadata, namespace } };
}
