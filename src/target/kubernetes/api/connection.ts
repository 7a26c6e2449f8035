import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { interrupted, StowageError, systemCode } from '../../../core/error.ts';
import { MIB } from '../../../core/limits.ts';
import type { KubernetesSite } from '../../../format/kubernetes-site.ts';
import type { Environment } from '../../host/command.ts';
import { addCredentials, expiredCredential, limitPlugins } from './credentials.ts';
import type { RawResponse } from './failure.ts';
import { clientLibrary } from './load-client.ts';

/** The largest response that is read: a page of a list. */
const MAX_BODY_BYTES: number = 64 * MIB;
const REQUEST_SECONDS = 30;
const HANDSHAKE_SECONDS = 15;
/** How long a connection waits for its next request: less than what servers and balancers between wait before they drop it. */
const IDLE_SECONDS = 10;

/** A cluster and an account, as a kubeconfig names them. */
export interface Connection {
  /** Such as `https://10.0.0.1:6443`. */
  readonly server: string;
  readonly config: KubeConfig;
  /** Keeps connections open between requests. Absent through a proxy: the library's agent knows it. */
  readonly agent?: Agent;
}

export interface RawRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly contentType?: string;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** For a response without an end: receives its bytes, and there is no limit of time or size. */
  readonly onBytes?: (bytes: Uint8Array) => void;
}

/** Loads the client library, which only this target needs, and the kubeconfig. @throws StowageError `host-unfit` */
export async function openConnection(
  settings: Pick<KubernetesSite, 'kubeconfig' | 'context'>,
  env: Environment,
): Promise<Connection> {
  const { KubeConfig: Config } = await clientLibrary();
  const config = new Config();
  const path = settings.kubeconfig ?? env['KUBECONFIG'] ?? `${env['HOME'] ?? ''}/.kube/config`;
  try {
    // As kubectl merges them: the first file that has a current context decides, and the first that has a name.
    for (const each of path.split(':').filter((part) => part !== '')) {
      const part = new Config();
      part.loadFromFile(each);
      part.clusters = part.clusters.filter(({ name }) => config.getCluster(name) === null);
      part.users = part.users.filter(({ name }) => config.getUser(name) === null);
      part.contexts = part.contexts.filter(({ name }) => config.getContextObject(name) === null);
      config.mergeConfig(part, Boolean(config.getCurrentContext()));
    }
    if (settings.context !== undefined) config.setCurrentContext(settings.context);
  } catch (cause) {
    throw unfit(path, cause instanceof Error ? cause.message : String(cause));
  }
  limitPlugins(config);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw unfit(path, `no context ${config.getCurrentContext()}`);
  if (!cluster.server.startsWith('https://')) throw unfit(path, `${cluster.server}, without TLS`);
  if (cluster.skipTLSVerify === true)
    throw unfit(path, 'insecure-skip-tls-verify, which accepts any server');
  if (cluster.proxyUrl !== undefined) return { server: cluster.server, config };
  // A handshake for each request takes most of the time and memory of a release of thousands of objects.
  const agent = new Agent({ keepAlive: true, timeout: IDLE_SECONDS * 1000 });
  return { server: cluster.server, config, agent };
}

/**
 * The kubeconfig for what the library opens over WebSockets: an API server that waits for a lost node completes no handshake, and
 * the library would wait for ever.
 */
export function socketConfig({ config }: Connection): KubeConfig {
  const limited = Object.create(config) as KubeConfig;
  limited.applyToHTTPSOptions = async (options) => {
    await config.applyToHTTPSOptions(options);
    Object.assign(options, { handshakeTimeout: HANDSHAKE_SECONDS * 1000 });
  };
  return limited;
}

function unfit(path: string, found: string): StowageError {
  return new StowageError('host-unfit', 'the kubeconfig cannot be used', {
    expected: 'a kubeconfig with a context, a cluster with https and its certificate authority',
    found: `${path}: ${found}`,
    hint: 'set kubernetes.kubeconfig and kubernetes.context in site.yaml; check them with "kubectl --context NAME get --raw /version"',
  });
}

/**
 * One request, once.
 * @returns undefined without a response: refused, reset, or too late
 * @throws StowageError `interrupted`; `host-unfit` when the credentials cannot be had or the server's certificate does not hold
 */
export async function sendOnce(
  connection: Connection,
  request: RawRequest,
): Promise<RawResponse | undefined> {
  const { signal, onBytes } = request;
  const { agent } = connection;
  const options: RequestOptions = {};
  await addCredentials(connection.config, options);
  if (agent !== undefined) options.agent = agent;
  const limit =
    onBytes === undefined
      ? AbortSignal.any([signal, AbortSignal.timeout(REQUEST_SECONDS * 1000)])
      : signal;
  try {
    const response = await exchange(connection.server, options, { ...request, signal: limit });
    if (response.status !== 401) return response;
    const expired = expiredCredential(options, new Date());
    return expired === undefined ? response : { ...response, expired };
  } catch (cause) {
    // What one server behind a balancer left without an answer, another may answer: the next request opens a connection.
    for (const idle of Object.values(agent?.freeSockets ?? {}).flat()) idle?.destroy();
    if (signal.aborted) throw interrupted(signal, { cause });
    const code = systemCode(cause) ?? '';
    if (/CERT|SELF_SIGNED|VERIFY|ISSUER|ALTNAME/.test(code))
      throw new StowageError('host-unfit', 'the certificate of the API server does not hold', {
        expected: `a certificate for ${connection.server} from the authority in the kubeconfig`,
        found: cause instanceof Error ? cause.message : code,
        hint: 'check certificate-authority of the cluster in the kubeconfig, and the clock of this host',
        cause,
      });
    return undefined;
  }
}

function exchange(
  server: string,
  options: RequestOptions,
  { method, path, contentType, body, signal, onBytes }: RawRequest,
): Promise<RawResponse> {
  const payload = body === undefined ? undefined : Buffer.from(body);
  return new Promise((resolve, reject) => {
    const call = httpsRequest(
      `${server.replace(/\/$/, '')}${path}`,
      {
        ...options,
        method,
        signal,
        headers: {
          ...options.headers,
          accept: onBytes === undefined ? 'application/json' : '*/*',
          'user-agent': 'stowage',
          ...(payload === undefined
            ? {}
            : { 'content-type': contentType, 'content-length': payload.length }),
        },
      },
      (response) => {
        receive(response, onBytes).then(resolve, reject);
      },
    );
    call.on('error', reject);
    call.end(payload);
  });
}

async function receive(
  response: IncomingMessage,
  onBytes: RawRequest['onBytes'],
): Promise<RawResponse> {
  const { statusCode: status = 0, headers } = response;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    if (onBytes !== undefined && status === 200) {
      onBytes(chunk);
      continue;
    }
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error('the response is too long');
    chunks.push(chunk);
  }
  const { 'retry-after': retryAfter, date } = headers;
  return {
    status,
    body: Buffer.concat(chunks).toString('utf8'),
    ...(date === undefined ? {} : { date }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  };
}
