import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, run } from '../process.ts';
import { skopeo } from '../skopeo.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { makeCgroups, type NodePlace, type Place } from './place.ts';

/** A node: a network namespace with a containerd, a kubelet and a kube-proxy of its own. */
export interface ClusterNode {
  readonly name: string;
  /** The address of the node, where NodePorts answer. */
  readonly address: string;
  /** The command that enters its network. */
  readonly enter: readonly string[];
  /** containerd's registry hosts (containerd docs/hosts.md), which it reads anew at each pull. */
  readonly registryHosts: string;
  /** Runs `ctr` on the images of Kubernetes. */
  ctr(...args: readonly string[]): Promise<string>;
  /** Loads an image of an OCI layout under a name, so that no registry is asked for it. */
  load(layout: string, tag: string, name: string): Promise<void>;
  /** Stops the kubelet where it is: the node is lost, its pods run on. */
  pauseKubelet(): void;
  resumeKubelet(): void;
  /** What the kubelet wrote so far. */
  log(): string;
  stop(): Promise<void>;
}

/** The name of the image of every pod's first container. */
export const SANDBOX = 'stowage.lab/pod:1';

export interface NodeOptions {
  readonly place: Place;
  readonly node: NodePlace;
  readonly programs: string;
  readonly plane: ControlPlane;
  /** An OCI layout whose tag `1` is the image of `SANDBOX`. */
  readonly sandbox: string;
  /** The account of kube-proxy. */
  readonly proxy: string;
}

export async function startNode(options: NodeOptions): Promise<ClusterNode> {
  const { place, node, programs, plane, proxy } = options;
  const at = (name: string): string => join(node.folder, name);
  for (const name of ['cni', 'hosts', 'kubelet']) mkdirSync(at(name), { recursive: true });
  makeCgroups(node.cgroup);
  const subject = `/O=system:nodes/CN=system:node:${node.name}`;
  const kubeconfig = await plane.account(node.name, subject);
  const names = [`IP:${node.address}`, `DNS:${node.name}`];
  const serving = await plane.authority.issue(`${node.name}-serving`, subject, names);
  const daemon = (name: string, ...args: readonly string[]): Promise<Daemon> => {
    const { folder } = place;
    return startDaemon({
      ...{ name: `${node.name}-${name}`, folder, programs, enter: node.enter },
      ...{ command: [name, ...args], restart: true },
    });
  };
  const socket = at('containerd.sock');
  writeFileSync(at('containerd.toml'), containerdConfig(at, socket));
  writeFileSync(at('cni/10-lab.conflist'), JSON.stringify(networkConfig(at, node.pods)));
  const config = kubeletConfig({ node, socket, authority: plane.authority.files.certificate });
  const tls = { tlsCertFile: serving.certificate, tlsPrivateKeyFile: serving.key };
  writeFileSync(at('kubelet.json'), JSON.stringify({ ...config, ...tls }));
  const containerd = await daemon('containerd', '--config', at('containerd.toml'));
  const before = ['--address', socket, '--namespace', 'k8s.io'];
  const ctr = (...args: readonly string[]): Promise<string> =>
    run(join(programs, 'ctr'), [...before, ...args]);
  await containerd.ready(
    async () => (await capture(join(programs, 'ctr'), [...before, 'version'])).status === 0,
  );
  const load = async (layout: string, tag: string, name: string): Promise<void> => {
    const archive = at('image.tar');
    await skopeo(['copy', '--quiet', `oci:${layout}:${tag}`, `docker-archive:${archive}:${name}`]);
    await ctr('images', 'import', archive);
    rmSync(archive);
  };
  await load(options.sandbox, '1', SANDBOX);
  const kubelet = await daemon(
    'kubelet',
    ...[`--config=${at('kubelet.json')}`, `--kubeconfig=${kubeconfig}`],
    ...[`--root-dir=${at('kubelet')}`, `--hostname-override=${node.name}`],
    `--node-ip=${node.address}`,
  );
  const kubeProxy = await daemon(
    'kube-proxy',
    ...[`--kubeconfig=${proxy}`, `--hostname-override=${node.name}`, '--proxy-mode=nftables'],
    ...[`--cluster-cidr=${place.pods}`, '--conntrack-max-per-core=0'],
    ...['--conntrack-tcp-timeout-established=0', '--conntrack-tcp-timeout-close-wait=0'],
    ...['--healthz-bind-address=127.0.0.1:10256', '--metrics-bind-address=127.0.0.1:10249'],
  );
  return {
    name: node.name,
    address: node.address,
    enter: node.enter,
    registryHosts: at('hosts'),
    ctr,
    load,
    pauseKubelet: () => kubelet.child.kill('SIGSTOP'),
    resumeKubelet: () => kubelet.child.kill('SIGCONT'),
    log: kubelet.log,
    stop: async () => {
      for (const each of [kubelet, kubeProxy, containerd]) await each.stop('SIGKILL');
    },
  };
}

type At = (name: string) => string;

function containerdConfig(at: At, socket: string): string {
  const runtime = `plugins."io.containerd.cri.v1.runtime"`;
  const images = `plugins."io.containerd.cri.v1.images"`;
  return `version = 3
root = "${at('containerd/root')}"
state = "${at('containerd/state')}"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]
[grpc]
  address = "${socket}"
[${runtime}]
  # Without CAP_SYS_RESOURCE nobody may lower an oom_score_adj.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[${runtime}.cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "${at('cni')}"
[${runtime}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${runtime}.containerd.runtimes.runc.options]
  BinaryName = "/usr/sbin/runc"
  SystemdCgroup = false
[${images}.pinned_images]
  sandbox = "${SANDBOX}"
[${images}.registry]
  config_path = "${at('hosts')}"
`;
}

function networkConfig(at: At, subnet: string): object {
  const routes = [{ dst: '0.0.0.0/0' }];
  const ipam = { type: 'host-local', dataDir: at('addresses'), ranges: [[{ subnet }]], routes };
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ipam };
  const ports = { type: 'portmap', capabilities: { portMappings: true } };
  return { cniVersion: '1.0.0', name: 'lab', plugins: [bridge, ports] };
}

interface KubeletSettings {
  readonly node: NodePlace;
  readonly socket: string;
  readonly authority: string;
}

function kubeletConfig({ node, socket, authority }: KubeletSettings): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: node.cgroup,
    containerRuntimeEndpoint: `unix://${socket}`,
    address: node.address,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: authority },
    },
    authorization: { mode: 'Webhook' },
    readOnlyPort: 0,
    // As in containerd's settings: nobody may lower one.
    oomScoreAdj: 0,
    podLogsDir: join(node.folder, 'logs'),
    resolvConf: '',
    // A share of a disk that others fill as well must not evict the lab's pods.
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
      'nodefs.inodesFree': '1%',
    },
    serializeImagePulls: false,
    nodeStatusUpdateFrequency: '4s',
    syncFrequency: '10s',
  };
}
