import type { KubernetesSite } from '../../../format/kubernetes-site.ts';
import type { RoleToRequest } from '../../target.ts';
import type { Cluster } from '../api/cluster.ts';
import { accountName } from '../api/review.ts';
import { type Grant, grantsFor, needsOfSite, type RightsNeeds } from '../constraints/rights.ts';

/** An object of `rbac.authorization.k8s.io`. */
export interface RoleObject {
  readonly apiVersion: string;
  readonly kind: 'Role' | 'RoleBinding' | 'ClusterRole' | 'ClusterRoleBinding';
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [member: string]: unknown;
}

/** An object, and its text with comments. */
export interface RoleText {
  readonly object: RoleObject;
  readonly yaml: string;
}

const GROUP = 'rbac.authorization.k8s.io';
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;
/** Words that YAML reads as something other than text. */
const NOT_TEXT = /^(?:true|false|null|yes|no|on|off|y|n)$/;

/** The role and its binding for the account of a site. @throws StowageError `engine-failed`, `host-unfit` */
export async function requestedRole(
  cluster: Cluster,
  settings: KubernetesSite,
  signal: AbortSignal,
): Promise<RoleToRequest> {
  const account = (await accountName(cluster, signal)) ?? 'ACCOUNT';
  const groups = await cluster.hasKind('LeaderWorkerSet', signal);
  const texts = roleTexts(needsOfSite(settings, groups), account);
  return {
    objects: texts.map(({ object }) => object),
    yaml: texts.map(({ yaml }) => yaml).join('---\n'),
  };
}

/**
 * What the owner of a cluster applies so that an account may do its work: a Role in the namespace of the site, or a ClusterRole
 * where each release gets a namespace; and its binding.
 * @param account as the API server names it, such as `system:serviceaccount:ops:stowage`
 */
export function roleTexts(needs: RightsNeeds, account: string): RoleText[] {
  const all = grantsFor(needs);
  const { namespace } = needs;
  if (namespace === undefined) return bound('ClusterRole', { name: 'stowage' }, all, account);
  return [
    ...bound(
      'Role',
      { name: 'stowage', namespace },
      all.filter(({ clusterWide }) => clusterWide !== true),
      account,
    ),
    ...bound(
      'ClusterRole',
      { name: `stowage-${namespace}` },
      all.filter(({ clusterWide }) => clusterWide === true),
      account,
    ),
  ];
}

function bound(
  kind: 'Role' | 'ClusterRole',
  metadata: RoleObject['metadata'],
  grants: readonly Grant[],
  account: string,
): RoleText[] {
  const head = { apiVersion: `${GROUP}/v1`, metadata };
  const rules = grants.map(({ group, resources, names, verbs }) => ({
    apiGroups: [group],
    resources,
    ...(names === undefined ? {} : { resourceNames: names }),
    verbs,
  }));
  const binding: RoleObject = {
    ...head,
    kind: `${kind}Binding`,
    roleRef: { apiGroup: GROUP, kind, name: metadata.name },
    subjects: [subjectOf(account)],
  };
  return [
    {
      object: { ...head, kind, rules },
      yaml: `${headText(kind, metadata)}rules:\n${rulesText(grants)}`,
    },
    {
      object: binding,
      yaml: `${headText(binding.kind, metadata)}roleRef: ${flow(binding['roleRef'])}\nsubjects:\n  - ${flow(subjectOf(account))}\n`,
    },
  ];
}

function subjectOf(account: string): object {
  const [, namespace, name] = SERVICE_ACCOUNT.exec(account) ?? [];
  return namespace === undefined
    ? { kind: 'User', name: account, apiGroup: GROUP }
    : { kind: 'ServiceAccount', name, namespace };
}

function headText(kind: string, metadata: object): string {
  return `apiVersion: ${GROUP}/v1\nkind: ${kind}\nmetadata: ${flow(metadata)}\n`;
}

/** Rules with the same purpose have one comment. */
function rulesText(grants: readonly Grant[]): string {
  return grants
    .map(({ purpose, optional, group, resources, names, verbs }, index) => {
      const before = grants[index - 1];
      const again = before?.purpose === purpose && before.optional === optional;
      const comment = `  # ${optional === true ? 'Optional' : 'Required'}: ${purpose}.\n`;
      const only = names === undefined ? '' : `    resourceNames: ${flow(names)}\n`;
      return `${again ? '' : comment}  - apiGroups: ${flow([group])}\n    resources: ${flow(resources)}\n${only}    verbs: ${flow(verbs)}\n`;
    })
    .join('');
}

/** Texts, lists and mappings of them in YAML's flow style. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return word(String(value));
  const members = Object.entries(value).map(([key, each]) => `${key}: ${flow(each)}`);
  return `{ ${members.join(', ')} }`;
}

function word(text: string): string {
  return /^[A-Za-z][A-Za-z0-9./-]*$/.test(text) && !NOT_TEXT.test(text.toLowerCase())
    ? text
    : JSON.stringify(text);
}
