import type { Fields } from '../../core/json.ts';
import type {
  KubernetesObject,
  KubernetesService,
  KubernetesWorkload,
} from '../../format/kubernetes.ts';
import type { KubernetesSite } from '../../format/kubernetes-site.ts';
import { inOrder, type Service } from '../../format/service.ts';
import type { RenderInput } from '../render-input.ts';
import { kinds } from './api/kinds.ts';
import { contentObjects, settingsOf } from './content.ts';
import { renderFill } from './fill.ts';
import {
  contentDigest,
  labels,
  type Owner,
  objectName,
  podSelector,
  releaseLabels,
  type Unnamed,
} from './labels.ts';
import { renderSets } from './objects/render-sets.ts';
import { podSpec, portName, workerPodSpec } from './pod.ts';
import { type Seal, sealedPod, sealedPolicies } from './sealed/seal.ts';
import {
  disruptionBudget,
  networkPolicies,
  type Peer,
  peersOf,
  spreadPod,
} from './service-objects.ts';
import { kindFor, MAX_SET_NAME, workloadKindOf } from './workload-kinds.ts';

/** The secret of a release with which nodes pull its images. */
export const REGISTRY_SECRET = 'registry-credentials';

/**
 * The services of a release as objects of a cluster. Objects that can be replaced by others beside them are named after their
 * content: generations that share an object share its name.
 * @param seal of a rehearsal, in which charts and objects are left out
 * @throws StowageError `site-invalid`, `document-invalid`
 */
export function renderKubernetes(input: RenderInput, seal?: Seal): KubernetesWorkload {
  const { bundle, siteId, secretNames } = input;
  const settings = settingsOf(input);
  const owner: Owner = {
    site: siteId,
    release: bundle.name,
    namespace: settings.namespace ?? ownNamespace(settings, bundle.name),
    ownsNamespace: settings.namespace === undefined,
  };
  const services = inOrder(bundle.services) ?? [];
  const registrySecret = secretNames.get(REGISTRY_SECRET);
  const pullSecret = settings.images.pullSecret ?? registrySecret;
  const texts = textsObject(input, owner);
  const context = {
    ...{ input, owner, texts: texts?.metadata.name ?? '' },
    ...(pullSecret === undefined ? {} : { pullSecret }),
  };
  const sealed = <T extends Fields | undefined>(pod: T): T =>
    pod === undefined || seal === undefined ? pod : (sealedPod(pod, seal) as T);
  const pods = new Map(
    services.map((service): [string, RenderedPods] => {
      const worker = sealed(workerPodSpec(service, context));
      const pod = sealed(podSpec(service, context));
      return [service.name, worker === undefined ? { pod } : { pod, worker }];
    }),
  );
  const peers = peersOf(services, input);
  const names = new Map(
    services.map((service) => {
      const content =
        peers.length === 0
          ? scaled(service, pods.get(service.name))
          : [service.name, services.map((each) => [each.name, scaled(each, pods.get(each.name))])];
      return [service.name, nameFor(service, contentDigest(content), owner)];
    }),
  );
  const nameOf = (service: string): string => names.get(service)?.object ?? '';
  const peerNameOf = (service: string): string => names.get(service)?.peer ?? '';
  const filled = renderFill(input, owner, pullSecret);
  const sets = seal === undefined ? renderSets(input, owner, pullSecret) : [];
  const policies = services.length === 0 ? [] : networkPolicies(services, input, owner);
  const { podSecurity } = bundle.cluster ?? {};
  return {
    kind: 'kubernetes',
    ...{ ...owner },
    objects: [
      ...(seal === undefined ? policies : sealedPolicies(policies, owner, seal)).map(
        ({ base, ...policy }) => named(owner, base, policy),
      ),
      ...services.flatMap((service) =>
        disruptionBudget(service, nameOf(service.name), owner).map((budget) =>
          named(owner, `disruption-${service.name}`, budget),
        ),
      ),
      ...(texts === undefined ? [] : [texts]),
      ...contentObjects(input, owner),
      ...(filled?.objects ?? []),
      ...peers.map((peer) => peerService(peer, names.get(peer.service.name) ?? NO_NAMES, owner)),
    ],
    services: services.map((service): KubernetesService => {
      const { name, dependsOn, health, adapters, ports } = service;
      const deployed = nameOf(name);
      return {
        ...{ name, dependsOn },
        ...(health === undefined ? {} : { health }),
        ...(adapters.length === 0 ? {} : { adapters }),
        ports: ports.map((port) => ({ name: port.name, port: port.container })),
        deployment: deployment(service, { name: deployed, pods: pods.get(name) }, owner),
        ...(ports.length === 0 ? {} : { service: clientService(service, deployed, input, owner) }),
        peers: Object.fromEntries(
          peers
            .filter((peer) => peer.service !== service || service.nodes !== undefined)
            .map((peer) => [peer.service.name, peerNameOf(peer.service.name)]),
        ),
      };
    }),
    ...(registrySecret === undefined || settings.images.pullSecret !== undefined
      ? {}
      : { pullSecret: { name: registrySecret, registry: settings.images.registry } }),
    ...(filled === undefined ? {} : { fill: filled.fill }),
    ...(sets.length === 0 ? {} : { sets }),
    ...(podSecurity === undefined || !owner.ownsNamespace ? {} : { podSecurity }),
  };
}

/** The namespace that a release gets for itself. */
export function ownNamespace({ namespacePrefix }: KubernetesSite, release: string): string {
  return `${namespacePrefix}${release}`.slice(0, 63);
}

/** The specifications of the pods of a service. */
interface RenderedPods {
  readonly pod: Fields;
  readonly worker?: Fields;
}

/** The names of the object of a service, and of the Service by which peers and workers reach it. */
interface Names {
  readonly object: string;
  readonly peer: string;
}

const NO_NAMES: Names = { object: '', peer: '' };

/** The controller of LeaderWorkerSets makes a Service of its own by the name of the set. */
function nameFor({ name, nodes }: Service, digest: string, owner: Owner): Names {
  if (nodes === undefined) {
    const object = objectName(owner, name, digest);
    return { object, peer: object };
  }
  return {
    object: objectName(owner, name, digest, MAX_SET_NAME),
    peer: objectName(owner, `${name}-leader`, digest),
  };
}

/** What the name of an object depends on: one replica on one node, the usual case, adds nothing. */
function scaled({ replicas, spread, nodes }: Service, pods: RenderedPods | undefined): unknown {
  if (nodes !== undefined) return { ...pods, count: nodes.count };
  const { pod } = pods ?? {};
  if (replicas === undefined && spread === undefined) return pod;
  return { pod, ...(replicas === undefined ? {} : { replicas }), spread: spread ?? [] };
}

function deployment(
  service: Service,
  { name, pods }: { name: string; pods: RenderedPods | undefined },
  owner: Owner,
): KubernetesObject {
  const selector = podSelector(name, owner);
  const own: Record<string, string> = {
    ...releaseLabels(owner),
    [labels.name]: service.name,
    [labels.service]: service.name,
  };
  const { [labels.partOf]: _, ...inherited } = own;
  const kind = kindFor(service);
  return {
    apiVersion: kinds[kind].apiVersion,
    kind,
    metadata: { name, namespace: owner.namespace, labels: { ...own, ...selector } },
    spec: workloadKindOf({ kind }).spec({
      ...{ service, selector, labels: { ...inherited, ...selector } },
      pod: spreadPod(service, pods?.pod ?? {}, { name, owner }),
      ...(pods?.worker === undefined ? {} : { worker: pods.worker }),
    }),
  };
}

/** The Service that clients use; its selector decides which generation they reach. */
function clientService(
  service: Service,
  deployed: string,
  input: RenderInput,
  owner: Owner,
): KubernetesObject {
  const { service: type } = settingsOf(input);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: objectName(owner, service.name),
      namespace: owner.namespace,
      labels: { ...releaseLabels(owner), [labels.service]: service.name },
    },
    spec: {
      type,
      selector: answering(service, deployed, owner),
      ports: servicePorts(service.ports),
    },
  };
}

/** The Service by which the other services of the same generation, and the workers of this one, reach it. */
function peerService(
  { service, ports }: Peer,
  { object, peer: name }: Names,
  owner: Owner,
): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...{ name, namespace: owner.namespace },
      labels: { ...releaseLabels(owner), [labels.service]: service.name },
    },
    spec: {
      type: 'ClusterIP',
      // Dependents start when the gate of a service passed, which may be before the probe of the node did.
      publishNotReadyAddresses: true,
      selector: answering(service, object, owner),
      ports: servicePorts(ports),
    },
  };
}

/** What selects the pods of an object that answer requests. */
function answering(service: Service, object: string, owner: Owner): Record<string, string> {
  return {
    ...podSelector(object, owner),
    ...workloadKindOf({ kind: kindFor(service) }).answering,
  };
}

function servicePorts(ports: Peer['ports']) {
  return ports.map(({ name, container }) => ({
    name: portName(name),
    port: container,
    targetPort: container,
    protocol: 'TCP',
  }));
}

function textsObject({ rendered }: RenderInput, owner: Owner): KubernetesObject | undefined {
  if (rendered.size === 0) return undefined;
  const data = Object.fromEntries([...rendered.values()].map(({ sha256, text }) => [sha256, text]));
  const object = { apiVersion: 'v1', kind: 'ConfigMap', immutable: true, data };
  return named(owner, 'texts', object);
}

/** An object whose name ends in the digest of its content. */
function named(owner: Owner, base: string, content: Unnamed): KubernetesObject {
  return {
    ...content,
    metadata: {
      name: objectName(owner, base, contentDigest(content)),
      namespace: owner.namespace,
      labels: releaseLabels(owner),
    },
  };
}
