import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beginLayout, writeImage, writeLayer, writeTags } from '../image-layout.ts';
import { capture, type Output, run, START_SECONDS, until } from '../process.ts';
import { type Registry, type RegistryOptions, startRegistry } from '../registry.ts';
import type { CertificateFiles } from './certificates.ts';
import { startControlPlane } from './control-plane.ts';
import type { Daemon } from './daemon.ts';
import { startFakeNodes } from './fake-nodes.ts';
import { type ClusterNode, startNode } from './node.ts';
import { layNetwork, takePlace } from './place.ts';
import { enforcePolicies } from './policies.ts';
import { kubernetesPrograms } from './programs.ts';
import { RegistryHosts } from './registry-hosts.ts';

export interface ClusterOptions {
  /** Real nodes, `n1` and on. Default 2. */
  readonly nodes?: number;
  /** Nodes of KWOK, `fake-1` and on. Default none. */
  readonly fakeNodes?: number;
  /** More arguments of kube-apiserver. */
  readonly apiServer?: readonly string[];
  /** Whether nodes enforce NetworkPolicies. Default: they are objects that nothing enforces. */
  readonly policies?: boolean;
}

/** A real Kubernetes on this machine, whose nodes have no way out but to the host's address on their bridge. */
export interface Cluster {
  /** Of an account with every right. */
  readonly kubeconfig: string;
  /** Where `kubectl` and `helm` lie. */
  readonly programs: string;
  /** The cluster's folder, deleted with it; `log/` in it has what each program wrote. */
  readonly folder: string;
  /** The host's address on the bridge: a depot that listens there serves the nodes. */
  readonly host: string;
  readonly nodes: readonly ClusterNode[];
  /** The authority of the cluster, for kubeconfigs and servers of a test. */
  readonly ca: CertificateFiles;
  /** Runs kubectl with every right. @throws Error with what it wrote to standard error */
  kubectl(...args: readonly string[]): Promise<string>;
  /** The same, whatever its status. */
  tryKubectl(...args: readonly string[]): Promise<Output>;
  /** Server-side apply of objects, in their order. */
  apply(...objects: readonly object[]): Promise<string>;
  /** A kubeconfig of an account with a client certificate and no rights. @param subject such as `/O=group/CN=user` */
  account(name: string, subject: string): Promise<string>;
  /** A certificate of the authority for a server on the host's address. */
  serverCertificate(name: string): Promise<CertificateFiles>;
  /** Starts docker-registry on the host's address. */
  registry(options?: RegistryOptions): Promise<Registry>;
  /** What the nodes know of the registries that images name. */
  readonly registries: RegistryHosts;
  /** Says that a node has so many of a resource, such as `nvidia.com/gpu`. */
  setExtendedResource(node: string, resource: string, count: number): Promise<void>;
  /** Default SIGKILL. */
  stopApiServer(signal?: NodeJS.Signals): Promise<void>;
  /** @param more arguments of kube-apiserver until it is started again */
  startApiServer(...more: readonly string[]): Promise<void>;
  /** Stops it where it is: it accepts connections and answers nothing. */
  pauseApiServer(): void;
  resumeApiServer(): void;
  /** From now on nothing enforces NetworkPolicies. */
  stopPolicies(): Promise<void>;
  /** A client certificate that was valid yesterday. */
  expiredCertificate(subject: string): Promise<CertificateFiles>;
  /** Ends it and removes all that it left on the machine. */
  stop(): Promise<void>;
}

/** Starts a cluster and waits until its nodes are ready. Needs root and the packages of `packages.sh`; builds its programs once. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const programs = await kubernetesPrograms();
  const place = await takePlace();
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    try {
      for (const each of stops.splice(0).reverse()) await each();
      await place.clear();
    } finally {
      await place.release();
    }
  };
  try {
    const { folder, host } = place;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const addresses = Array.from({ length: options.nodes ?? 2 }, (_, at) => place.node(at + 1));
    await layNetwork(place, addresses);
    const { apiServer = [] } = options;
    const plane = await startControlPlane({ place, programs, apiServer });
    stops.push(() => plane.stop());
    const { kubeconfig } = plane;
    const program = join(programs, 'kubectl');
    const kubectl = (...args: readonly string[]): Promise<string> =>
      run(program, ['--kubeconfig', kubeconfig, ...args]);
    const sandbox = await podImage(join(folder, 'pod-image'), programs);
    const proxy = await plane.account('kube-proxy', '/CN=system:kube-proxy');
    const nodes = await Promise.all(
      addresses.map((node) => startNode({ place, node, programs, plane, sandbox, proxy })),
    );
    stops.push(async () => void (await Promise.all(nodes.map((node) => node.stop()))));
    await until('all nodes', START_SECONDS, async () => {
      const found = await kubectl('get', 'nodes', '--no-headers');
      // The taint of a node that is not ready stays for a moment after it is ready.
      const taints = await kubectl('get', 'nodes', '--output=jsonpath={.items[*].spec.taints}');
      const ready = found.match(/ Ready /g)?.length ?? 0;
      return (ready === nodes.length && taints.trim() === '') || undefined;
    }).catch(async (error: unknown) => {
      const found = await kubectl('get', 'nodes', '--output=wide');
      const logs = nodes.map((node) => `${node.name}: ${node.log().slice(-4000)}`);
      throw new Error([found, ...logs].join('\n'), { cause: error });
    });
    const enforcing =
      options.policies === true
        ? await enforcePolicies({
            ...{ place, nodes: addresses, kubectl },
            authority: plane.authority.files.certificate,
          })
        : undefined;
    const count = options.fakeNodes ?? 0;
    if (count > 0) {
      const fake = { count, folder, programs, host, kubeconfig, kubectl };
      const kwok: Daemon = await startFakeNodes(fake);
      stops.push(() => kwok.stop('SIGKILL'));
    }
    let files = 0;
    return {
      ...{ kubeconfig, programs, folder, host, nodes, ca: plane.authority.files, kubectl, stop },
      registries: new RegistryHosts(nodes.map((node) => node.registryHosts)),
      tryKubectl: (...args) => capture(program, ['--kubeconfig', kubeconfig, ...args]),
      apply: (...items) => {
        files += 1;
        const file = join(folder, `applied-${files}.json`);
        writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
        return kubectl('apply', '--server-side', '--field-manager=lab', '--filename', file);
      },
      account: plane.account,
      serverCertificate: (name) => plane.authority.issue(name, `/CN=${name}`, [`IP:${host}`]),
      registry: async (more = {}) => {
        files += 1;
        const started = await startRegistry(join(folder, `registry-${files}`), {
          address: host,
          ...more,
        });
        stops.push(() => started.stop());
        return started;
      },
      setExtendedResource: async (node, resource, amount) => {
        const amounts = { [resource]: String(amount) };
        const patch = JSON.stringify({ status: { capacity: amounts, allocatable: amounts } });
        await kubectl('patch', 'node', node, '--subresource=status', '--type=merge', '-p', patch);
      },
      stopApiServer: plane.stopApiServer,
      startApiServer: plane.startApiServer,
      pauseApiServer: plane.pauseApiServer,
      resumeApiServer: plane.resumeApiServer,
      stopPolicies: async () => enforcing?.stop(),
      expiredCertificate: (subject) => plane.authority.issueExpired('expired', subject),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The image of the cluster's own containers: `pod`, and a busybox with a shell. */
async function podImage(layout: string, programs: string): Promise<string> {
  const root = `${layout}-root`;
  mkdirSync(join(root, 'bin'), { recursive: true });
  copyFileSync(join(programs, 'pod'), join(root, 'bin/pod'));
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['sh', 'cat', 'ls']) symlinkSync('busybox', join(root, 'bin', name));
  beginLayout(layout);
  const image = writeImage(layout, {
    platform: { os: 'linux', architecture: 'amd64' },
    layers: [await writeLayer(layout, root)],
    config: { User: '10001:10001', Env: ['PATH=/bin'], Entrypoint: ['/bin/pod'] },
  });
  writeTags(layout, { 1: image });
  return layout;
}
