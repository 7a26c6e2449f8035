import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  globSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { hasGo, runGo } from '../go.ts';
import { builtOnce, programsAt } from './built-once.ts';
import { CLIENTS, CLIENTS_SHA512, clientPrograms } from './clients.ts';

const VERSION = 'v1.36.3';
const CONTAINERD = 'v2.3.7';
const SOURCE = join(import.meta.dirname, 'source');
/** The names under which the one program `kube` is each of them. */
const NAMES = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
const NODE_NAMES = ['kubelet', 'kube-proxy'] as const;

const VERSIONS = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap(
  (name) => [
    `-X ${name}.gitVersion=${VERSION}`,
    ...[`-X ${name}.gitMajor=1`, `-X ${name}.gitMinor=36`, `-X ${name}.gitTreeState=clean`],
  ],
);
const LINK = [
  '-s -w',
  ...VERSIONS,
  `-X github.com/containerd/containerd/v2/version.Version=${CONTAINERD}`,
].join(' ');
const COMMANDS = 'github.com/containerd/containerd/v2/cmd';
/** What Go builds; all of one module, so that what they share is compiled once. */
const BUILDS: readonly (readonly string[])[] = [
  ['-o', 'kube', './kube'],
  [
    ...['-tags', 'no_btrfs no_devmapper no_zfs no_aufs urfave_cli_no_docs', '-o', './'],
    ...['containerd', 'containerd-shim-runc-v2', 'ctr'].map((name) => `${COMMANDS}/${name}`),
  ],
  ['-o', './', 'sigs.k8s.io/kwok/cmd/kwok', './pod'],
];

/** Why no cluster can be started here; undefined where one can. */
export async function withoutCluster(): Promise<string | undefined> {
  if (process.arch !== 'x64') return 'the Kubernetes of the lab is built for x86-64 only';
  if (process.getuid?.() !== 0) return 'the Kubernetes of the lab needs root';
  if (existsSync(programsAt(name())) || (await hasGo())) return undefined;
  return 'Kubernetes is built from its sources, which needs Go 1.26 and a module proxy';
}

/**
 * The folder with the programs of a cluster, built once: Kubernetes, etcd, containerd and KWOK from the sources that
 * `source/go.mod` pins, kubectl and Helm as their projects built them. A first call takes six minutes of two cores,
 * 2.4 GB of memory and 3.5 GB of Go's cache.
 */
export async function kubernetesPrograms(): Promise<string> {
  return builtOnce(name(), async (folder) => {
    console.error(
      `building Kubernetes ${VERSION} once, which takes minutes: ${programsAt(name())}`,
    );
    const clients = await clientPrograms();
    for (const program of CLIENTS) copyFileSync(join(clients, program), join(folder, program));
    await buildAll(folder);
  });
}

/** Follows from all that goes into the programs. */
function name(): string {
  const hash = createHash('sha256').update(JSON.stringify([LINK, BUILDS, CLIENTS_SHA512]));
  for (const file of globSync('**/{*.go,go.mod,go.sum}', { cwd: SOURCE }).sort())
    hash.update(`${file}\n`).update(readFileSync(join(SOURCE, file)));
  return hash.digest('hex').slice(0, 16);
}

async function buildAll(work: string): Promise<void> {
  for (const args of BUILDS) {
    const output = args.map((each, at) => (args[at - 1] === '-o' ? join(work, each, '.') : each));
    await runGo(SOURCE, ['build', `-ldflags=${LINK}`, ...output]);
  }
  for (const name of [...NAMES, ...NODE_NAMES]) symlinkSync('kube', join(work, name));
  // How fake nodes and their pods behave, as KWOK publishes it.
  const kwok = (await runGo(SOURCE, ['list', '-m', '-f={{.Dir}}', 'sigs.k8s.io/kwok'])).trim();
  const stages = globSync('{node/fast,node/heartbeat-with-lease,pod/fast}/{node,pod}-*.yaml', {
    cwd: join(kwok, 'kustomize/stage'),
  })
    .sort()
    .map((file) => readFileSync(join(kwok, 'kustomize/stage', file), 'utf8'));
  writeFileSync(join(work, 'kwok-stages.yaml'), stages.join('\n---\n'));
}

if (import.meta.main) console.log((await withoutCluster()) ?? (await kubernetesPrograms()));
