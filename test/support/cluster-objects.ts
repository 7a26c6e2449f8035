import type { Cluster } from '../lab/kubernetes/cluster.ts';

const KINDS =
  'deployments,services,networkpolicies,configmaps,secrets,persistentvolumeclaims,poddisruptionbudgets';

/**
 * Every object of Stowage in a cluster but its pods, one a line, Services with what they select.
 * @param selector that of one site, such as `stowage.dev/site=ID`; default: all
 */
export async function clusterObjects(
  { kubectl }: Pick<Cluster, 'kubectl'>,
  selector = 'app.kubernetes.io/managed-by=stowage',
): Promise<string> {
  const template =
    '{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.spec.selector}{"\\n"}{end}';
  const ours = ['--selector', selector, `--output=jsonpath=${template}`];
  const within = await kubectl('get', KINDS, '--all-namespaces', ...ours);
  const wide = await kubectl('get', 'namespaces,persistentvolumes', ...ours);
  return (within + wide).trim().split('\n').toSorted().join('\n');
}
