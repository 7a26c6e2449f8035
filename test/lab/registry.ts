import type { ChildProcess } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { end, run, START_SECONDS, start, until } from './process.ts';
import { skopeo } from './skopeo.ts';
import type { TokenService } from './token-service.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface RegistryOptions {
  /** Where it listens. Default `127.0.0.1`. */
  readonly address?: string;
  /** Serve over TLS with this certificate and key (PEM files). */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Ask for this user (HTTP Basic). */
  readonly htpasswd?: Credentials;
  /** Ask for tokens of this service. */
  readonly token?: Pick<TokenService, 'realm' | 'service' | 'issuer' | 'certificate'>;
  /** Default: a free port. A registry that comes back on its old port keeps its name. */
  readonly port?: number;
}

export interface Registry {
  /** `ADDRESS:PORT`, as image references name it. */
  readonly host: string;
  readonly url: string;
  /** What the registry wrote so far, a line for each request among it. */
  log(): string;
  stop(): Promise<void>;
}

/** Starts Debian's docker-registry, by default on loopback, with its storage in `dir`, and waits until it answers. */
export async function startRegistry(dir: string, options: RegistryOptions = {}): Promise<Registry> {
  mkdirSync(dir, { recursive: true });
  const { address = '127.0.0.1', port = await freePort() } = options;
  const host = `${address}:${port}`;
  const config = join(dir, 'registry.yml');
  const logFile = join(dir, 'registry.log');
  writeFileSync(config, await configuration(resolve(dir), host, options));
  const log = openSync(logFile, 'a');
  // The kernel ends it with its parent, however that ends.
  const child = await start('setpriv', ['--pdeathsig=KILL', 'docker-registry', 'serve', config], {
    stdio: ['ignore', log, log],
    env: { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none' },
  }).finally(() => closeSync(log));
  const url = `${options.tls ? 'https' : 'http'}://${host}`;
  try {
    await until('the start of the registry', START_SECONDS, () => ready(child, `${url}/v2/`));
  } catch (error) {
    await end(child, 'SIGKILL');
    throw new Error(`no registry: ${readFileSync(logFile, 'utf8')}`, { cause: error });
  }
  return { host, url, log: () => readFileSync(logFile, 'utf8'), stop: () => end(child, 'SIGKILL') };
}

export interface PushOptions {
  /** Of an index, push all its platforms and the index itself. Default true. */
  readonly all?: boolean;
  readonly credentials?: Credentials;
}

/**
 * Pushes the image or index of a tag of an OCI layout to `host/repo:tag`, its bytes unchanged.
 * @returns the digest that the registry now knows it by
 */
export async function pushLayout(
  layout: string,
  tag: string,
  reference: string,
  options: PushOptions = {},
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'stowage-lab-push-'));
  const digestFile = join(folder, 'digest');
  const { credentials } = options;
  try {
    await skopeo([
      'copy',
      '--quiet',
      '--preserve-digests',
      '--dest-tls-verify=false',
      ...(options.all === false ? [] : ['--all']),
      ...(credentials ? [`--dest-creds=${credentials.username}:${credentials.password}`] : []),
      `--digestfile=${digestFile}`,
      `oci:${layout}:${tag}`,
      `docker://${reference}`,
    ]);
    return readFileSync(digestFile, 'utf8').trim();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function configuration(dir: string, host: string, options: RegistryOptions): Promise<string> {
  const config: Record<string, unknown> = {
    version: '0.1',
    log: { level: 'info' },
    storage: {
      filesystem: { rootdirectory: join(dir, 'data') },
      delete: { enabled: true },
    },
    http: { addr: host, ...(options.tls && { tls: options.tls }) },
  };
  if (options.htpasswd !== undefined) {
    const path = join(dir, 'htpasswd');
    writeFileSync(
      path,
      `${options.htpasswd.username}:${await bcrypt(options.htpasswd.password)}\n`,
    );
    config['auth'] = { htpasswd: { realm: 'lab', path } };
  }
  if (options.token !== undefined) {
    const { realm, service, issuer, certificate } = options.token;
    config['auth'] = { token: { realm, service, issuer, rootcertbundle: certificate } };
  }
  return JSON.stringify(config); // which is YAML
}

/** The C library's crypt knows bcrypt, and every Debian has a perl that calls it. */
async function bcrypt(password: string): Promise<string> {
  const salt = '$2y$05$abcdefghijklmnopqrstuu';
  return run('perl', ['-e', 'print crypt($ARGV[0], $ARGV[1])', password, salt]);
}

async function ready(child: ChildProcess, url: string): Promise<true | undefined> {
  if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
  return new Promise((settle) => {
    const request = url.startsWith('https:') ? requestTls : requestPlain;
    request(url, { rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      settle(response.statusCode === 200 || response.statusCode === 401 ? true : undefined);
    })
      .on('error', () => settle(undefined))
      .end();
  });
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  return new Promise((settle, fail) => {
    const probe = createServer().once('error', fail);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => settle(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
