import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import type { Cluster } from './cluster.ts';
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
