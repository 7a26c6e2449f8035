import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { until } from '../lab/process.ts';

const KINDS =
  'deployments,services,networkpolicies,configmaps,secrets,persistentvolumeclaims,poddisruptionbudgets';

/**
 * Every object of Stowage in a cluster but its pods, one a line, Services with what they select. Namespaces of probes are
 * left out: they are being removed for some seconds after a command.
 * @param selector that of one site, such as `stowage.dev/site=ID`; default: all
 */
export async function clusterObjects(
  { kubectl }: Pick<Cluster, 'kubectl'>,
  selector = 'app.kubernetes.io/managed-by=stowage',
): Promise<string> {
  const template =
    '{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.spec.selector}{"\\n"}{end}';
  const output = `--output=jsonpath=${template}`;
  const within = await kubectl('get', KINDS, '--all-namespaces', '--selector', selector, output);
  const lasting = ['--selector', `${selector},!stowage.dev/probe`, output];
  const wide = await kubectl('get', 'namespaces,persistentvolumes', ...lasting);
  const lines = (within + wide).split('\n').map((each) => each.trim());
  return lines.filter(Boolean).toSorted().join('\n');
}

/** Waits until the cluster has deleted the empty namespaces of probes: that takes some seconds after a command. */
export async function untilProbesGone({ kubectl }: Pick<Cluster, 'kubectl'>): Promise<void> {
  const probes = ['get', 'namespaces', '--selector', 'stowage.dev/probe', '--output=name'];
  await until('no probe', 60, async () => (await kubectl(...probes)) === '' || undefined);
}

/** Everything in the cluster that carries our labels, of every kind there is. */
export async function objectsOfEveryKind({
  kubectl,
  tryKubectl,
}: Pick<Cluster, 'kubectl' | 'tryKubectl'>): Promise<string[]> {
  const found: string[] = [];
  for (const namespaced of ['true', 'false']) {
    const kinds = await kubectl(
      ...['api-resources', '--verbs=list', '--output=name', `--namespaced=${namespaced}`],
    );
    const names = kinds.trim().split('\n').join(',');
    const selector = ['--selector', 'app.kubernetes.io/managed-by=stowage'];
    const everywhere = namespaced === 'true' ? ['--all-namespaces'] : [];
    const { stdout } = await tryKubectl(
      ...['get', names, ...everywhere, ...selector, '--output=name', '--ignore-not-found'],
    );
    found.push(
      ...stdout
        .trim()
        .split('\n')
        .filter((line) => line !== ''),
    );
  }
  return found;
}
