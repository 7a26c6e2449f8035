import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { downloadModule, runGo } from '../go.ts';
import { run } from '../process.ts';
import { builtOnce } from './built-once.ts';
import { startDaemon } from './daemon.ts';
import type { NodePlace, Place } from './place.ts';

const SOURCE = join(import.meta.dirname, 'policies');
const NAME = 'kube-network-policies';
const PACKAGE = 'sigs.k8s.io/kube-network-policies/cmd';
const BUILD = ['build', '-ldflags=-s -w'] as const;
/** A library of it, of which the lab replaces one file: the file itself says why. */
const LIBRARY = 'github.com/google/nftables@v0.3.0';
const LIBRARY_SUM = 'h1:bkyZ0cbpVeMHXOrtlFc8ISmfVqq5gPJukoYieyVmITg=';
const REPLACED = 'expr/queue.go';
/** Its table in the rules of a node. */
const TABLE = ['inet', NAME] as const;

export interface PolicyOptions {
  readonly place: Place;
  readonly nodes: readonly NodePlace[];
  /** Runs kubectl with every right. */
  kubectl(...args: readonly string[]): Promise<string>;
  /** The certificate of the authority of the cluster. */
  readonly authority: string;
}

/** What enforces the NetworkPolicies of a cluster. */
export interface Policies {
  /** Ends it on all nodes: every policy stays an object, and none is enforced. */
  stop(): Promise<void>;
}

/**
 * Has every node enforce NetworkPolicies by kube-network-policies of the Kubernetes project: rules of its network send the
 * first packet of a connection of a pod with a policy to it, and it accepts or drops it. It knows a new pod a second or two
 * after that has an address. Later versions need a kernel in which it can set labels of connections (CONFIG_NETFILTER_NETLINK_GLUE_CT). A first call builds it, which takes a minute once the cluster is built.
 */
export async function enforcePolicies(options: PolicyOptions): Promise<Policies> {
  const programs = await policyPrograms();
  const { place, nodes, kubectl, authority } = options;
  // As a pod of the namespace would have it: the program takes no kubeconfig.
  const account = join(place.folder, 'policies-account');
  mkdirSync(account, { mode: 0o700 });
  const [verbs, things] = ['list,watch', 'pods,namespaces,nodes,networkpolicies'];
  await kubectl('create', 'clusterrole', NAME, `--verb=${verbs}`, `--resource=${things}`);
  await kubectl('create', 'serviceaccount', NAME, '--namespace=kube-system');
  await kubectl(
    ...['create', 'clusterrolebinding', NAME, `--clusterrole=${NAME}`],
    `--serviceaccount=kube-system:${NAME}`,
  );
  const token = ['create', 'token', NAME, '--namespace=kube-system', '--duration=24h'];
  writeFileSync(join(account, 'token'), await kubectl(...token), { mode: 0o600 });
  copyFileSync(authority, join(account, 'ca.crt'));
  const enforcers = await Promise.all(
    nodes.map((node) => startEnforcer({ ...node, place, programs, account })),
  );
  return { stop: async () => void (await Promise.all(enforcers.map((each) => each.stop()))) };
}

interface Enforcer extends Pick<NodePlace, 'name' | 'enter'> {
  readonly place: Place;
  readonly programs: string;
  /** The folder with token and authority. */
  readonly account: string;
}

/** Where a pod has them (kubernetes.io docs tasks/run-application/access-api-from-pod). */
const ACCOUNT = '/run/secrets/kubernetes.io/serviceaccount';

async function startEnforcer(options: Enforcer): Promise<Policies> {
  const { name, enter, place, programs, account } = options;
  const script = `mount -t tmpfs none /run && mkdir -p ${ACCOUNT} && mount --bind ${account} ${ACCOUNT} && exec "$@"`;
  // Without it, packets between two pods of a node pass the bridge and no rules (kernel docs networking/bridge.rst).
  for (const family of ['iptables', 'ip6tables'])
    await inside(enter, 'sysctl', '--quiet', '-w', `net.bridge.bridge-nf-call-${family}=1`);
  const daemon = await startDaemon({
    ...{ name: `${name}-${NAME}`, folder: place.folder, programs, enter },
    command: [
      ...['env', `KUBERNETES_SERVICE_HOST=${place.host}`, 'KUBERNETES_SERVICE_PORT=6443'],
      ...['unshare', '--mount', 'sh', '-c', script, 'sh'],
      ...[NAME, `--hostname-override=${name}`],
      ...['--metrics-bind-address=127.0.0.1:9080', '--disable-nri', '--fail-open=false'],
      // The fault is not in kernels since 6.12.
      '--netfilter-bug-1766-fix=false',
    ],
  });
  await daemon.ready(async () =>
    inside(enter, 'nft', 'list', 'table', ...TABLE).then(
      () => true,
      () => false,
    ),
  );
  return {
    // On SIGTERM it leaves its rules: they send the packets of pods to a queue that nobody reads, and the kernel drops them.
    stop: async () => {
      await daemon.stop('SIGKILL');
      await inside(enter, 'nft', 'delete', 'table', ...TABLE);
    },
  };
}

function inside(enter: readonly string[], ...command: readonly string[]): Promise<string> {
  const [program = '', ...before] = enter;
  return run(program, [...before, ...command]);
}

/** The folder with the program, built once. */
async function policyPrograms(): Promise<string> {
  const digest = createHash('sha256').update(
    JSON.stringify([PACKAGE, BUILD, LIBRARY_SUM, REPLACED]),
  );
  const files = globSync('**/{*.go,go.mod,go.sum}', { cwd: SOURCE }).sort();
  for (const file of files) digest.update(`${file}\n`).update(readFileSync(join(SOURCE, file)));
  return builtOnce(`policies-${digest.digest('hex').slice(0, 16)}`, async (folder) => {
    const module = join(folder, 'module');
    cpSync(SOURCE, module, { recursive: true });
    const { Dir } = await downloadModule(LIBRARY, LIBRARY_SUM);
    // As go.mod names it. What the module cache holds is not writable.
    await run('cp', ['--recursive', '--no-preserve=mode', Dir, join(module, 'nftables')]);
    copyFileSync(join(SOURCE, REPLACED), join(module, 'nftables', REPLACED));
    await runGo(module, [...BUILD, '-o', join(folder, NAME), PACKAGE]);
    rmSync(module, { recursive: true });
  });
}

if (import.meta.main) console.log(await policyPrograms());
