import { isDeepStrictEqual } from 'node:util';
import { type Fields, fieldsOf, listOf, textsOf } from '../../../core/json.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import type { Found } from '../api/cluster.ts';
import { refusedRequest } from '../api/failure.ts';
import { definedResources, type ObjectApi, type Placed, placedText } from '../api/object-api.ts';
import { metadataOf } from '../pods.ts';
import { union, WRITE_ATTEMPTS } from './adopt.ts';

interface VersionWriter {
  readonly api: ObjectApi;
  /** Writes the definition with another version for storage. */
  readonly write: (definition: KubernetesObject) => Promise<unknown>;
}

interface Definition {
  readonly placed: Placed;
  /** As it will be. */
  readonly object: KubernetesObject;
  /** As it is now. */
  readonly found: Found;
}

/**
 * A definition whose newer version stores objects cannot lose that version at once: the earlier one stores them first, and every
 * object is written again. So are the versions in which its fields are managed: the server reads no object with one that is gone.
 */
export async function leaveVersions(
  { api, write }: VersionWriter,
  { placed, object, found }: Definition,
  signal: AbortSignal,
): Promise<void> {
  const stored = textsOf(fieldsOf(found['status'])['storedVersions']);
  const wanted = listOf(fieldsOf(object['spec'])['versions']);
  const names = new Set(wanted.map(({ name }) => String(name)));
  if (stored.every((each) => names.has(each))) return;
  const target = wanted.find(({ storage }) => storage === true);
  const versions = listOf(fieldsOf(found['spec'])['versions']);
  if (target === undefined || !versions.some(({ name }) => name === target['name'])) return;
  const moved = versions.map((each) => ({ ...each, storage: each['name'] === target['name'] }));
  if (!isDeepStrictEqual(moved, versions))
    await write({ ...object, spec: { ...fieldsOf(object['spec']), versions: moved } });
  const resource = definedResources([object]).find(({ apiVersion }) =>
    apiVersion.endsWith(`/${String(target['name'])}`),
  );
  if (resource !== undefined)
    for await (const each of api.list(resource, {}, signal)) {
      const { name, namespace } = metadataOf(each);
      const place = {
        ...{ resource, name: String(name) },
        ...(typeof namespace === 'string' ? { namespace } : {}),
      };
      await storeAgain(api, { placed: place, found: each, names }, signal);
    }
  const kept = [String(target['name'])];
  await api.patch(
    placed,
    [{ op: 'replace', path: '/status/storedVersions', value: kept }],
    signal,
    'status',
  );
}

/** Writes an object in the version that its definition stores, with what its operator writes meanwhile. */
async function storeAgain(
  api: ObjectApi,
  { placed, found, names }: { placed: Placed; found: Found; names: ReadonlySet<string> },
  signal: AbortSignal,
): Promise<void> {
  let now: Found | undefined = found;
  for (let attempt = 1; now !== undefined; attempt += 1) {
    const entries = listOf(metadataOf(now)['managedFields']);
    const managedFields = writtenIn(entries, placed.resource.apiVersion, names);
    const object = { ...now, metadata: { ...metadataOf(now), managedFields } };
    const { failure } = await api.tryPut(placed, object, now, signal);
    if (failure === undefined) return;
    // 404: it was deleted meanwhile.
    if (![404, 409].includes(failure.status) || attempt >= WRITE_ATTEMPTS)
      throw refusedRequest(`store ${placedText(placed)}`, failure);
    now = await api.get(placed, signal);
  }
}

/** Entries of `managedFields` with one version in place of all that a definition does not have. Pure. @param names of its versions */
export function writtenIn(
  entries: readonly Fields[],
  apiVersion: string,
  names: ReadonlySet<string>,
): Fields[] {
  const merged = new Map<string, Fields>();
  for (const entry of entries) {
    const isGone = !names.has(String(entry['apiVersion']).split('/').at(-1) ?? '');
    const each = isGone ? { ...entry, apiVersion } : entry;
    const { manager, operation, subresource } = each;
    const key = JSON.stringify([manager, operation, subresource, each['apiVersion']]);
    const same = merged.get(key);
    const fieldsV1 = union(fieldsOf(same?.['fieldsV1']), fieldsOf(each['fieldsV1']));
    merged.set(key, { ...each, fieldsV1 });
  }
  return [...merged.values()];
}
