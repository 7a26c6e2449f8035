import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture } from '../process.ts';
import { aggregationArguments } from './aggregation.ts';
import { CertificateAuthority, type CertificateFiles } from './certificates.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import type { Place } from './place.ts';

export interface ControlPlane {
  /** The address of the API, with `https:`. */
  readonly server: string;
  readonly authority: CertificateAuthority;
  /** Of an account with every right. */
  readonly kubeconfig: string;
  /** Writes a kubeconfig with a client certificate. @returns its path */
  account(name: string, subject: string): Promise<string>;
  stopApiServer(signal?: NodeJS.Signals): Promise<void>;
  /** @param more arguments of kube-apiserver until it is started again */
  startApiServer(...more: readonly string[]): Promise<void>;
  /** Stops it where it is: it accepts connections and answers nothing. */
  pauseApiServer(): void;
  resumeApiServer(): void;
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  readonly place: Place;
  readonly programs: string;
  /** More arguments of kube-apiserver. */
  readonly apiServer?: readonly string[];
}

/** The range of the services' addresses. */
const SERVICES = '10.96.0.0/16';

/** etcd, API server, controller manager and scheduler on the host's address on the bridge. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { place, programs } = options;
  const { folder, host } = place;
  const at = (name: string): string => join(folder, name);
  const authority = await CertificateAuthority.create(at('certificates'));
  const server = `https://${host}:6443`;
  const account = async (name: string, subject: string): Promise<string> => {
    const { certificate, key } = await authority.issue(name, subject);
    const path = at(`${name}.conf`);
    const cluster = { server, 'certificate-authority': authority.files.certificate };
    const user = { 'client-certificate': certificate, 'client-key': key };
    const config = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'lab' },
      contexts: [{ name: 'lab', context: { cluster: 'lab', user: name } }],
      clusters: [{ name: 'lab', cluster }],
      users: [{ name, user }],
    };
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  };
  const names = [`IP:${host}`, 'IP:10.96.0.1', 'DNS:kubernetes', 'DNS:kubernetes.default.svc'];
  const [admin, manager, scheduler, serving, accounts, aggregation] = await Promise.all([
    account('admin', '/O=system:masters/CN=admin'),
    account('controller-manager', '/CN=system:kube-controller-manager'),
    account('scheduler', '/CN=system:kube-scheduler'),
    authority.issue('apiserver', '/CN=kube-apiserver', names),
    authority.issue('service-accounts', '/CN=service-accounts'),
    aggregationArguments(folder),
  ]);
  const daemon = (name: string, ...args: readonly string[]): Promise<Daemon> =>
    startDaemon({ name, folder, programs, command: [name, ...args] });
  const kubectl = join(programs, 'kubectl');
  const etcd = await startEtcd(daemon, place);
  const startApi = async (more: readonly string[] = []): Promise<Daemon> => {
    const started = await daemon(
      'kube-apiserver',
      ...apiServerArguments({ place, authority, serving, accounts }),
      ...aggregation,
      ...(options.apiServer ?? []),
      ...more,
    );
    const probe = ['--kubeconfig', admin, 'get', '--raw', '/readyz'];
    await started.ready(async () => (await capture(kubectl, probe)).status === 0);
    return started;
  };
  let api = await startApi();
  const key = accounts.key;
  const others = await Promise.all([
    daemon(
      'kube-controller-manager',
      ...[`--kubeconfig=${manager}`, `--bind-address=${host}`, '--leader-elect=false'],
      ...[`--service-account-private-key-file=${key}`, '--use-service-account-credentials=true'],
      `--root-ca-file=${authority.files.certificate}`,
      `--cluster-signing-cert-file=${authority.files.certificate}`,
      `--cluster-signing-key-file=${authority.files.key}`,
      // A lost node shows within half a minute.
      ...['--node-monitor-period=2s', '--node-monitor-grace-period=16s'],
    ),
    daemon(
      'kube-scheduler',
      ...[`--kubeconfig=${scheduler}`, `--bind-address=${host}`, '--leader-elect=false'],
    ),
  ]);
  return {
    server,
    authority,
    kubeconfig: admin,
    account,
    stopApiServer: (signal = 'SIGKILL') => api.stop(signal),
    startApiServer: async (...more) => {
      api = await startApi(more);
    },
    pauseApiServer: () => api.child.kill('SIGSTOP'),
    resumeApiServer: () => api.child.kill('SIGCONT'),
    stop: async () => {
      for (const each of [...others, api, etcd]) await each.stop('SIGKILL');
    },
  };
}

type Start = (name: string, ...args: readonly string[]) => Promise<Daemon>;

async function startEtcd(daemon: Start, { folder, host }: Place): Promise<Daemon> {
  const [clients, peers] = [`http://${host}:2379`, `http://${host}:2380`];
  const etcd = await daemon(
    'etcd',
    ...['--data-dir', join(folder, 'etcd'), '--log-level', 'warn', '--unsafe-no-fsync'],
    ...['--listen-client-urls', clients, '--advertise-client-urls', clients],
    ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
    ...['--initial-cluster', `default=${peers}`],
  );
  const healthy = async (): Promise<boolean> =>
    fetch(`${clients}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  await etcd.ready(healthy);
  return etcd;
}

interface ApiServer {
  readonly place: Place;
  readonly authority: CertificateAuthority;
  readonly serving: CertificateFiles;
  readonly accounts: CertificateFiles;
}

function apiServerArguments({ place, authority, serving, accounts }: ApiServer): string[] {
  const { host, folder } = place;
  const admin = (extension: string): string => join(folder, 'certificates', `admin.${extension}`);
  return [
    ...[`--etcd-servers=http://${host}:2379`, `--bind-address=${host}`, '--secure-port=6443'],
    ...[`--advertise-address=${host}`, `--service-cluster-ip-range=${SERVICES}`],
    ...[`--client-ca-file=${authority.files.certificate}`, '--authorization-mode=Node,RBAC'],
    ...[`--tls-cert-file=${serving.certificate}`, `--tls-private-key-file=${serving.key}`],
    `--kubelet-client-certificate=${admin('crt')}`,
    `--kubelet-client-key=${admin('key')}`,
    `--kubelet-certificate-authority=${authority.files.certificate}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${accounts.certificate}`,
    `--service-account-signing-key-file=${accounts.key}`,
    ...['--enable-admission-plugins=NodeRestriction', '--allow-privileged=true'],
    // Pods of a lost node move at once.
    ...['--default-not-ready-toleration-seconds=10', '--default-unreachable-toleration-seconds=10'],
  ];
}
