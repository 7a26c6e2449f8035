import { type Fields, fieldsOf, listOf } from '../../../core/fields.ts';
import type { Found } from '../api/cluster.ts';
import type { ObjectApi, Placed } from '../api/object-api.ts';
import { MANAGER } from '../labels.ts';
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
 */
export async function takeOver(
  api: ObjectApi,
  placed: Placed,
  found: Found,
  signal: AbortSignal,
): Promise<void> {
  const { resourceVersion } = metadataOf(found);
  const entries = listOf(metadataOf(found)['managedFields']);
  const managed = takenOver(entries);
  if (managed === undefined) return;
  await api.patch(
    placed,
    [
      { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
      { op: 'replace', path: '/metadata/managedFields', value: managed },
    ],
    signal,
  );
}

/** Whether a manager is a program with which a person installs objects. A controller such as Flux's would write them again. */
export function isInstaller(manager: unknown): boolean {
  return /^(?:helm|kubectl)(?:$|-(?!controller$))/.test(String(manager));
}

/** The entries of `managedFields` after {@link takeOver}; undefined if they stay as they are. Pure. */
export function takenOver(entries: readonly Fields[]): Fields[] | undefined {
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

/** Gives an object back as it was: its content, and who manages which of its fields. One that is gone is made again. */
export async function giveBack(
  api: ObjectApi,
  placed: Placed,
  before: Found,
  signal: AbortSignal,
): Promise<void> {
  const { status: _, ...content } = before;
  const metadata = Object.fromEntries(
    Object.entries(metadataOf(before)).filter(
      ([name]) => name !== 'managedFields' && !(OF_SERVER as readonly string[]).includes(name),
    ),
  );
  const now = await api.get(placed, signal);
  const { resourceVersion } = metadataOf(now ?? {});
  const restored = await api.put(
    placed,
    {
      ...content,
      metadata: { ...metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
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
