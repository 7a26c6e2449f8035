import type { Json } from '../core/canonical-json.ts';
import { fieldsOf, listOf, textOf, textsOf } from '../core/fields.ts';
import { cutTo, printable } from '../core/printable.ts';
import { walk } from './rendered-objects.ts';

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
