import * as z from 'zod';
import { fieldsOf, type Json, listOf, textOf, textsOf } from '../core/json.ts';
import { MIB } from '../core/limits.ts';
import { cutTo, printable } from '../core/text.ts';
import { type DocumentKind, newerHints, schemaMember } from './document.ts';
import * as field from './field.ts';

/** The names and indexes that lead to a value in an object. */
export type ObjectPath = readonly (string | number)[];

/** A moment of a chart's life at which a hook runs, as Helm names it. */
export const hookEvents = [
  'pre-install',
  'post-install',
  'pre-upgrade',
  'post-upgrade',
  'pre-delete',
  'post-delete',
  'test',
] as const;

export interface Hook {
  readonly events: readonly (typeof hookEvents)[number][];
  /** Hooks of one event run from the lowest weight to the highest. */
  readonly weight: number;
}

/**
 * A value that the site writes. A `text` has `${parameters.NAME}`, `${release.namespace}`, `${images.NAME}` or
 * `${models.NAME.uri}` in it; a `number` is one parameter as a whole; a `checksum` depends on all values of the site.
 */
export interface Filled {
  readonly path: ObjectPath;
  readonly as: 'text' | 'number' | 'checksum';
}

/** An object of the Kubernetes API as it was rendered, and where a site writes its own values into it. */
export interface RenderedObject {
  readonly object: { readonly [member: string]: Json };
  /** The file that it was rendered from, such as `templates/service.yaml`. */
  readonly from: string;
  readonly filled: readonly Filled[];
  readonly hook?: Hook;
}

/** The objects of a chart or of `objects:`, rendered before the bundle was signed. A blob of the bundle, canonical JSON. */
export interface RenderedObjects {
  readonly schema: 'stowage/objects/v1';
  /** In the order in which Helm would install them, hooks included. */
  readonly objects: readonly RenderedObject[];
}

/** More objects than any published chart has. */
export const MAX_OBJECTS = 10_000;
/** Of all items of a release: a site keeps them in each of its generations, and reads two of those for a plan. */
export const MAX_OBJECTS_BYTES: number = 64 * MIB;

const path: z.ZodType<(string | number)[]> = field.exact(
  z
    .array(z.union([z.string().max(1024), z.int().min(0)]))
    .min(1)
    .max(64),
);

/** The members of a {@link Hook}. */
export const hook: { events: z.ZodType<Hook['events']>; weight: z.ZodType<number> } = {
  events: z.array(z.enum(hookEvents)).min(1),
  weight: z.int().min(-1_000_000).max(1_000_000),
};

const rendered: z.ZodType<RenderedObject> = field.exact(
  z.strictObject({
    object: z.record(z.string(), z.json()) as unknown as z.ZodType<Record<string, Json>>,
    from: field.line(1024),
    filled: z
      .array(z.strictObject({ path, as: z.enum(['text', 'number', 'checksum']) }))
      .max(10_000),
    hook: z.strictObject(hook).exactOptional(),
  }),
);

const schema: z.ZodType<RenderedObjects> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/objects/v1'),
    objects: z.array(rendered).min(1).max(MAX_OBJECTS),
  }),
);

export const renderedObjectsKind: DocumentKind<RenderedObjects> = {
  name: 'rendered objects',
  versionIn: schemaMember('objects'),
  code: 'index-malformed',
  schema,
  maxBytes: MAX_OBJECTS_BYTES,
  hint: 'do not use this bundle; ask the release engineer for another copy',
  newerHint: newerHints.bundle,
};

/** A copy of a value, of which `change` gives every value anew, the inner ones first. The names of members stay. */
export function rewrite(
  value: Json,
  change: (value: Json, path: ObjectPath) => Json,
  path: ObjectPath = [],
): Json {
  if (Array.isArray(value))
    return change(
      value.map((each: Json, index) => rewrite(each, change, [...path, index])),
      path,
    );
  if (typeof value !== 'object' || value === null) return change(value, path);
  const members = Object.entries(value).map(([name, each]) => [
    name,
    each === undefined ? each : rewrite(each, change, [...path, name]),
  ]);
  return change(Object.fromEntries(members), path);
}

/** Visits every value of an object, the outer ones first. */
export function walk(
  value: Json | undefined,
  path: ObjectPath,
  visit: (value: Json, path: ObjectPath) => void,
): void {
  if (value === undefined) return;
  visit(value, path);
  if (Array.isArray(value))
    value.forEach((each: Json, index) => {
      walk(each, [...path, index], visit);
    });
  else if (typeof value === 'object' && value !== null)
    for (const [name, each] of Object.entries(value)) walk(each, [...path, name], visit);
}

/** Kinds of the API server itself that no namespace contains. */
const CLUSTER_KINDS: ReadonlySet<string> = new Set([
  ...['Namespace', 'Node', 'PersistentVolume', 'ClusterRole', 'ClusterRoleBinding'],
  ...['CustomResourceDefinition', 'APIService', 'StorageClass', 'CSIDriver', 'CSINode'],
  ...['VolumeAttachment', 'PriorityClass', 'RuntimeClass', 'IngressClass', 'GatewayClass'],
  ...['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'],
  ...['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'],
  ...['MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding'],
  ...['FlowSchema', 'PriorityLevelConfiguration', 'CertificateSigningRequest', 'DeviceClass'],
]);

/** The most lines of an item in a document. */
export const MAX_POWERS = 20_000;

type Rendered = { readonly [member: string]: Json };

/**
 * What the objects may do beyond their namespace, one line each, sorted, for the officer who decides: objects of the whole
 * cluster, rights that they grant, webhooks, and pods that are not confined.
 * @param all the objects of the release: their definitions say which kinds no namespace contains
 */
export function powersOf(
  objects: readonly Rendered[],
  all: readonly Rendered[] = objects,
): string[] {
  const defined = new Set(all.flatMap(clusterKindIn));
  const lines = objects.flatMap((each) => powersIn(each, defined));
  return [...new Set(lines.map((each) => printable(cutTo(each, 1000))))].toSorted();
}

/** The kind that a definition describes, if no namespace contains its objects. */
function clusterKindIn({ kind, spec }: Rendered): string[] {
  const { scope, group, names } = fieldsOf(spec);
  if (kind !== 'CustomResourceDefinition' || scope !== 'Cluster') return [];
  return [`${String(group)} ${String(fieldsOf(names)['kind'])}`];
}

function powersIn(object: Rendered, defined: ReadonlySet<string>): string[] {
  const kind = textOf(object['kind'], 63) ?? '';
  const name = textOf(fieldsOf(object['metadata'])['name'], 253) ?? '';
  const [group = ''] = String(object['apiVersion']).split('/');
  return [
    ...(CLUSTER_KINDS.has(kind) || defined.has(`${group} ${kind}`)
      ? [`cluster: ${kind} ${name}`]
      : []),
    ...(kind === 'Namespace' ? namespacePowers(object, name) : []),
    ...grantsIn(object, kind, name),
    ...webhooksIn(object, kind, name),
    // A definition describes pods, and has none.
    ...(kind === 'CustomResourceDefinition' ? [] : podPowers(object, `${kind} ${name}`)),
  ];
}

function grantsIn(object: Rendered, kind: string, name: string): string[] {
  if (kind === 'ClusterRole' || kind === 'Role') {
    // The server adds the rules of every role with these labels.
    const aggregated = listOf(fieldsOf(object['aggregationRule'])['clusterRoleSelectors']).map(
      (selector) =>
        `rights: ${kind} ${name}: every rule of cluster roles with ${JSON.stringify(selector)}`,
    );
    const granted = listOf(object['rules']).flatMap((rule) => {
      const verbs = textsOf(rule['verbs']).join(',');
      const groups = textsOf(rule['apiGroups']);
      const urls = textsOf(rule['nonResourceURLs']);
      const kinds = textsOf(rule['resources']).map((each) =>
        groups.map((group) => (group === '' ? each : `${each}.${group}`)).join(','),
      );
      return [...kinds, ...urls].map((each) => `rights: ${kind} ${name}: ${verbs} on ${each}`);
    });
    return [...granted, ...aggregated];
  }
  if (kind !== 'ClusterRoleBinding' && kind !== 'RoleBinding') return [];
  const role = fieldsOf(object['roleRef']);
  return listOf(object['subjects']).map(
    (subject) =>
      `rights: ${kind} ${name}: ${String(role['kind'])} ${String(role['name'])} to ${String(subject['kind'])} ${String(subject['name'])}`,
  );
}

function webhooksIn(object: Rendered, kind: string, name: string): string[] {
  if (!kind.endsWith('WebhookConfiguration')) return [];
  const does = kind.startsWith('Mutating') ? 'changes' : 'judges';
  return listOf(object['webhooks']).flatMap((webhook) =>
    listOf(webhook['rules']).map((rule) => {
      const kinds = textsOf(rule['resources']).join(',');
      const operations = textsOf(rule['operations']).join(',');
      // `Fail` is the default of admissionregistration.k8s.io/v1.
      const failure = textOf(webhook['failurePolicy'], 63) ?? 'Fail';
      return `webhook: ${name} ${does} ${kinds} at ${operations}, failurePolicy ${failure}`;
    }),
  );
}

/** PodSecurity of a namespace, where it allows more than `restricted`. A namespace without labels has the default of its cluster. */
function namespacePowers(object: Rendered, name: string): string[] {
  const labels = fieldsOf(fieldsOf(object['metadata'])['labels']);
  const level = textOf(labels['pod-security.kubernetes.io/enforce'], 63);
  if (level === 'restricted') return [];
  return [`namespace: ${name}: PodSecurity ${level ?? 'of the cluster'} for its pods`];
}

function podPowers(object: Rendered, what: string): string[] {
  const found: string[] = [];
  walk(object, [], (value, path) => {
    const fields = fieldsOf(value);
    const where = path.at(-1);
    for (const shared of ['hostNetwork', 'hostPID', 'hostIPC'])
      if (fields[shared] === true && Array.isArray(fields['containers']))
        found.push(`pod: ${what}: ${shared}`);
    if (typeof fields['hostPort'] === 'number' && fields['hostPort'] > 0)
      found.push(`pod: ${what}: hostPort ${fields['hostPort']}`);
    if (where === 'hostPath') found.push(`pod: ${what}: hostPath ${String(fields['path'])}`);
    if (where !== 'securityContext') return;
    if (fields['privileged'] === true) found.push(`pod: ${what}: privileged`);
    if (fields['runAsUser'] === 0) found.push(`pod: ${what}: runAsUser 0 (root)`);
    for (const each of textsOf(fieldsOf(fields['capabilities'])['add']))
      found.push(`pod: ${what}: capability ${each}`);
  });
  return found;
}
