// The demo on a cluster: a connected side, a Kubernetes cluster without Internet access, and the bastion host that its nodes pull
// from. Each line that begins with $ is a command as a person types it.

import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answerText } from '../src/site/gate/acceptance.ts';
import { type Cluster, startCluster } from '../test/lab/kubernetes/cluster.ts';
import { kubernetesPrograms } from '../test/lab/kubernetes/programs.ts';
import { end, until } from '../test/lab/process.ts';
import { answers, startUpstream } from '../test/lab/upstream.ts';
import { askOnce, askWithoutPause, type Question } from '../test/support/asking-client.ts';
import { clusterObjects } from '../test/support/cluster-objects.ts';
import { clientAddress } from '../test/support/cluster-site.ts';
import { type Cleanup, demonstrate } from './demonstration/demonstrate.ts';
import { asTyped, fingerprintOf, run, say } from './demonstration/shown.ts';

const project = fileURLToPath(new URL('..', import.meta.url));
const NAMESPACE = 'stowage-tiny-chat';
const work = mkdtempSync(join(tmpdir(), 'stowage-demo-'));
const counts = { asked: 0, failed: 0 };
const cleanups: Cleanup[] = [() => rmSync(work, { recursive: true, force: true })];

if (process.argv.length > 2) {
  console.error('usage: scripts/demo --kubernetes');
  process.exit(2);
}
await kubernetesPrograms();
await demonstrate(demo, cleanups);

async function demo(): Promise<void> {
  say('Connected side: lock, pack and sign three versions of a release');
  await packReleases();

  say('Disconnected side: a cluster with two nodes, which can reach only this bastion host');
  const cluster = await startCluster({ nodes: 2 });
  cleanups.push(() => cluster.stop());
  const kubectl = shownKubectl(cluster);
  await kubectl('get', 'nodes');
  const stowage = await openSite(cluster);

  say('Import the bundle and review the plan: the API server checks every object in a dry run');
  const fingerprint = await fingerprintOf(work, 'pki/root.pem');
  const trust = ['--trust', 'pki/root.pem', '--fingerprint', fingerprint];
  await stowage(0, 'import', '1.0.0', ...trust);
  await stowage(0, 'plan', 'tiny-chat@1.0.0');

  say('Install: the Service selects the new pods only after the model has answered a prompt');
  await stowage(0, 'install', 'tiny-chat@1.0.0');
  await kubectl('get', 'deployments,services,pods', '-n', NAMESPACE);
  const question = await questionFor(cluster);
  await ask(question, answers.v1);

  say('Upgrade, while a client sends requests continuously');
  await stowage(0, 'import', '1.1.0');
  const client = askWithoutPause(question);
  cleanups.push(() => client.stop());
  await stowage(0, 'install', 'tiny-chat@1.1.0');
  await until('the new answer', 20, async () => {
    const got = client.take();
    count(got);
    return got.some((each) => answerText(each) === answers.v2) || undefined;
  });
  await ask(question, answers.v2);

  say('A release whose model fails its acceptance prompt');
  await stowage(0, 'import', '1.2.0');
  await stowage(3, 'install', 'tiny-chat@1.2.0');
  await stowage(0, 'status');
  await client.stop();
  count(client.take());
  const { asked, failed } = counts;
  console.log(`\n  the client sent ${asked} requests during both changes; ${failed} failed`);
  if (failed > 0) throw new Error(`${failed} requests of the client failed`);
  await ask(question, answers.v2);

  say('Uninstall');
  await stowage(0, 'uninstall', 'tiny-chat');
  const left = await clusterObjects(cluster);
  if (left !== '') throw new Error(`objects are left: ${left}`);
  await kubectl('get', 'namespaces', '--selector', 'app.kubernetes.io/managed-by=stowage');
}

function count(got: readonly string[]): void {
  counts.asked += got.length;
  counts.failed += got.filter((each) => answerText(each) === undefined).length;
}

async function packReleases(): Promise<void> {
  const upstream = await startUpstream(join(work, 'upstream'));
  try {
    const env = { HF_ENDPOINT: upstream.hub.url, STOWAGE_STORE: join(work, 'store') };
    const show = async (...args: readonly string[]): Promise<void> => {
      console.log(`\n$ stowage ${asTyped(args)}`);
      await run(join(project, 'scripts/stowage'), args, { env, cwd: work });
    };
    const demoManifest = readFileSync(join(project, 'manifests/demo.yaml'), 'utf8').replace(
      '127.0.0.1:15000',
      upstream.registry.host,
    );
    await show('pki', 'pki', '--organization', 'Demo Agency');
    const second = demoManifest
      .replace('@main', '@v2')
      .replace('air gap model is ready', 'second release');
    const versions = {
      '1.0.0': demoManifest,
      '1.1.0': second.replace('1.0.0', '1.1.0'),
      '1.2.0': demoManifest.replace('1.0.0', '1.2.0').replace('@main', '@v2'),
    };
    for (const [version, text] of Object.entries(versions)) {
      writeFileSync(join(work, 'chat.yaml'), text);
      console.log(`\n(chat.yaml is version ${version} now)`);
      await show('lock', 'chat.yaml');
      const packing = version === '1.0.0' ? [] : ['--no-installer'];
      await show('pack', 'chat.yaml', '--output', version, ...packing);
      const key = ['--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem'];
      await show('sign', version, ...key);
    }
  } finally {
    await upstream.stop();
    rmSync(join(work, 'upstream'), { recursive: true, force: true });
  }
}

type Stowage = (status: number, ...args: readonly string[]) => Promise<void>;

/** Writes `site.yaml` and starts the depot with the installer of the bundle, as on a bastion host. */
async function openSite(cluster: Cluster): Promise<Stowage> {
  say(
    'The site, on the bastion host: settings, the installer of the bundle, a depot with TLS and a token',
  );
  const site = join(work, 'site');
  const registry = `${cluster.host}:5443`;
  const tokens = join(work, 'nodes.token');
  writeFileSync(tokens, 'nodes:a-token-of-the-demo\n', { mode: 0o600 });
  mkdirSync(site);
  const settings = `apiVersion: stowage/v1
name: plant-7
target: kubernetes
kubernetes:
  kubeconfig: ${cluster.kubeconfig}
  images: { registry: "${registry}", credentials: { file: ${tokens} } }
  service: NodePort
`;
  writeFileSync(join(site, 'site.yaml'), settings);
  console.log(`$ cat ${join(site, 'site.yaml')}\n${settings}`);
  const installer = join(work, 'stowage');
  copyFileSync(join(work, '1.0.0', `stowage-linux-${process.arch}`), installer);
  const env = { STOWAGE_ROOT: site };
  const { certificate, key } = await cluster.serverCertificate('depot');
  const listen = [
    'depot',
    '--listen',
    registry,
    '--token-file',
    tokens,
    '--access-log',
    'pulls.log',
  ];
  const args = [...listen, '--tls-certificate', certificate, '--tls-key', key, '--modelcars'];
  cluster.registries.trust({ address: registry, ca: cluster.ca.certificate });
  const stowage: Stowage = async (status, ...words) => {
    console.log(`\n$ stowage ${asTyped(words)}`);
    await run(installer, words, { env, cwd: work, status });
  };
  console.log(`$ stowage ${asTyped(args)} &`);
  const depot = spawn(installer, args, {
    cwd: work,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  cleanups.push(() => end(depot, 'SIGTERM'));
  return stowage;
}

function shownKubectl(cluster: Cluster): (...args: readonly string[]) => Promise<void> {
  return async (...args) => {
    console.log(`\n$ kubectl ${asTyped(args)}`);
    const { stdout, stderr } = await cluster.tryKubectl(...args);
    process.stdout.write(stdout + stderr);
  };
}

/** The model is asked by plain HTTP on a port of a node, as a client outside the cluster would. */
async function questionFor(cluster: Cluster): Promise<Question> {
  const body = JSON.stringify({ model: 'tiny', prompt: 'hello', max_tokens: 12, temperature: 0 });
  return { ...(await clientAddress(cluster, NAMESPACE)), path: '/v1/completions', body };
}

async function ask(question: Question, expected: string): Promise<void> {
  const answer = answerText(await askOnce(question));
  console.log(`\n  question: hello, at http://${question.host}:${question.port}`);
  console.log(`  answer:  ${answer}`);
  if (answer?.trim() !== expected.trim()) throw new Error(`expected the answer ${expected}`);
}
