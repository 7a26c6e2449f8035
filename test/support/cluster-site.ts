import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CliOptions, type Ran, stowage } from '../e2e/cli.ts';
import type { ConnectedSide } from '../e2e/connected.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { START_SECONDS, until } from '../lab/process.ts';
import type { Question } from './asking-client.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const TOKEN = 'nodes:a-token-of-the-lab';

/** A site on this host whose target is a cluster, and the depot that its nodes pull from. */
export interface ClusterSite {
  readonly folder: string;
  /** `ADDRESS:PORT` of the depot, as nodes reach it. */
  readonly registry: string;
  /** The token file of the depot. */
  readonly tokens: string;
  readonly accessLog: string;
  /** Runs the program for this site. */
  run(...args: readonly string[]): Promise<Ran>;
  /** The same, with options of node or variables. */
  runWith(options: Partial<CliOptions>, ...args: readonly string[]): Promise<Ran>;
  /** {@link run}. @throws Error with what it wrote when it did not end with 0 */
  must(...args: readonly string[]): Promise<Ran>;
  /** Writes `site.yaml`. */
  configure(configuration?: Configuration): void;
  stop(): Promise<void>;
}

export interface Configuration {
  /** The value of `images`; default: the depot. */
  readonly images?: string;
  /** Default: an account with every right. */
  readonly kubeconfig?: string;
  /** More lines of the section `kubernetes`, each indented by two spaces. */
  readonly more?: string;
}

export interface ClusterSiteOptions {
  /** Created if it does not exist. */
  readonly folder: string;
  readonly cluster: Cluster;
  readonly side: Pick<ConnectedSide, 'root' | 'fingerprint'>;
  readonly port: number;
  /** The folder of the bundle that is imported first, with the root certificate. */
  readonly first: string;
  /** More lines of the section `kubernetes`, each indented by two spaces. */
  readonly more?: string;
}

/** Makes a site that trusts the release engineer, and starts its depot with TLS and a token. */
export async function startClusterSite(options: ClusterSiteOptions): Promise<ClusterSite> {
  const { folder, cluster, port } = options;
  mkdirSync(folder, { recursive: true });
  const { certificate, key } = await cluster.serverCertificate(`depot-${port}`);
  const registry = `${cluster.host}:${port}`;
  const { kubeconfig } = cluster;
  const { env, ...site } = await openClusterSite({ ...options, kubeconfig, registry });
  cluster.registries.trust({ address: registry, ca: cluster.ca.certificate });
  const depot = startDepot({ folder, env, registry, certificate, key, tokens: site.tokens });
  await until('the depot', START_SECONDS, async () => depot.ready() || undefined);
  return { ...site, stop: depot.stop };
}

export interface OpenSiteOptions
  extends Pick<ClusterSiteOptions, 'folder' | 'side' | 'port' | 'first' | 'more'> {
  readonly kubeconfig: string;
  /** The depot's `ADDRESS:PORT`, whether or not it runs. */
  readonly registry: string;
}

export interface OpenSite extends Omit<ClusterSite, 'stop'> {
  /** The variables of its commands. */
  readonly env: NodeJS.ProcessEnv;
}

/** A site that trusts the release engineer, without a depot: for a cluster that somebody has. */
export async function openClusterSite(options: OpenSiteOptions): Promise<OpenSite> {
  const { folder, side, port, registry } = options;
  const tokens = join(folder, 'tokens');
  writeFileSync(tokens, `${TOKEN}\n`, { mode: 0o600 });
  const site = join(folder, 'site');
  const env = { STOWAGE_SITE: site };
  const runWith = (more: Partial<CliOptions>, ...args: readonly string[]): Promise<Ran> =>
    stowage({ cwd: folder, ...more, env: { ...env, ...more.env } }, ...args);
  const run = (...args: readonly string[]): Promise<Ran> => runWith({}, ...args);
  const must = async (...args: readonly string[]): Promise<Ran> => {
    const ran = await run(...args);
    if (ran.status !== 0)
      throw new Error(
        `stowage ${args.join(' ')} ended with ${ran.status}: ${ran.stdout}${ran.stderr}`,
      );
    return ran;
  };
  const depotImages = `{ registry: "${registry}", credentials: { file: ${tokens} } }`;
  const configure = ({
    images = depotImages,
    kubeconfig = options.kubeconfig,
    more = '',
  }: Configuration = {}): void =>
    writeFileSync(
      join(site, 'site.yaml'),
      `apiVersion: stowage/v1
name: plant-${port}
target: kubernetes
kubernetes:
  kubeconfig: ${kubeconfig}
  images: ${images}
${more}`,
    );
  mkdirSync(site, { recursive: true });
  configure(options.more === undefined ? {} : { more: options.more });
  await must('import', options.first, '--trust', side.root, '--fingerprint', side.fingerprint);
  const accessLog = join(folder, 'access.log');
  return { folder: site, registry, tokens, accessLog, run, runWith, must, configure, env };
}

/** Where clients outside the cluster reach the service of a release: a node, and a port of every node. */
export async function clientAddress(
  { kubectl, nodes }: Pick<Cluster, 'kubectl' | 'nodes'>,
  namespace: string,
  service = 'server',
): Promise<Pick<Question, 'host' | 'port'>> {
  const path = '--output=jsonpath={.spec.ports[0].nodePort}';
  const port = await kubectl('get', 'service', service, '--namespace', namespace, path);
  return { host: nodes[0]?.address ?? '', port: Number(port) };
}

interface DepotFiles {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly registry: string;
  readonly certificate: string;
  readonly key: string;
  readonly tokens: string;
}

function startDepot({ folder, env, registry, certificate, key, tokens }: DepotFiles) {
  const args = [
    ...[join(project, 'dist/main.js'), 'depot', '--listen', registry],
    ...['--tls-certificate', certificate, '--tls-key', key, '--token-file', tokens],
    ...['--access-log', join(folder, 'access.log')],
  ];
  const child: ChildProcess = spawn(join(project, 'node_modules/.bin/node'), args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return {
    ready: (): boolean => {
      if (child.exitCode !== null) throw new Error(`the depot ended: ${said}`);
      return said.includes(registry);
    },
    stop: async (): Promise<void> => {
      child.kill('SIGKILL');
    },
  };
}
