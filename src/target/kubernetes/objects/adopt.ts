import { isDeepStrictEqual } from 'node:util';
import { type Fields, fieldsOf, listOf } from '../../../core/fields.ts';
import type { Found } from '../api/cluster.ts';
import type { ObjectApi, Placed } from '../api/object-api.ts';
import { annotations, MANAGER } from '../labels.ts';
import { metadataOf } from '../pods.ts';

/** Members of an object's metadata that the server sets, and that another object must not have. */
const OF_SERVER = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'selfLink',
] as const;

/**
 * Makes Stowage the manager of the fields that Helm or kubectl manage, as kubectl does when an object changes from client-side
 * to server-side apply: the next apply then removes what it does not have, and is not forced. Fields of all other managers
 * stay theirs.
 * @param isForeign whether the object gets the mark of {@link isAdopted}
 */
export async function adopt(
  api: ObjectApi,
  { placed, found, isForeign }: { placed: Placed; found: Found; isForeign: boolean },
  signal: AbortSignal,
): Promise<void> {
  const { resourceVersion, managedFields, annotations: own } = metadataOf(found);
  const managed = adoptedFields(listOf(managedFields));
  const changes = [
    ...(managed === undefined
      ? []
      : [{ op: 'replace', path: '/metadata/managedFields', value: managed }]),
    ...(isForeign && !isAdopted(found)
      ? [
          {
            ...{ op: 'add', path: '/metadata/annotations' },
            value: { ...fieldsOf(own), [annotations.adopted]: 'true' },
          },
        ]
      : []),
  ];
  if (changes.length === 0) return;
  const test = { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion };
  await api.patch(placed, [test, ...changes], signal);
}

/** Whether a release adopted an object that existed before. It stays marked until it is restored. */
export function isAdopted(found: Found): boolean {
  return fieldsOf(metadataOf(found)['annotations'])[annotations.adopted] !== undefined;
}

/** Whether a manager is a program with which a person installs objects. A controller such as Flux's would write them again. */
export function isInstaller(manager: unknown): boolean {
  return /^(?:helm|kubectl)(?:$|-(?!controller$))/.test(String(manager));
}

/** The entries of `managedFields` after {@link adopt}; undefined if they stay as they are. Pure. */
export function adoptedFields(entries: readonly Fields[]): Fields[] | undefined {
  const isTaken = (each: Fields): boolean =>
    isInstaller(each['manager']) && (each['subresource'] ?? '') === '';
  const taken = entries.filter(isTaken);
  const [first] = taken;
  if (first === undefined) return undefined;
  const isOurs = ({ manager, operation }: Fields): boolean =>
    manager === MANAGER && operation === 'Apply';
  const ours = entries.filter(isOurs);
  const fields = [...ours, ...taken].map(({ fieldsV1 }) => fieldsOf(fieldsV1));
  return [
    ...entries.filter((each) => !isTaken(each) && !isOurs(each)),
    {
      ...{ manager: MANAGER, operation: 'Apply', fieldsType: 'FieldsV1' },
      apiVersion: (ours[0] ?? first)['apiVersion'],
      time: first['time'],
      fieldsV1: fields.reduce((all, each) => union(all, each), {}),
    },
  ];
}

/** Restores an adopted object: its content, and who manages which of its fields. One that is gone is created again. */
export async function restoreOriginal(
  api: ObjectApi,
  placed: Placed,
  before: Found,
  signal: AbortSignal,
): Promise<void> {
  const { metadata, ...content } = contentOf(before);
  const now = await api.get(placed, signal);
  const { resourceVersion } = metadataOf(now ?? {});
  const restored = await api.put(
    placed,
    {
      ...content,
      metadata: {
        ...fieldsOf(metadata),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
    },
    now,
    signal,
  );
  const managed = listOf(metadataOf(before)['managedFields']);
  if (managed.length === 0) return;
  await api.patch(
    placed,
    [
      {
        op: 'test',
        path: '/metadata/resourceVersion',
        value: metadataOf(restored)['resourceVersion'],
      },
      { op: 'replace', path: '/metadata/managedFields', value: managed },
    ],
    signal,
  );
}

/** An object without what the server sets. */
function contentOf({ status: _, ...content }: Found): Fields {
  const metadata = Object.entries(metadataOf(content)).filter(
    ([name]) => name !== 'managedFields' && !(OF_SERVER as readonly string[]).includes(name),
  );
  return { ...content, metadata: Object.fromEntries(metadata) };
}

/**
 * Whether {@link restoreOriginal} was interrupted between its two writes: the object is as it was, and Stowage still manages some of its
 * fields. Pure.
 */
export function isHalfRestored(now: Found, before: Found): boolean {
  const manages = (object: Found): boolean =>
    listOf(metadataOf(object)['managedFields']).some(({ manager }) => manager === MANAGER);
  return manages(now) && !manages(before) && isDeepStrictEqual(contentOf(now), contentOf(before));
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

/** Two sets of fields in one (`fieldsV1`). */
function union(a: Fields, b: Fields): Fields {
  const all: Record<string, unknown> = { ...a };
  for (const [name, value] of Object.entries(b))
    all[name] = name in all ? union(fieldsOf(all[name]), fieldsOf(value)) : value;
  return all;
}
