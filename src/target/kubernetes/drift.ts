import { type Fields, fieldsOf, listOf, textOf } from '../../core/json.ts';
import { oneLine } from '../../core/text.ts';
import type { KubernetesObject } from '../../format/kubernetes.ts';
import type { Drift } from '../target.ts';
import type { Found } from './api/cluster.ts';
import { MANAGER } from './labels.ts';
import { metadataOf } from './pods.ts';

const MAX_TEXT = 300;
const MAX_FIELDS = 20;
/** Lists whose entries have a key: the server may hold them in another order, and with entries of other managers. */
const KEYS = ['mountPath', 'name', 'containerPort', 'port', 'ip', 'topologyKey'] as const;

/**
 * Each field of an object that differs from what was applied, and each field of its specification that another manager
 * added. Defaults of the server are neither. Values of variables are not repeated: a value that someone set by hand can
 * be a secret. Pure.
 */
export function objectDrift(wanted: KubernetesObject, found: Found): Drift[] {
  const about = `${wanted.kind} ${wanted.metadata.name}`;
  const drift: Drift[] = [];
  if (metadataOf(found)['deletionTimestamp'] !== undefined)
    return [{ field: about, expected: 'as it was applied', found: 'being deleted' }];
  const { labels } = wanted.metadata;
  compare(labels, metadataOf(found)['labels'], 'metadata.labels', drift);
  for (const [member, value] of Object.entries(wanted))
    if (!['apiVersion', 'kind', 'metadata'].includes(member))
      compare(value, found[member], member, drift);
  const known = new Set(drift.map(({ field }) => field));
  for (const { field, manager } of foreignFields(found))
    if (!known.has(field)) drift.push({ field, expected: 'not set', found: `set by ${manager}` });
  return drift
    .slice(0, MAX_FIELDS)
    .map((each) => ({ ...each, field: oneLine(`${about} ${each.field}`, MAX_TEXT) }));
}

/** An object that is not there. */
export function missing({ kind, metadata: { name } }: KubernetesObject): Drift {
  return { field: `${kind} ${name}`, expected: 'as it was applied', found: 'deleted' };
}

function compare(wanted: unknown, found: unknown, path: string, drift: Drift[]): void {
  if (wanted === undefined) return;
  if (Array.isArray(wanted)) {
    compareLists(wanted, Array.isArray(found) ? found : [], path, drift);
  } else if (typeof wanted === 'object' && wanted !== null) {
    const actual = fieldsOf(found);
    for (const [key, value] of Object.entries(wanted)) {
      // The server leaves empty objects out.
      if (isEmpty(value) && actual[key] === undefined) continue;
      compare(value, actual[key], `${path}.${key}`, drift);
    }
    // So it does with empty texts.
  } else if (wanted !== (found ?? (wanted === '' ? '' : undefined))) {
    drift.push(differs(path, wanted, found));
  }
}

function compareLists(
  wanted: readonly unknown[],
  found: readonly unknown[],
  path: string,
  drift: Drift[],
): void {
  const key = KEYS.find((each) => {
    const values = wanted.map((one) => fieldsOf(one)[each]);
    return !values.includes(undefined) && new Set(values).size === values.length;
  });
  if (key === undefined) {
    if (wanted.length !== found.length) drift.push(differs(path, entries(wanted), entries(found)));
    else
      for (const [index, one] of wanted.entries())
        compare(one, found[index], `${path}[${index}]`, drift);
    return;
  }
  for (const one of wanted) {
    const name = fieldsOf(one)[key];
    const actual = found.find((each) => fieldsOf(each)[key] === name);
    const where = `${path}[${key}=${String(name)}]`;
    if (actual === undefined) drift.push({ field: where, expected: 'set', found: 'removed' });
    else compare(one, actual, where, drift);
  }
}

function differs(field: string, expected: unknown, found: unknown): Drift {
  const said = (value: unknown): string =>
    value === undefined ? 'not set' : oneLine(String(value), MAX_TEXT);
  return /\.env\[/.test(field)
    ? { field, expected: 'the value of the generation', found: 'another value' }
    : { field, expected: said(expected), found: said(found) };
}

function entries(list: readonly unknown[]): string {
  return `${list.length} ${list.length === 1 ? 'entry' : 'entries'}`;
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** Fields of `spec` that a manager other than Stowage and the controllers of the cluster owns alone. */
function foreignFields(found: Found): { field: string; manager: string }[] {
  const entries = listOf(metadataOf(found)['managedFields']).filter(
    (each) => textOf(each['subresource']) === undefined || each['subresource'] === '',
  );
  const ours = new Set(
    entries.filter(isOurs).flatMap((each) => leaves(fieldsOf(each['fieldsV1'])['f:spec'], 'spec')),
  );
  return entries
    .filter((each) => !isOurs(each) && !isController(textOf(each['manager']) ?? ''))
    .flatMap((each) =>
      leaves(fieldsOf(each['fieldsV1'])['f:spec'], 'spec')
        .filter((field) => !ours.has(field))
        .map((field) => ({ field, manager: textOf(each['manager']) ?? 'an unnamed manager' })),
    );
}

function isOurs({ manager, operation }: Fields): boolean {
  return manager === MANAGER && operation === 'Apply';
}

/** Controllers fill in what nobody set: addresses of Services, names of volumes. */
function isController(manager: string): boolean {
  return /^kube-(?:apiserver|controller-manager|scheduler)$/.test(manager);
}

/** The paths of the fields in a `fieldsV1`, such as `spec.containers[name=server].image`. */
function leaves(value: unknown, path: string): string[] {
  if (value === undefined) return [];
  const entries = Object.entries(fieldsOf(value)).filter(([key]) => key !== '.');
  if (entries.length === 0) return [path];
  return entries.flatMap(([key, below]) => leaves(below, `${path}${partOf(key)}`));
}

function partOf(key: string): string {
  if (key.startsWith('f:')) return `.${key.slice(2)}`;
  if (!key.startsWith('k:')) return `[${key}]`;
  try {
    const [first] = Object.entries(fieldsOf(JSON.parse(key.slice(2))));
    return first === undefined ? `[${key}]` : `[${first[0]}=${String(first[1])}]`;
  } catch {
    return `[${key}]`;
  }
}
