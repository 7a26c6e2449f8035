import { type Fields, fieldsOf, listOf } from '../../../core/json.ts';
import type { Found } from '../api/cluster.ts';
import type { ObjectApi, Placed } from '../api/object-api.ts';
import { annotations, MANAGER } from '../labels.ts';
import { metadataOf } from '../pods.ts';
import { patchContent } from './patch-content.ts';

/**
 * Makes Stowage the manager of the fields that Helm or kubectl manage, as kubectl does when an object changes from client-side
 * to server-side apply: the next apply then removes what it does not have, and is not forced. Fields of all other managers
 * stay theirs.
 * @param isForeign whether the object gets the mark of {@link isAdopted}
 * @throws StowageError `engine-failed` for an object whose content is not as it was found
 */
export async function adopt(
  api: ObjectApi,
  {
    placed,
    found,
    isForeign,
  }: { readonly placed: Placed; readonly found: Found; readonly isForeign: boolean },
  signal: AbortSignal,
): Promise<void> {
  const changes = (now: Found): object[] => {
    const { managedFields, annotations: own } = metadataOf(now);
    const managed = adoptedFields(listOf(managedFields));
    const marked = { ...fieldsOf(own), [annotations.adopted]: 'true' };
    return [
      ...(managed === undefined
        ? []
        : [{ op: 'replace', path: '/metadata/managedFields', value: managed }]),
      ...(isForeign && !isAdopted(now)
        ? [{ op: 'add', path: '/metadata/annotations', value: marked }]
        : []),
    ];
  };
  await patchContent(api, { placed, found }, changes, signal);
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

/** Two sets of fields in one (`fieldsV1`). Pure. */
export function union(a: Fields, b: Fields): Fields {
  const all: Record<string, unknown> = { ...a };
  for (const [name, value] of Object.entries(b))
    all[name] = name in all ? union(fieldsOf(all[name]), fieldsOf(value)) : value;
  return all;
}
