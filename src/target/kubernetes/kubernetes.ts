import { textOf } from '../../core/json.ts';
import type {
  KubernetesService,
  KubernetesSet,
  KubernetesWorkload,
} from '../../format/kubernetes.ts';
import type { KubernetesSite } from '../../format/kubernetes-site.ts';
import type { Site } from '../../format/site.ts';
import type { Environment } from '../host/command.ts';
import { hostPlatform } from '../host/platform.ts';
import type { DeployedService, SiteSupply, Target, TargetOperation } from '../target.ts';
import { Cluster } from './api/cluster.ts';
import { openConnection } from './api/connection.ts';
import { pathOf } from './api/kinds.ts';
import { ObjectApi } from './api/object-api.ts';
import { Outages } from './api/outages.ts';
import { runInPod } from './api/pod-streams.ts';
import { clusterConstraints, overridableRules } from './constraints/check.ts';
import { ProofFile } from './doctor/cluster-proof.ts';
import { examineCluster } from './doctor/examine-cluster.ts';
import { withoutIsolation } from './doctor/policy-proof.ts';
import { requestedRole } from './doctor/role.ts';
import { exclusiveServices } from './exclusive.ts';
import { clearVolume, fillVolume } from './fill-volume.ts';
import { podSelector } from './labels.ts';
import { closeNamespace, openNamespace, removeOurs } from './namespace.ts';
import { applySet, repairSet, returnSet, type SetWork } from './objects/apply-set.ts';
import { pruneSet, restoreSet, undoSet, uninstallSet } from './objects/remove-set.ts';
import { ReplacedObjects } from './objects/replaced-objects.ts';
import { runHooks } from './objects/set-hooks.ts';
import { setState } from './objects/set-state.ts';
import { keptNamespaces, setOf, setsOf } from './objects/sets.ts';
import { podUse } from './pod-use.ts';
import { loggedPod } from './pods.ts';
import { recordCluster, siteInventory } from './record.ts';
import { REGISTRY_SECRET, renderKubernetes } from './render.ts';
import type { Seal } from './sealed/seal.ts';
import { secretObject, secretValue } from './secrets.ts';
import { openPort, podOf } from './service-pod.ts';
import {
  directClients,
  pointService,
  removeDeployment,
  startService,
  stopService,
} from './start.ts';
import { serviceState } from './state.ts';
import { kubernetesSteps } from './steps.ts';
import { clusterWorkload, placeText, serviceOf, workloadOf } from './workload.ts';

/** The name of the port at which a set answers prompts. */
const SET_PORT = 'endpoint';

export interface KubernetesOptions {
  readonly env: Environment;
  /** The folder of the site, which has what probes showed of the cluster. */
  readonly root: string;
  /** The settings of the site, read when they are first needed. */
  readonly settings: () => Promise<Site>;
  /** Of a rehearsal. */
  readonly seal?: Seal;
}

/** Services as Deployments and LeaderWorkerSets of a cluster. */
export function createKubernetesTarget({ env, root, settings, seal }: KubernetesOptions): Target {
  const outages = new Outages();
  let opened: Promise<Cluster> | undefined;
  const section = async (): Promise<KubernetesSite> => {
    const { kubernetes } = await settings();
    if (kubernetes === undefined) throw new Error('a site with this target has a cluster');
    return kubernetes;
  };
  const open = (): Promise<Cluster> => {
    opened ??= section().then(
      async (each) => new Cluster(await openConnection(each, env), outages),
    );
    return opened;
  };
  let objects: ObjectApi | undefined;
  const api = async (): Promise<ObjectApi> => {
    objects ??= new ObjectApi(await open());
    return objects;
  };
  const replaced = new ReplacedObjects(root);
  return {
    name: 'kubernetes',
    runsServices: true,
    mountsImages: true,
    appliesObjects: true,
    overridable: overridableRules,
    ownSecrets({ kubernetes }) {
      const reference = kubernetes?.images.credentials;
      return new Map(reference === undefined ? [] : [[REGISTRY_SECRET, reference]]);
    },
    async probe(signal) {
      const { gitVersion } = await (await open()).read('/version', signal);
      return { engine: 'kubernetes', version: (textOf(gitVersion) ?? '').replace(/^v/, '') };
    },
    examine: async (input) => examineCluster(open, { ...input, settings: await section() }, root),
    role: async (signal) => requestedRole(await open(), await section(), signal),
    record: async (running, signal) => recordCluster(await open(), running, signal),
    render: (input) => renderKubernetes(input, seal),
    services: (release) => {
      const workload = clusterWorkload(release);
      if (workload === undefined) return [];
      return [
        ...setsOf(workload).map((each, index, all) => deployedSet(each, all[index - 1], workload)),
        ...workload.services.map((each) => deployed(each, workload)),
      ];
    },
    steps: kubernetesSteps,
    exclusive: async (change, signal) =>
      exclusiveServices(await open(), change, { settings: await settings(), signal }),
    run: async (operation, site, signal) =>
      run({ api: await api(), replaced }, operation, site, signal),
    constraints: async (context) =>
      clusterConstraints({
        ...{ ...context, root, platform: hostPlatform() },
        ...{ cluster: await open(), api: await api(), settings: await settings() },
      }),
    diskUse: async () => [],
    async hasSecret({ release, name }, signal) {
      const { namespace } = workloadOf(release);
      return (await (await open()).get({ kind: 'Secret', namespace, name }, signal)) !== undefined;
    },
    async placeSecret({ release, name }, value, signal) {
      await (await open()).apply(secretObject(workloadOf(release), name, value), signal);
    },
    async removeSecret({ release, name }, signal) {
      const { namespace } = workloadOf(release);
      await (await open()).remove({ kind: 'Secret', namespace, name }, signal);
    },
    async storedSecret({ release }, name, signal) {
      const { namespace } = workloadOf(release);
      const found = await (await open()).get({ kind: 'Secret', namespace, name }, signal);
      return found === undefined ? undefined : secretValue(found);
    },
    way: {
      down: () => outages.total(),
      reason: () => outages.reason(),
      stands: async (signal) => void (await (await open()).read('/version', signal)),
    },
    endpoint: async (of, port, signal) => openPort(await api(), of, port, signal),
    async state({ release, service }, signal) {
      const workload = workloadOf(release);
      const set = setOf(workload, service);
      if (set !== undefined) return setState(await api(), workload, set, signal);
      return serviceState(await open(), workload, serviceOf(workload, service), signal);
    },
    async states(of, signal) {
      const [first] = of;
      if (first === undefined) return [];
      const cluster = await open();
      const objectApi = await api();
      const { site, namespace } = workloadOf(first.release);
      const shared = of.every(({ release }) => workloadOf(release).namespace === namespace);
      const where = shared ? { namespace } : {};
      const inventory = await siteInventory(cluster, { site, ...where }, signal);
      return Promise.all(
        of.map(({ release, service }) => {
          const workload = workloadOf(release);
          const set = setOf(workload, service);
          if (set !== undefined) return setState(objectApi, workload, set, signal);
          return serviceState(inventory, workload, serviceOf(workload, service), signal);
        }),
      );
    },
    async notRestricted(signal) {
      const proof = new ProofFile(root, await open(), signal);
      const { networkPolicy: known } = await proof.read();
      return known === undefined ? undefined : withoutIsolation(known);
    },
    async resourceUse({ release, service }, signal) {
      const workload = workloadOf(release);
      if (setOf(workload, service) !== undefined)
        return { unknown: 'pods of charts and objects are not measured' };
      const { namespace } = workload;
      const labels = podSelector(serviceOf(workload, service).deployment.metadata.name, workload);
      return podUse(await open(), { namespace, labels }, signal);
    },
    async runInside(of, command, signal) {
      const { cluster } = await api();
      const inside = { ...(await podOf(await api(), of, signal)), command };
      return runInPod(cluster, inside, signal);
    },
    async logs(of, lines, signal) {
      const { cluster } = await api();
      const { namespace, pod, container } = await podOf(await api(), of, signal, loggedPod);
      const path = (previous: boolean): string =>
        `${pathOf('Pod', namespace, pod)}/log?${new URLSearchParams({ container, tailLines: String(lines), previous: String(previous) })}`;
      const now = await cluster.text(path(false), signal);
      if (now.status === 200 && now.text.trim() !== '') return now.text;
      // A container that just restarted has written nothing yet: how the one before ended says more.
      const before = await cluster.text(path(true), signal);
      return before.status === 200 ? before.text : now.status === 200 ? now.text : '';
    },
    async followLogs(of, lines, write, signal) {
      const { cluster } = await api();
      const { namespace, pod, container } = await podOf(await api(), of, signal, loggedPod);
      const query = new URLSearchParams({
        container,
        tailLines: String(lines),
        follow: 'true',
      });
      await cluster.text(`${pathOf('Pod', namespace, pod)}/log?${query}`, signal, write);
    },
    async stop({ release, service }, signal) {
      const workload = workloadOf(release);
      const cluster = await open();
      await stopService({ cluster, workload, service: serviceOf(workload, service) }, signal);
    },
    // Whatever only an old generation has is removed as soon as its successor is current.
    forget: async () => {},
  };
}

async function run(
  { api, replaced }: { readonly api: ObjectApi; readonly replaced: ReplacedObjects },
  { action, release, counterpart, subject }: TargetOperation,
  { warn, progress }: SiteSupply,
  signal: AbortSignal,
): Promise<void> {
  const workload = workloadOf(release);
  const other = counterpart === undefined ? undefined : clusterWorkload(counterpart);
  const service = () => serviceOf(workload, subject);
  const { cluster } = api;
  const mine = () => ({ cluster, workload, service: service() });
  const set = setOf(workload, subject);
  if (set !== undefined && action in setActions)
    return setActions[action]?.(
      {
        ...{ api, replaced, workload, set, other, warn },
        ...(progress === undefined ? {} : { progress }),
      },
      signal,
    );
  switch (action) {
    case 'open-namespace':
      return openNamespace(cluster, workload, signal, other);
    case 'close-namespace':
      await closeNamespace(cluster, workload, signal, {
        keep: (await keptNamespaces(api, workload, signal)).has(workload.namespace),
      });
      if (other === undefined) await replaced.forgetRelease(workload.release);
      return;
    case 'apply-objects':
      for (const object of workload.objects) await cluster.apply(object, signal);
      return;
    case 'remove-objects':
      return removeObjects(cluster, workload, other, signal);
    case 'fill-volume':
      return fillVolume({ cluster, workload, other }, signal);
    case 'abandon-fill':
    case 'clear-volume':
      return clearVolume({ cluster, workload, other, warn }, signal);
    case 'start-deployment':
      return startService(mine(), signal);
    case 'stop-deployment':
      return hasDeployment(other, service()) ? undefined : stopService(mine(), signal);
    case 'remove-deployment':
      return hasDeployment(other, service()) ? undefined : removeDeployment(mine(), signal);
    case 'point-service':
      return pointService(mine(), signal);
    // An undo: the old pods may start only after it, where they had to stop first.
    case 'return-service':
      return directClients(mine(), signal);
    case 'remove-service': {
      const object = service().service;
      if (object !== undefined) await removeOurs(cluster, workload, object, signal);
      return;
    }
    default:
      throw new Error(`kubernetes has no action ${action}`);
  }
}

/** What is done with sets of objects. */
const setActions: Readonly<Record<string, (work: SetWork, signal: AbortSignal) => Promise<void>>> =
  {
    'apply-set': applySet,
    'return-set': returnSet,
    'repair-set': repairSet,
    'test-set': (work, signal) => runHooks(work, 'test', signal),
    'restore-set': restoreSet,
    'remove-set': undoSet,
    'prune-set': pruneSet,
    'uninstall-set': uninstallSet,
  };

/** Whether the other generation has the same Deployment, which then stays. */
function hasDeployment(
  other: KubernetesWorkload | undefined,
  { deployment }: KubernetesService,
): boolean {
  return (
    other?.services.some((each) => placeText(each.deployment) === placeText(deployment)) === true
  );
}

/** Removes the objects of a release that the other generation does not have. */
async function removeObjects(
  cluster: Cluster,
  workload: KubernetesWorkload,
  other: KubernetesWorkload | undefined,
  signal: AbortSignal,
): Promise<void> {
  const kept = new Set(other?.objects.map(placeText));
  for (const object of workload.objects.toReversed())
    if (!kept.has(placeText(object))) await removeOurs(cluster, workload, object, signal);
}

function deployed(
  { name, dependsOn, health, adapters, ports, service }: KubernetesWorkload['services'][number],
  { namespace }: KubernetesWorkload,
): DeployedService {
  const host = `${service?.metadata.name ?? name}.${namespace}.svc`;
  return {
    ...{ name, dependsOn },
    ...(health === undefined ? {} : { health }),
    ...(adapters === undefined ? {} : { adapters }),
    addresses: ports.map((port) => ({ port: port.name, url: `http://${host}:${port.port}` })),
  };
}

/** A set follows the one before it. */
function deployedSet(
  { name, endpoint: at, powers }: KubernetesSet,
  before: KubernetesSet | undefined,
  { namespace }: KubernetesWorkload,
): DeployedService {
  const dependsOn = before === undefined ? [] : [before.name];
  if (at === undefined) return { name, dependsOn, addresses: [], powers };
  const url = `http://${at.service}.${namespace}.svc:${at.port}`;
  const health = {
    ...({ server: 'http', path: '/v1/models', port: SET_PORT } as const),
    ...{ startupSeconds: 600, startupLimitSeconds: 7200, soakSeconds: 0 },
  };
  return { name, dependsOn, health, addresses: [{ port: SET_PORT, url }], powers };
}
