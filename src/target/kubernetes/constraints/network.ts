import { connect } from 'node:net';
import { interrupted } from '../../../core/error.ts';
import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import { counted, oneLine } from '../../../core/text.ts';
import { isPlace } from '../../../format/egress.ts';
import { type Constraint, IGNORED } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../change.ts';
import { isForbidden } from '../api/failure.ts';
import { ProofFile } from '../doctor/cluster-proof.ts';
import { withoutIsolation } from '../doctor/policy-proof.ts';
import { metadataOf } from '../pods.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';

const MAX_CLASSES = 3;
const MAX_TEXT = 400;

/** Only the network plugin enforces policies, and every API server accepts them: what doctor showed of this cluster. A plan
 * always shows that it does not. */
export async function networkPolicy({
  change,
  cluster,
  root,
  signal,
}: ClusterConstraintInput): Promise<Constraint[]> {
  const some = arrivals(change).some(({ release }) => clusterWorkload(release) !== undefined);
  if (!some) return [];
  const proof = new ProofFile(root, cluster, signal);
  const { networkPolicy: known } = await proof.read();
  const not = known === undefined ? undefined : withoutIsolation(known);
  return [
    {
      rule: not === undefined ? 'network-policy' : IGNORED,
      satisfied: true,
      needs: 'a network plugin that isolates the services',
      found:
        not ??
        (known === undefined ? 'not proven: stowage doctor tries it' : `proven at ${known.at}`),
    },
  ];
}

/** What no policy of a release restricts, on any cluster: pods in the network of their node, and the pods of charts and objects. */
export function unrestricted({ change }: Pick<ClusterConstraintInput, 'change'>): Constraint[] {
  return arrivals(change).flatMap(({ bundle, release }): Constraint[] => {
    const { services, charts = [], objects = [] } = bundle;
    const onNode = services.filter(({ network }) => network === 'host');
    const items = [
      ...charts.map(({ name }) => `chart ${name}`),
      ...objects.map(({ name }) => `objects ${name}`),
    ];
    const note = (what: string, found: string): Constraint => ({
      ...{ rule: IGNORED, satisfied: true, found: `not restricted: ${found}` },
      needs: `no connections of ${what} of ${releaseText(release)} but to peers`,
    });
    return [
      ...onNode.map(({ name }) => note(`service ${name}`, 'the network of the node')),
      ...items.map((each) => note(each, 'only its own NetworkPolicies apply to its pods')),
    ];
  });
}

/** How clients outside the cluster reach the services, which only the cluster decides. */
export async function outsidePorts(input: ClusterConstraintInput): Promise<Constraint[]> {
  let balancer: string | undefined;
  const admitted = input.settings.kubernetes?.clients.some(isPlace) === true;
  const refused = admitted
    ? ''
    : '; where policies are enforced, they admit no client outside the cluster: kubernetes.clients in site.yaml names no network';
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(input.change))
    for (const { name, service } of clusterWorkload(release)?.services ?? []) {
      const { type, ports } = fieldsOf(service?.['spec']);
      if (type !== 'NodePort' && type !== 'LoadBalancer') continue;
      const count = listOf(ports).length;
      if (type === 'LoadBalancer') balancer ??= await loadBalancers(input);
      constraints.push({
        rule: 'outside-ports',
        satisfied: true,
        needs: `${type === 'NodePort' ? 'ports of every node' : 'a load balancer'} for service ${name} of release ${release.name}`,
        found:
          type === 'LoadBalancer'
            ? `${balancer ?? ''}${refused}`
            : `the cluster assigns ${count} from its range when the Service is created; firewalls must allow them${refused}`,
      });
    }
  return constraints;
}

/** Whether the cluster gives addresses to Services of type LoadBalancer, which only one that has an address shows. */
async function loadBalancers({ cluster, signal }: ClusterConstraintInput): Promise<string> {
  let without = 0;
  const classes = new Set<string>();
  try {
    for await (const each of cluster.list({ kind: 'Service' }, signal)) {
      const { type, loadBalancerClass } = fieldsOf(each['spec']);
      if (type !== 'LoadBalancer') continue;
      const { ingress } = fieldsOf(fieldsOf(each['status'])['loadBalancer']);
      const [{ ip, hostname } = {}] = listOf(ingress);
      const address = textOf(ip) ?? textOf(hostname);
      const { namespace, name } = metadataOf(each);
      if (address !== undefined)
        return `proven: Service ${String(namespace)}/${String(name)} has address ${oneLine(address, MAX_TEXT)}`;
      without += 1;
      if (textOf(loadBalancerClass) !== undefined) classes.add(String(loadBalancerClass));
    }
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return 'not proven: the account may not list the Services of all namespaces, one of which could show it';
  }
  if (without === 0)
    return 'not proven: the cluster has no Service of type LoadBalancer yet, which could show it';
  const named = [...classes].slice(0, MAX_CLASSES).join(', ');
  const which = named === '' ? '' : `; they name class ${named}`;
  return oneLine(
    `not proven: ${counted(without, 'Service')} of type LoadBalancer, none with an address: the cluster may have no load balancer${which}`,
    MAX_TEXT,
  );
}

/** The API of pods has neither limits of processes, nor a safe way to share memory with the node: the plan tells it. */
export function isolation({ change }: Pick<ClusterConstraintInput, 'change'>): Constraint[] {
  return arrivals(change).flatMap(({ bundle, release }) =>
    bundle.services.flatMap(({ name, ulimits, ipc }): Constraint[] => {
      const about = `of service ${name} of ${releaseText(release)}`;
      const limits = Object.keys(ulimits ?? {}).join(', ');
      return [
        ...(limits === ''
          ? []
          : [
              {
                ...{ rule: IGNORED, satisfied: true, needs: `ulimits ${limits} ${about}` },
                found: 'ignored: pods have the limits of the container runtime on their node',
              },
            ]),
        ...(ipc === 'host'
          ? [
              {
                ...{ rule: IGNORED, satisfied: true, needs: `ipc host ${about}` },
                found: 'ignored: the pod gets memory of its own at /dev/shm, without a size limit',
              },
            ]
          : []),
      ];
    }),
  );
}

const LIMIT_MS = 5_000;
const DEFAULT_PORT = 443;

/**
 * The depot that nodes pull from accepts connections. Only that: this host need not trust its certificate. A depot that this host
 * does not reach but nodes do is what an override is for.
 */
export async function depot({
  change,
  settings,
  signal,
}: ClusterConstraintInput): Promise<Constraint[]> {
  const { images } = settings.kubernetes ?? {};
  if (images === undefined || images.from === 'push') return [];
  if (!arrivals(change).some(({ release }) => clusterWorkload(release) !== undefined)) return [];
  const { registry } = images;
  const failure = await connectionFailure(registry, signal);
  const start = `stowage depot --install --listen ${registry} --tls-certificate FILE --tls-key FILE --token-file FILE --modelcars`;
  return [
    {
      rule: 'depot',
      satisfied: failure === undefined,
      needs: `a depot at ${registry}, which nodes pull from`,
      found:
        failure === undefined ? 'it accepts connections' : `${failure}; start it with: ${start}`,
    },
  ];
}

/** Why nothing accepts connections there; undefined where something does. */
async function connectionFailure(
  registry: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const [, bracketed, plain, digits] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(registry) ?? [];
  const host = bracketed ?? plain ?? registry;
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  const failure = await new Promise<string | undefined>((resolve) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
    const socket = connect({ host, port, signal: limit });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(
        limit.aborted ? `no answer within ${LIMIT_MS / 1000} s` : (error.code ?? 'no connection'),
      );
    });
  });
  if (signal.aborted) throw interrupted(signal);
  return failure;
}
