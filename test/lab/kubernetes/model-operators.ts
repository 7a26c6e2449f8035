import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';

const POLL_MS = 500;
const FOLDER = '/mnt/models';
const PORT = 8000;

// biome-ignore lint/suspicious/noExplicitAny: objects as the server has them
type Any = any;

/**
 * In place of the controllers of KServe and of the NIM operator, which need more than the lab has: makes a Deployment and a Service of each
 * InferenceService and NIMService, as they do, and says in its conditions whether it is ready. Models are taken from `oci://` images and
 * `pvc://` claims. @returns what ends it
 */
export function startModelOperators(cluster: Cluster): () => Promise<void> {
  const stopped = new AbortController();
  const { signal } = stopped;
  const work = (async (): Promise<void> => {
    while (!signal.aborted) {
      await reconcile(cluster).catch((error: unknown) => {
        // An object that is removed meanwhile, or a definition that does not exist yet.
        if (!signal.aborted) console.error(String(error).slice(0, 500));
      });
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    }
  })();
  return async () => {
    stopped.abort();
    await work;
  };
}

async function reconcile(cluster: Cluster): Promise<void> {
  for (const service of await listed(cluster, 'inferenceservices.serving.kserve.io')) {
    const { namespace } = service.metadata;
    const { model } = service.spec.predictor;
    const runtimes = await listed(cluster, 'servingruntimes.serving.kserve.io', namespace);
    const runtime = runtimes.find(({ metadata }) => metadata.name === model.runtime);
    if (runtime === undefined) continue;
    const [container] = runtime.spec.containers;
    await serve(cluster, service, {
      ...{ name: `${service.metadata.name}-predictor`, container, uri: model.storageUri, port: 80 },
      secrets: service.spec.predictor.imagePullSecrets ?? [],
    });
  }
  for (const service of await listed(cluster, 'nimservices.apps.nvidia.com')) {
    const { image, env, expose } = service.spec;
    // As the operator joins them.
    const container = { name: 'nim', image: `${image.repository}:${image.tag}`, env };
    const uri = env.find((each: Any) => each.name === 'NIM_MODEL_NAME')?.value;
    await serve(cluster, service, {
      ...{ name: service.metadata.name, container, uri, port: expose.service.port },
      secrets: (image.pullSecrets ?? []).map((name: string) => ({ name })),
    });
  }
}

async function listed(cluster: Cluster, kind: string, namespace?: string): Promise<Any[]> {
  const where = namespace === undefined ? ['--all-namespaces'] : ['--namespace', namespace];
  const { status, stdout } = await cluster.tryKubectl('get', kind, ...where, '--output=json');
  return status === 0 ? JSON.parse(stdout).items : [];
}

interface Serving {
  readonly name: string;
  readonly container: Any;
  readonly uri: string;
  readonly port: number;
  readonly secrets: readonly object[];
}

async function serve(
  cluster: Cluster,
  owner: Any,
  { name, container, uri, port, secrets }: Serving,
): Promise<void> {
  const { namespace, uid, generation } = owner.metadata;
  if (owner.metadata.deletionTimestamp !== undefined) return;
  const { apiVersion, kind } = owner;
  const ownerReferences = [
    {
      apiVersion,
      kind,
      name: owner.metadata.name,
      uid,
      controller: true,
      blockOwnerDeletion: true,
    },
  ];
  const metadata = { name, namespace, ownerReferences };
  const labels = { app: name };
  const { volume, subPath } = volumeOf(uri);
  const security = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  const pod = {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    terminationGracePeriodSeconds: 0,
    imagePullSecrets: secrets,
    volumes: [{ name: 'model', ...volume }],
    containers: [
      {
        ...container,
        securityContext: security,
        ports: [{ name: 'http', containerPort: PORT }],
        readinessProbe: { httpGet: { path: '/health', port: 'http' }, periodSeconds: 1 },
        volumeMounts: [{ name: 'model', mountPath: FOLDER, subPath, readOnly: true }],
      },
    ],
  };
  await cluster.apply(
    {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata },
      spec: {
        ...{ replicas: 1, selector: { matchLabels: labels } },
        template: { metadata: { labels }, spec: pod },
      },
    },
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata },
      spec: { selector: labels, ports: [{ name: 'http', port, targetPort: 'http' }] },
    },
  );
  const found = await cluster.tryKubectl(
    ...['get', 'deployment', name, '--namespace', namespace, '--output=json'],
  );
  if (found.status !== 0) return;
  const deployment = JSON.parse(found.stdout);
  const {
    observedGeneration,
    updatedReplicas = 0,
    readyReplicas = 0,
    replicas,
  } = deployment.status ?? {};
  const current = observedGeneration === deployment.metadata.generation && replicas === 1;
  const isReady = current && updatedReplicas === 1 && readyReplicas === 1;
  const [type, status] = ['Ready', isReady ? 'True' : 'False'];
  const before = owner.status?.conditions?.find((each: Any) => each.type === type);
  if (before?.status === status && owner.status?.observedGeneration === generation) return;
  const lastTransitionTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const condition = { type, status, reason: 'Pods', message: '', lastTransitionTime };
  await cluster.kubectl(
    ...['patch', kind.toLowerCase(), owner.metadata.name, '--namespace', namespace],
    ...['--subresource=status', '--type=merge', '--patch'],
    JSON.stringify({ status: { observedGeneration: generation, conditions: [condition] } }),
  );
}

/** A model as KServe documents its addresses: an image with the folder `models`, or a folder of a claim. */
function volumeOf(uri: string): { volume: object; subPath: string } {
  const { protocol, host, pathname } = new URL(uri);
  if (protocol === 'oci:') {
    const reference = uri.slice('oci://'.length);
    return { volume: { image: { reference, pullPolicy: 'IfNotPresent' } }, subPath: 'models' };
  }
  if (protocol !== 'pvc:') throw new Error(`no model at ${uri}`);
  const persistentVolumeClaim = { claimName: host, readOnly: true };
  return { volume: { persistentVolumeClaim }, subPath: pathname.slice(1) };
}
