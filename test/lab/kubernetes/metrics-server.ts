import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { downloadModule, runGo } from '../go.ts';
import { builtOnce } from './built-once.ts';
import type { Cluster } from './cluster.ts';
import { type Daemon, startDaemon } from './daemon.ts';

const MODULE = 'sigs.k8s.io/metrics-server@v0.9.0';
/** What go.sum would say of the module; its own go.sum says the same of all that it needs. */
const SUM = 'h1:nlqqZ2H0Xfko8eJC/1qaNVVT17hu4rxndkOi22KTZ4w=';
const BUILD = ['build', '-trimpath', '-ldflags=-s -w'] as const;
const NAME = 'metrics-server';
const NAMESPACE = 'kube-system';
const PORT = 4443;
/** The project's own manifests, except for that of its pod. */
const MANIFESTS = ['rbac.yaml', 'service.yaml', 'apiservice.yaml'] as const;

/** metrics-server of a cluster: its API stays registered while it does not run. */
export interface MetricsServer {
  /** Stops it where it is: it accepts connections and answers nothing. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

/**
 * Installs metrics-server in a cluster as its project's manifests do, but runs it beside the control plane: it asks every kubelet each
 * 15 s, so that a pod has metrics within half a minute. A first call builds it, which takes two minutes of two cores.
 */
export async function startMetricsServer(cluster: Cluster): Promise<MetricsServer> {
  const programs = await metricsServerPrograms();
  const objects = MANIFESTS.flatMap((name) =>
    parseAllDocuments(readFileSync(join(programs, name), 'utf8')).map((each) => each.toJS()),
  );
  await cluster.apply(...objects.filter((each) => each !== null), endpoints(cluster.host));
  // Its manifests give the rights to this account.
  const account = `system:serviceaccount:${NAMESPACE}:${NAME}`;
  const kubeconfig = await cluster.account(NAME, `/CN=${account}`);
  const { certificate, key } = await cluster.serverCertificate(`${NAME}-serving`);
  const temporary = join(cluster.folder, NAME);
  mkdirSync(temporary);
  const daemon: Daemon = await startDaemon({
    ...{ name: NAME, folder: cluster.folder, programs },
    command: [
      ...[NAME, `--kubeconfig=${kubeconfig}`, `--authentication-kubeconfig=${kubeconfig}`],
      ...[`--authorization-kubeconfig=${kubeconfig}`, `--bind-address=${cluster.host}`],
      ...[`--secure-port=${PORT}`, `--cert-dir=${temporary}`],
      ...[`--tls-cert-file=${certificate}`, `--tls-private-key-file=${key}`],
      '--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname',
      ...['--kubelet-use-node-status-port', '--metric-resolution=15s'],
    ],
  });
  await daemon.ready(async () => {
    const nodes = ['get', '--raw', '/apis/metrics.k8s.io/v1beta1/nodes'];
    const { status, stdout } = await cluster.tryKubectl(...nodes);
    return status === 0 && JSON.parse(stdout).items.length === cluster.nodes.length;
  });
  return {
    pause: () => daemon.child.kill('SIGSTOP'),
    resume: () => daemon.child.kill('SIGCONT'),
    stop: () => daemon.stop('SIGKILL'),
  };
}

/** Where its Service leads, which has no pod to select. */
function endpoints(host: string): object {
  return {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
    metadata: {
      ...{ name: NAME, namespace: NAMESPACE },
      labels: { 'kubernetes.io/service-name': NAME },
    },
    endpoints: [{ addresses: [host], conditions: { ready: true } }],
    ports: [{ name: 'https', port: PORT, protocol: 'TCP' }],
  };
}

/** The folder with the program and its manifests, built once. */
async function metricsServerPrograms(): Promise<string> {
  const digest = createHash('sha256').update(JSON.stringify([MODULE, SUM, BUILD, MANIFESTS]));
  return builtOnce(`${NAME}-${digest.digest('hex').slice(0, 16)}`, async (folder) => {
    const { Dir } = await downloadModule(MODULE, SUM);
    await runGo(Dir, [...BUILD, '-o', join(folder, NAME), `./cmd/${NAME}`]);
    for (const name of MANIFESTS)
      copyFileSync(join(Dir, 'manifests/base', name), join(folder, name));
  });
}

if (import.meta.main) console.log(await metricsServerPrograms());
