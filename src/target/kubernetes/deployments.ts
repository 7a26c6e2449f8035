import { type Fields, fieldsOf, listOf, textOf } from '../../core/json.ts';
import { oneLine } from '../../core/text.ts';
import type { StartFailure } from './start-failure.ts';
import type { HostAlias, WorkloadKind } from './workload-kind.ts';

const DAY_SECONDS = 86_400;
const MAX_TEXT = 500;

/** A service on one node, or replicas of it. */
export const deployments: WorkloadKind = {
  spec: ({ service, selector, labels, pod }) => ({
    replicas: service.replicas ?? 1,
    revisionHistoryLimit: 0,
    progressDeadlineSeconds: Math.min(
      service.health?.startupLimitSeconds ?? DAY_SECONDS,
      7 * DAY_SECONDS,
    ),
    // A Deployment with this name is never updated: a changed pod has another name.
    strategy: { type: 'Recreate' },
    selector: { matchLabels: selector },
    template: { metadata: { labels }, spec: pod },
  }),
  answering: {},
  templates: (spec) => [
    { template: fieldsOf(spec['template']), count: Number(spec['replicas'] ?? 1) },
  ],
  withAddresses({ spec }, { peers }) {
    const own = fieldsOf(spec);
    return { ...own, template: withHostAliases(fieldsOf(own['template']), peers) };
  },
  /** Its conditions may be those of an earlier change. */
  ready({ metadata, status }) {
    const { generation } = fieldsOf(metadata);
    const { observedGeneration, updatedReplicas, readyReplicas } = fieldsOf(status);
    if (Number(observedGeneration ?? 0) < Number(generation ?? 0)) return 0;
    return Math.min(Number(updatedReplicas ?? 0), Number(readyReplicas ?? 0));
  },
  async withoutPods(_, { status }) {
    const failed = listOf(fieldsOf(status)['conditions']).find(
      (each) => each['type'] === 'ReplicaFailure' && each['status'] === 'True',
    );
    return failed && refusedPod(textOf(failed['message'], 65_536) ?? '');
  },
};

/** A template whose pods have these entries in `/etc/hosts`. */
export function withHostAliases(template: Fields, hostAliases: readonly HostAlias[]): Fields {
  if (hostAliases.length === 0) return template;
  return { ...template, spec: { ...fieldsOf(template['spec']), hostAliases } };
}

/** Why a controller could not create a pod: quota, PodSecurity, a webhook. */
export function refusedPod(message: string): StartFailure {
  const quota = /exceeded quota/.test(message);
  return {
    found: `the cluster admits no pod: ${oneLine(message, MAX_TEXT)}`,
    hint: quota
      ? 'ask the owner of the cluster for a larger quota, or uninstall a release'
      : 'ask the owner of the cluster which policy refuses the pod',
    mayPass: quota,
  };
}
