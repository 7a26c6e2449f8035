import { type Fields, fieldsOf, listOf, textOf } from '../../../core/json.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, changesBetween } from '../../change.ts';
import type { Found } from '../api/cluster.ts';
import { isForbidden } from '../api/failure.ts';
import { groupOf, type Kind, kinds } from '../api/kinds.ts';
import { type Resources, requestOf } from '../capacity.ts';
import { metadataOf } from '../pods.ts';
import { quantity } from '../quantity.ts';
import { clusterWorkload } from '../workload.ts';
import { podCountOf, podSpecOf } from '../workload-kinds.ts';
import { startingServices } from './capacity.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/** Sums of fractions of processors. */
const ROUNDING = 1e-6;

/** What exists at the same time, beside what runs already. */
interface Together {
  readonly amounts: Resources;
  /** Such as `the services`. */
  readonly what: string;
}

/** The quotas of a namespace allow everything that starts together; a dry run tries each pod alone. */
export async function quota(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { cluster, signal } = input;
  const constraints: Constraint[] = [];
  for (const [namespace, demands] of demandsByNamespace(input)) {
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
    const exceeded = whole.flatMap((each) => demands.flatMap((one) => exceededIn(each, one)));
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

/** The services of each namespace, and before they start, one after the other, the Jobs that fill their volumes. */
function demandsByNamespace(input: ClusterConstraintInput): Map<string, Together[]> {
  const demands = new Map<string, Together[]>();
  const add = (namespace: string, demand: Together): void => {
    demands.set(namespace, [...(demands.get(namespace) ?? []), demand]);
  };
  for (const [namespace, amounts] of amountsByNamespace(input))
    add(namespace, { amounts, what: 'the services' });
  for (const { release } of arrivals(input.change)) {
    const { fill, namespace = '' } = clusterWorkload(release) ?? {};
    if (fill === undefined) continue;
    const amounts = { ...quotaAmounts(fill.job), [countKey(fill.job)]: 1 };
    add(namespace, { amounts, what: `the Job that fills claim ${fill.claim}` });
  }
  return demands;
}

/** What starts in each namespace, less what stops before. */
function amountsByNamespace({ change }: ClusterConstraintInput): Map<string, Resources> {
  const amounts = new Map<string, Record<string, number>>();
  const count = (namespace: string, deployment: KubernetesObject, sign: number): void => {
    const sum = amounts.get(namespace) ?? {};
    amounts.set(namespace, sum);
    const pods = sign * podCountOf(deployment);
    for (const [key, amount] of Object.entries(quotaAmounts(deployment)))
      sum[key] = (sum[key] ?? 0) + pods * amount;
    const objects = countKey(deployment);
    sum[objects] = (sum[objects] ?? 0) + sign;
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

/** The key of a quota for the number of such objects. */
function countKey({ kind }: KubernetesObject): string {
  return `count/${kinds[kind as Kind].plural}.${groupOf(kind as Kind)}`;
}

/** What a pod of an object counts for, by the keys of a quota. */
function quotaAmounts(workload: KubernetesObject): Resources {
  const { pods = 1, ...requests } = requestOf(workload);
  const amounts: Record<string, number> = { pods, 'count/pods': pods };
  for (const [resource, amount] of Object.entries(requests)) {
    amounts[`requests.${resource}`] = amount;
    if (resource === 'cpu' || resource === 'memory') amounts[resource] = amount;
  }
  for (const { resources } of listOf(podSpecOf(workload)['containers']))
    for (const [resource, amount] of Object.entries(fieldsOf(fieldsOf(resources)['limits']))) {
      const key = `limits.${resource}`;
      amounts[key] = (amounts[key] ?? 0) + quantity(amount);
    }
  return amounts;
}

function exceededIn(found: Found, { amounts, what }: Together): string[] {
  const name = textOf(metadataOf(found)['name']) ?? '';
  const status = fieldsOf(found['status']);
  const used = fieldsOf(status['used']);
  const hard = { ...fieldsOf(fieldsOf(found['spec'])['hard']), ...fieldsOf(status['hard']) };
  return Object.entries(hard).flatMap(([key, limit]) => {
    const more = amounts[key] ?? 0;
    if (more <= 0 || quantity(used[key]) + more <= quantity(limit) + ROUNDING) return [];
    return [
      `quota ${name}: ${key}: ${String(used[key] ?? 0)} of ${String(limit)} used, ${more} more needed for ${what}`,
    ];
  });
}

function hasScopes({ scopes, scopeSelector }: Fields): boolean {
  return scopes !== undefined || scopeSelector !== undefined;
}
