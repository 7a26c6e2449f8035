import { isDeepStrictEqual } from 'node:util';
import { StowageError } from '../../../core/error.ts';
import { type Fields, fieldsOf, listOf } from '../../../core/json.ts';
import type { Found } from '../api/cluster.ts';
import { refusedRequest } from '../api/failure.ts';
import { type ObjectApi, type Placed, placedText } from '../api/object-api.ts';
import { annotations, MANAGER } from '../labels.ts';
import { metadataOf } from '../pods.ts';
import { patiently } from './apply-patiently.ts';

/** Members of an object's metadata that the server sets, and that another object must not have. */
const OF_SERVER: ReadonlySet<string> = new Set([
  ...['uid', 'resourceVersion', 'generation', 'creationTimestamp', 'selfLink', 'managedFields'],
  ...['deletionTimestamp', 'deletionGracePeriodSeconds'],
]);

/** An object without what the server sets. Pure. */
export function contentOf({ status: _, ...content }: Found): Fields {
  const metadata = Object.entries(metadataOf(content)).filter(([name]) => !OF_SERVER.has(name));
  return { ...content, metadata: Object.fromEntries(metadata) };
}

/** Whether two states of an object differ at most in what the server sets, such as its status. Pure. */
export function sameContent(a: Found, b: Found): boolean {
  return isDeepStrictEqual(contentOf(a), contentOf(b));
}

/** The object with what the server needs to know that nobody changed it since. Pure. @param now the state that is replaced */
export function replacing(now: Found, object: Fields): Fields {
  const { resourceVersion } = metadataOf(now);
  return { ...object, metadata: { ...fieldsOf(object['metadata']), resourceVersion } };
}

/** Attempts at one write: a controller may write the status of its object several times a second. */
export const WRITE_ATTEMPTS = 10;

/**
 * Changes an object by RFC 6902 if its content is as it was read. Writes of its status do not count as changes.
 * @param changes the operations for a state of the object; none if it is as it should be
 * @throws StowageError `engine-failed` for an object that somebody changed or deleted meanwhile
 */
export async function patchContent(
  api: ObjectApi,
  { placed, found }: { readonly placed: Placed; readonly found: Found },
  changes: (now: Found) => readonly object[],
  signal: AbortSignal,
): Promise<void> {
  let now = found;
  for (let attempt = 1; ; attempt += 1) {
    const operations = changes(now);
    if (operations.length === 0) return;
    const { resourceVersion } = metadataOf(now);
    const test = { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion };
    const { failure } = await patiently(
      () => api.tryPatch(placed, [test, ...operations], signal),
      signal,
    );
    if (failure === undefined) return;
    const next = await api.get(placed, signal);
    const isStale = next !== undefined && metadataOf(next)['resourceVersion'] !== resourceVersion;
    if (next !== undefined && (!isStale || attempt >= WRITE_ATTEMPTS))
      throw refusedRequest(`change ${placedText(placed)}`, failure);
    // An attempt whose answer was lost.
    if (next !== undefined && changes(next).length === 0) return;
    if (next === undefined || !sameContent(found, next)) throw changedMeanwhile(placed, next);
    now = next;
  }
}

function changedMeanwhile(placed: Placed, now: Found | undefined): StowageError {
  return new StowageError('engine-failed', `${placedText(placed)} was changed by somebody else`, {
    expected: 'the object as it was a moment ago',
    found: now === undefined ? 'it was deleted' : 'other content',
    hint: 'check with kubectl what changes the object; then run the same command again',
  });
}

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
