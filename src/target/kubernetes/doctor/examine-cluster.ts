import { StowageError } from '../../../core/error.ts';
import { fieldsOf, textOf } from '../../../core/json.ts';
import { counted } from '../../../core/text.ts';
import type { Bundle } from '../../../format/bundle.ts';
import type { KubernetesSite } from '../../../format/kubernetes-site.ts';
import type { Finding } from '../../target.ts';
import type { Cluster } from '../api/cluster.ts';
import { isForbidden } from '../api/failure.ts';
import { kinds } from '../api/kinds.ts';
import { accountName, reviewRights, rightText } from '../api/review.ts';
import { grantsFor, needsOfSite, rightsOf } from '../constraints/rights.ts';
import { imageVolumes, WITHOUT_SETS } from '../constraints/version.ts';
import { metadataOf } from '../pods.ts';
import { type ClusterToExamine, finding, someOf } from './cluster-finding.ts';
import { examineProbes } from './examine-probes.ts';
import { type NodeFacts, nodeFacts } from './node-facts.ts';

/** The clocks of a cluster: certificates and tokens tolerate about as much. */
const DOUBTFUL_SECONDS = 5;
const WRONG_SECONDS = 300;
const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

/**
 * Every check of the cluster of a site. One that fails does not hide the others.
 * @param root the folder of the site
 */
export async function examineCluster(
  open: () => Promise<Cluster>,
  input: ClusterToExamine,
  root: string,
): Promise<Finding[]> {
  let cluster: Cluster;
  const findings: Finding[] = [];
  try {
    cluster = await open();
    findings.push(await version(cluster, input));
  } catch (error) {
    return [unanswered(error)];
  }
  const all = await nodesOrNone(cluster, input.signal);
  findings.push(
    ...(await leaderWorkerSets(cluster, input)),
    ...(await rights(cluster, input)),
    ...nodes(all, input),
    ...(await storageClasses(cluster, input)),
    ...(await serverClock(cluster, input)),
  );
  const ready = (all ?? []).filter((each) => each.ready).map(({ name }) => name);
  findings.push(...(await examineProbes({ cluster, input, nodes: ready, root })));
  return findings;
}

function unanswered(error: unknown): Finding {
  if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
  return finding('API server', 'wrong', `${error.message}: ${error.found ?? ''}`, error.hint);
}

async function version(cluster: Cluster, { settings, signal }: ClusterToExamine): Promise<Finding> {
  const { gitVersion } = await cluster.read('/version', signal);
  const found = textOf(gitVersion) ?? 'unknown';
  const { supported, text } = imageVolumes(found);
  const needed = settings.weights === 'auto' || settings.weights === 'image-volume';
  if (supported || !needed) return finding('Kubernetes', 'right', found);
  return finding('Kubernetes', 'wrong', found, text);
}

/** Only services that span several nodes need them. */
async function leaderWorkerSets(
  cluster: Cluster,
  { bundles, signal }: ClusterToExamine,
): Promise<Finding[]> {
  if (!bundles.some(spansNodes)) return [];
  const check = 'LeaderWorkerSet';
  return (await cluster.hasKind(check, signal))
    ? [finding(check, 'right', kinds[check].apiVersion)]
    : [finding(check, 'wrong', 'not installed', WITHOUT_SETS)];
}

function spansNodes({ services }: Bundle): boolean {
  return services.some(({ nodes: spanned }) => spanned !== undefined);
}

async function rights(
  cluster: Cluster,
  { settings, bundles, signal }: ClusterToExamine,
): Promise<Finding[]> {
  const needs = needsOfSite(settings, bundles.some(spansNodes));
  const all = grantsFor(needs);
  const account = (await accountName(cluster, signal)) ?? 'unknown to this server';
  const hint =
    'the owner of the cluster grants them with: stowage doctor --role | kubectl apply -f -';
  const judged = async (optional: boolean): Promise<Finding> => {
    const some = all.filter((each) => (each.optional === true) === optional);
    const { allowed, denied } = await reviewRights(
      cluster,
      rightsOf(some, needs.namespace),
      signal,
    );
    const check = optional ? 'optional rights' : 'rights';
    if (denied.length === 0) return finding(check, 'right', `${allowed.length} of ${account}`);
    const found = `${account} may not ${denied.map(rightText).join(', ')}`;
    return finding(check, optional ? 'doubt' : 'wrong', found, hint);
  };
  return [await judged(false), await judged(true)];
}

/** @returns undefined for an account that may not read nodes */
async function nodesOrNone(
  cluster: Cluster,
  signal: AbortSignal,
): Promise<NodeFacts[] | undefined> {
  const all: NodeFacts[] = [];
  try {
    for await (const each of cluster.list({ kind: 'Node' }, signal)) all.push(nodeFacts(each));
    return all;
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

function nodes(all: readonly NodeFacts[] | undefined, { settings }: ClusterToExamine): Finding[] {
  if (all !== undefined) return [readyNodes(all), devices(all, settings), nodeClocks(all)];
  const found = 'not proven: the account may not read nodes';
  return ['nodes', 'GPUs', 'clocks of nodes'].map((check) => finding(check, 'doubt', found));
}

function readyNodes(all: readonly NodeFacts[]): Finding {
  const kinds = Map.groupBy(all, ({ kubelet, runtime }) => `${kubelet} with ${runtime}`);
  const found = [...kinds].map(([kind, own]) => `${counted(own.length, 'node')} ${kind}`);
  const lost = all.filter(({ ready }) => !ready).map(({ name }) => name);
  const text = found.join(', ') || 'no node';
  if (all.length > 0 && lost.length === 0) return finding('nodes', 'right', text);
  return finding(
    'nodes',
    lost.length === all.length ? 'wrong' : 'doubt',
    lost.length === 0 ? text : `${text}; not ready: ${someOf(lost)}`,
    'kubectl describe node shows why a node is not ready',
  );
}

function devices(all: readonly NodeFacts[], { gpus }: KubernetesSite): Finding {
  const known = [gpus.nvidia, gpus.amd];
  const names = new Set(all.flatMap((each) => Object.keys(each.devices)));
  const found = [...names].toSorted().map((name) => {
    const own = all.filter((each) => (each.devices[name] ?? 0) > 0);
    const amount = own.reduce((sum, each) => sum + (each.devices[name] ?? 0), 0);
    return `${amount} ${name} on ${counted(own.length, 'node')}`;
  });
  if (found.length === 0)
    return finding('GPUs', 'right', `none: no node has ${known.join(' or ')}`);
  if (known.some((name) => names.has(name))) return finding('GPUs', 'right', found.join(', '));
  return finding(
    'GPUs',
    'doubt',
    `${found.join(', ')}, but no ${known.join(' or ')}`,
    'if one of these resources is a GPU, name it in kubernetes.gpus in site.yaml',
  );
}

function nodeClocks(all: readonly NodeFacts[]): Finding {
  const seen = all.flatMap(({ name, clockSeconds }) =>
    clockSeconds === undefined ? [] : [{ name, seconds: clockSeconds }],
  );
  if (seen.length === 0)
    return finding('clocks of nodes', 'doubt', 'not proven: no kubelet reports its time');
  const apart = seen.filter(({ seconds }) => Math.abs(seconds) > DOUBTFUL_SECONDS);
  const largest = Math.max(...seen.map(({ seconds }) => Math.abs(seconds)));
  if (apart.length === 0)
    return finding('clocks of nodes', 'right', `at most ${largest} s from the API server`);
  return finding(
    'clocks of nodes',
    largest > WRONG_SECONDS ? 'wrong' : 'doubt',
    someOf(apart.map(({ name, seconds }) => `${name} ${ahead(seconds)} the API server`)),
    'set the clocks of these nodes: certificates and tokens depend on them',
  );
}

async function serverClock(
  cluster: Cluster,
  { now, signal }: ClusterToExamine,
): Promise<Finding[]> {
  const check = 'clock of the API server';
  const time = await cluster.time(signal);
  if (time === undefined) return [finding(check, 'doubt', 'not proven: it does not send its time')];
  const seconds = Math.round((time.getTime() - now().getTime()) / 1000);
  if (Math.abs(seconds) <= DOUBTFUL_SECONDS)
    return [finding(check, 'right', `${Math.abs(seconds)} s from this host`)];
  return [
    finding(
      check,
      Math.abs(seconds) > WRONG_SECONDS ? 'wrong' : 'doubt',
      `${ahead(seconds)} this host`,
      'set the clocks of both: certificates and tokens depend on them',
    ),
  ];
}

async function storageClasses(cluster: Cluster, { signal }: ClusterToExamine): Promise<Finding[]> {
  const check = 'storage classes';
  const names: string[] = [];
  try {
    for await (const each of cluster.list({ kind: 'StorageClass' }, signal)) {
      const { name, annotations } = metadataOf(each);
      const isDefault = fieldsOf(annotations)[DEFAULT_CLASS] === 'true';
      names.push(`${textOf(name) ?? ''}${isDefault ? ' (default)' : ''}`);
    }
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return [finding(check, 'doubt', 'not proven: the account may not read them')];
  }
  return [finding(check, 'right', someOf(names) || 'none')];
}

function ahead(seconds: number): string {
  return `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'}`;
}
