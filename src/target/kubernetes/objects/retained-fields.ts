import { type Fields, fieldsOf, listOf } from '../../../core/json.ts';
import type { Found } from '../api/cluster.ts';
import type { ApiFailure } from '../api/failure.ts';
import { apiGroup } from '../api/object-api.ts';

/** The path of a field, from the object down. */
type FieldPath = readonly string[];

/** What cannot change where a server refuses a field as a whole or only one of two that belong together. */
const FIXED: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  // `ValidateStatefulSetUpdate`
  'apps/StatefulSet': {
    spec: [
      ...['spec.serviceName', 'spec.selector', 'spec.podManagementPolicy'],
      'spec.volumeClaimTemplates',
    ],
  },
  // `ValidateServiceClusterIPsRelatedFields`
  '/Service': {
    'spec.clusterIP': ['spec.clusterIP', 'spec.clusterIPs'],
    'spec.clusterIPs': ['spec.clusterIP', 'spec.clusterIPs'],
  },
  // A version in which objects are stored cannot be removed.
  'apiextensions.k8s.io/CustomResourceDefinition': { 'status.storedVersions': ['spec.versions'] },
};

/**
 * The fields that the server refuses to change back, as an object has them now, added to those that are retained already. A field
 * that is refused although it is retained, or that is none (`spec.persistentvolumesource`), stands for the one that has it. Pure.
 * @param failure of status 422 (`Invalid`), whose causes name fields
 * @returns the same fields if the server says nothing that can be retained
 */
export function retainedFields(
  { now, original }: { readonly now: Found; readonly original: Found },
  failure: ApiFailure,
  retained: readonly string[],
): readonly string[] {
  const kind = `${apiGroup(String(now['apiVersion']))}/${String(now['kind'])}`;
  const before: ReadonlySet<string> = new Set(retained);
  const all = new Set(retained);
  for (const { field } of failure.causes) {
    const named = field.replace(/\[.*$/, '');
    const fixed = FIXED[kind]?.[named]?.filter((each) => !before.has(each));
    for (const each of fixed?.length ? fixed : [refusedField({ now, original }, named, before)])
      if (each !== undefined) all.add(each);
  }
  return [...all].filter((each) => ![...all].some((other) => each.startsWith(`${other}.`)));
}

/** @returns undefined for the metadata of an object, without which it is not given back at all */
function refusedField(
  { now, original }: { readonly now: Found; readonly original: Found },
  named: string,
  retained: ReadonlySet<string>,
): string | undefined {
  const path = named.split('.');
  while (path.length > 0) {
    const text = path.join('.');
    const exists = [now, original].some((each) => valueAt(each, path) !== undefined);
    if (exists && !retained.has(text)) break;
    path.pop();
  }
  return path.length === 0 || path[0] === 'metadata' ? undefined : path.join('.');
}

/** The original object with some fields as they are now. Pure. */
export function withRetained(original: Fields, now: Found, retained: readonly string[]): Fields {
  return retained.reduce<Fields>(
    (object, each) => withValue(object, each.split('.'), valueAt(now, each.split('.'))),
    original,
  );
}

function valueAt(object: Fields, path: FieldPath): unknown {
  return path.reduce<unknown>((of, name) => fieldsOf(of)[name], object);
}

function withValue(object: Fields, [name = '', ...rest]: FieldPath, value: unknown): Fields {
  const next = rest.length === 0 ? value : withValue(fieldsOf(object[name]), rest, value);
  const { [name]: _, ...others } = object;
  return next === undefined ? others : { ...others, [name]: next };
}

/**
 * An object that is created again, without what a server or its controllers chose for the one that is gone: the selector of a Job,
 * which holds its uid, and the volume that a claim was bound to. Pure.
 */
export function recreated(original: Fields): Fields {
  const kind = `${apiGroup(String(original['apiVersion']))}/${String(original['kind'])}`;
  if (kind === 'batch/Job') return withoutSelector(original);
  if (kind === '/PersistentVolumeClaim') return unbound(original);
  return original;
}

/** A Service without its addresses and ports of nodes, which other Services may have by now. Undefined for other kinds. Pure. */
export function withoutAddresses(original: Fields): Fields | undefined {
  if (original['apiVersion'] !== 'v1' || original['kind'] !== 'Service') return undefined;
  const { clusterIP, clusterIPs, healthCheckNodePort: _, ...spec } = fieldsOf(original['spec']);
  const addresses = clusterIP === 'None' ? { clusterIP, clusterIPs } : {};
  const ports = listOf(spec['ports']).map(({ nodePort: __, ...port }) => port);
  return { ...original, spec: { ...spec, ...addresses, ports } };
}

const OF_JOB = /^(?:batch\.kubernetes\.io\/)?(?:controller-uid|job-name)$/;

function withoutSelector(job: Fields): Fields {
  const { selector, ...spec } = fieldsOf(job['spec']);
  if (spec['manualSelector'] === true) return job;
  const template = fieldsOf(spec['template']);
  const metadata = fieldsOf(template['metadata']);
  const labels = without(fieldsOf(metadata['labels']), OF_JOB);
  return {
    ...job,
    spec: { ...spec, template: { ...template, metadata: { ...metadata, labels } } },
  };
}

function unbound(claim: Fields): Fields {
  const metadata = fieldsOf(claim['metadata']);
  const annotations = fieldsOf(metadata['annotations']);
  const isChosen = 'pv.kubernetes.io/bound-by-controller' in annotations;
  const { volumeName, ...spec } = fieldsOf(claim['spec']);
  return {
    ...claim,
    metadata: {
      ...metadata,
      annotations: without(
        annotations,
        /^pv\.kubernetes\.io\/bind-completed$|^pv\.kubernetes\.io\/bound-by-controller$/,
      ),
    },
    spec: isChosen || volumeName === undefined ? spec : { ...spec, volumeName },
  };
}

function without(fields: Fields, names: RegExp): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.test(name)));
}
