import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { downloadModule, runGo } from '../go.ts';
import { START_SECONDS, until } from '../process.ts';
import { builtOnce } from './built-once.ts';
import type { Cluster } from './cluster.ts';
import { startDaemon } from './daemon.ts';

const MODULE = 'sigs.k8s.io/lws@v0.7.0';
/** What go.sum would say of the module; its own go.sum says the same of all that it needs. */
const SUM = 'h1:qWfzX8+UBak+Hq0+m/PuE3uO0mp/3dmm5q/h/7z31A8=';
const LINK = '-ldflags=-s -w';
const WEBHOOKS = 9443;
const PROBES = 9444;
/** What the project's own manifests consist of: its API, and its webhooks with what they are asked about. */
const MANIFESTS = {
  'crd.yaml': 'config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml',
  'webhooks.yaml': 'config/webhook/manifests.yaml',
  'mutating-patch.yaml': 'config/webhook/mutating-patch.yaml',
  'validating-patch.yaml': 'config/webhook/validating-patch.yaml',
} as const;

interface WebhookConfiguration {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly webhooks: readonly { readonly clientConfig: { readonly service: { path: string } } }[];
}

/**
 * Installs LeaderWorkerSet in a cluster: its API, its webhooks, and its controller, which runs beside the control plane. A first
 * call builds the controller, which takes two minutes of two cores.
 * @returns what ends the controller and removes its API, with all objects of it
 */
export async function installLeaderWorkerSets(cluster: Cluster): Promise<() => Promise<void>> {
  const programs = await controllerPrograms();
  const at = (name: string): string => join(cluster.folder, `lws-${name}`);
  const read = (name: keyof typeof MANIFESTS): string => readFileSync(join(programs, name), 'utf8');
  // A field of its schema is longer than an annotation may be, which only `kubectl apply` without the server would write.
  await cluster.apply(parse(read('crd.yaml')));
  await until('the API of LeaderWorkerSets', START_SECONDS, async () => {
    const { status } = await cluster.tryKubectl('get', 'leaderworkersets');
    return status === 0 || undefined;
  });
  const { certificate, key } = await cluster.serverCertificate('lws-webhooks');
  mkdirSync(at('certificates'), { recursive: true });
  copyFileSync(certificate, join(at('certificates'), 'tls.crt'));
  copyFileSync(key, join(at('certificates'), 'tls.key'));
  const configuration = {
    ...{ apiVersion: 'config.lws.x-k8s.io/v1alpha1', kind: 'Configuration' },
    webhook: { host: cluster.host, port: WEBHOOKS, certDir: at('certificates') },
    health: { healthProbeBindAddress: `${cluster.host}:${PROBES}` },
    metrics: { bindAddress: '0' },
    leaderElection: { leaderElect: false },
    internalCertManagement: { enable: false },
  };
  writeFileSync(at('configuration.yaml'), JSON.stringify(configuration));
  const daemon = await startDaemon({
    ...{ name: 'lws-controller-manager', folder: cluster.folder, programs },
    command: [
      'lws-controller-manager',
      ...[`--config=${at('configuration.yaml')}`, `--kubeconfig=${cluster.kubeconfig}`],
      '--leader-elect=false',
    ],
  });
  await daemon.ready(async () =>
    fetch(`http://${cluster.host}:${PROBES}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  const configurations = parseAllDocuments(read('webhooks.yaml')).map((each) => {
    const found = each.toJS() as WebhookConfiguration;
    const name = found.kind.startsWith('Mutating')
      ? 'mutating-patch.yaml'
      : 'validating-patch.yaml';
    const [{ value }] = parse(read(name));
    const [own] = found.webhooks;
    const webhooks = [own, value].map((webhook) => ({
      ...webhook,
      clientConfig: {
        url: `https://${cluster.host}:${WEBHOOKS}${webhook.clientConfig.service.path}`,
        caBundle: readFileSync(cluster.ca.certificate).toString('base64'),
      },
    }));
    return { ...found, metadata: { name: `lws-${found.metadata.name}` }, webhooks };
  });
  await cluster.apply(...configurations);
  // The server of its webhooks starts after its probes answer.
  await until('the webhooks', START_SECONDS, async () => {
    const { status } = await cluster.tryKubectl('apply', '--dry-run=server', '--filename', probe());
    return status === 0 || undefined;
  });
  return async () => {
    for (const { kind, metadata } of configurations)
      await cluster.kubectl('delete', kind, metadata.name);
    await cluster.kubectl('delete', 'crd', 'leaderworkersets.leaderworkerset.x-k8s.io');
    await daemon.stop('SIGKILL');
  };

  function probe(): string {
    const container = { name: 'a', image: 'a' };
    const workerTemplate = { spec: { containers: [container] } };
    const object = {
      ...{ apiVersion: 'leaderworkerset.x-k8s.io/v1', kind: 'LeaderWorkerSet' },
      metadata: { name: 'probe', namespace: 'default' },
      spec: { leaderWorkerTemplate: { workerTemplate } },
    };
    writeFileSync(at('probe.json'), JSON.stringify(object));
    return at('probe.json');
  }
}

/** The folder with the controller and its manifests, built once. */
async function controllerPrograms(): Promise<string> {
  const digest = createHash('sha256').update(JSON.stringify([MODULE, SUM, LINK, MANIFESTS]));
  return builtOnce(`lws-${digest.digest('hex').slice(0, 16)}`, async (folder) => {
    const { Dir } = await downloadModule(MODULE, SUM);
    await runGo(Dir, ['build', LINK, '-o', join(folder, 'lws-controller-manager'), './cmd']);
    for (const [name, path] of Object.entries(MANIFESTS))
      copyFileSync(join(Dir, path), join(folder, name));
  });
}

if (import.meta.main) console.log(await controllerPrograms());
