import { type Fields, fieldsOf, listOf, textOf } from '../../../core/fields.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { changesBetween } from '../../change.ts';
import type { Found } from '../api/cluster.ts';
import { isForbidden } from '../api/failure.ts';
import { podSpecOf, type Resources, requestOf } from '../capacity.ts';
import { metadataOf } from '../pods.ts';
import { quantity } from '../quantity.ts';
import { replicasOf } from '../replicas.ts';
import { clusterWorkload } from '../workload.ts';
import { startingServices } from './capacity.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/** Sums of fractions of processors. */
const ROUNDING = 1e-6;
const DEPLOYMENTS = 'count/deployments.apps';

/** The quotas of a namespace allow everything that starts together; a dry run tries each pod alone. */
export async function quota(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { cluster, signal } = input;
  const constraints: Constraint[] = [];
  for (const [namespace, amounts] of amountsByNamespace(input)) {
    const needs = `the quotas of namespace ${namespace} allow what starts there`;
    const quotas: Found[] = [];
    try {
      for await (const each of cluster.list({ kind: 'ResourceQuota', namespace }, signal))
        quotas.push(each);
    } catch (error) {
      if (!isForbidden(error)) throw error;
      const found = 'not proven: the account may not list resourcequotas';
      constraints.push({ rule: 'quota', satisfied: true, needs, found });
      continue;
    }
    // Quotas of another scope may be for other pods.
    const whole = quotas.filter((each) => !hasScopes(fieldsOf(each['spec'])));
    const exceeded = whole.flatMap((each) => exceededIn(each, amounts));
    constraints.push({
      rule: 'quota',
      satisfied: exceeded.length === 0,
      needs,
      found:
        exceeded.length > 0
          ? exceeded.join('; ')
          : quotas.length === 0
            ? 'no quota'
            : whole.length < quotas.length
              ? 'enough is left; quotas with scopes were not checked'
              : 'enough is left',
    });
  }
  return constraints;
}

/** What starts in each namespace, less what stops before. */
function amountsByNamespace({ change }: ClusterConstraintInput): Map<string, Resources> {
  const amounts = new Map<string, Record<string, number>>();
  const count = (namespace: string, deployment: KubernetesObject, sign: number): void => {
    const sum = amounts.get(namespace) ?? {};
    amounts.set(namespace, sum);
    const replicas = sign * replicasOf(deployment);
    for (const [key, amount] of Object.entries(quotaAmounts(deployment)))
      sum[key] = (sum[key] ?? 0) + replicas * amount;
    sum[DEPLOYMENTS] = (sum[DEPLOYMENTS] ?? 0) + sign;
  };
  const { leaving } = changesBetween(change.from, change.to);
  for (const { workload, deployed } of startingServices(change))
    count(workload.namespace, deployed.deployment, 1);
  for (const release of leaving) {
    const workload = clusterWorkload(release);
    for (const { name, deployment } of workload?.services ?? [])
      if (
        amounts.has(workload?.namespace ?? '') &&
        change.exclusive?.some((each) => each.release === release.name && each.service === name)
      )
        count(workload?.namespace ?? '', deployment, -1);
  }
  return amounts;
}

/** What a pod counts for, by the keys of a quota. */
function quotaAmounts(deployment: KubernetesObject): Resources {
  const { pods = 1, ...requests } = requestOf(deployment);
  const amounts: Record<string, number> = { pods, 'count/pods': pods };
  for (const [resource, amount] of Object.entries(requests)) {
    amounts[`requests.${resource}`] = amount;
    if (resource === 'cpu' || resource === 'memory') amounts[resource] = amount;
  }
  for (const { resources } of listOf(podSpecOf(deployment)['containers']))
    for (const [resource, amount] of Object.entries(fieldsOf(fieldsOf(resources)['limits']))) {
      const key = `limits.${resource}`;
      amounts[key] = (amounts[key] ?? 0) + quantity(amount);
    }
  return amounts;
}

function exceededIn(found: Found, amounts: Resources): string[] {
  const name = textOf(metadataOf(found)['name']) ?? '';
  const status = fieldsOf(found['status']);
  const used = fieldsOf(status['used']);
  const hard = { ...fieldsOf(fieldsOf(found['spec'])['hard']), ...fieldsOf(status['hard']) };
  return Object.entries(hard).flatMap(([key, limit]) => {
    const more = amounts[key] ?? 0;
    if (more <= 0 || quantity(used[key]) + more <= quantity(limit) + ROUNDING) return [];
    return [
      `quota ${name}: ${String(used[key] ?? 0)} of ${String(limit)} ${key} is used, and ${more} more is needed`,
    ];
  });
}

function hasScopes({ scopes, scopeSelector }: Fields): boolean {
  return scopes !== undefined || scopeSelector !== undefined;
}
