import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates, type SecureContextOptions } from 'node:tls';
import type { Environment } from '../core/context.ts';
import { StowageError, systemCode } from '../core/error.ts';

/** The CAs and the client certificate for a host; undefined for the defaults. */
export type HostTrust = (host: string) => Promise<SecureContextOptions | undefined>;

export interface HostTrustOptions {
  readonly env: Environment;
  readonly home: string;
  /** A file of CA certificates (PEM) that are trusted for every host. */
  readonly caFile?: string | undefined;
  /** Folders with one folder for each host. Default: those of podman and docker. */
  readonly folders?: readonly string[];
}

/**
 * The CAs and client certificates that podman and docker use for a host: in `certs.d/HOST:PORT`, `*.crt` are CAs,
 * `NAME.cert` and `NAME.key` a client certificate. The default CAs stay trusted.
 * @throws StowageError `file-missing`, `io-failed`, `document-invalid`
 */
export async function createHostTrust(options: HostTrustOptions): Promise<HostTrust> {
  const { env, home, caFile } = options;
  const folders = options.folders ?? [
    join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'containers', 'certs.d'),
    '/etc/containers/certs.d',
    '/etc/docker/certs.d',
  ];
  const everywhere = caFile === undefined ? [] : [await readCertificates(caFile)];
  const known = new Map<string, Promise<SecureContextOptions | undefined>>();
  return (host) => {
    const found = known.get(host) ?? readHost(host, folders, everywhere);
    known.set(host, found);
    return found;
  };
}

async function readHost(
  host: string,
  folders: readonly string[],
  everywhere: readonly string[],
): Promise<SecureContextOptions | undefined> {
  for (const folder of folders) {
    const place = join(folder, host);
    const names = await list(place);
    if (names.length === 0) continue;
    const ca = names.filter((name) => name.endsWith('.crt'));
    const client = names.find((name) => name.endsWith('.cert'));
    return {
      ca: [
        ...getCACertificates('default'),
        ...everywhere,
        ...(await Promise.all(ca.map((name) => readCertificates(join(place, name))))),
      ],
      ...(client !== undefined && {
        cert: await read(join(place, client)),
        key: await read(join(place, client.replace(/\.cert$/, '.key'))),
      }),
    };
  }
  return everywhere.length === 0
    ? undefined
    : { ca: [...getCACertificates('default'), ...everywhere] };
}

async function readCertificates(path: string): Promise<string> {
  const text = await read(path);
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new StowageError('document-invalid', `${path} contains no certificate`, {
    expected: 'CA certificates in PEM',
    found: 'something else',
    hint: 'convert it with openssl x509 -inform DER, or name another file',
  });
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const gone = systemCode(cause) === 'ENOENT';
    throw new StowageError(gone ? 'file-missing' : 'io-failed', `cannot read ${path}`, {
      found: systemCode(cause) ?? 'a failure without a code',
      hint: 'check the path and its permissions',
      cause,
    });
  }
}

async function list(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return []; // absent, or not for this user: docker and podman pass over it, too
  }
}
