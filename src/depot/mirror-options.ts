import { registryFolder } from '../core/repository-name.ts';

export interface MirrorOptions {
  /** The host of the depot as clients reach it: a name or address, and a port. */
  readonly host: string;
  readonly tls: boolean;
  /** The registries that images come from, such as `docker.io`. */
  readonly registries: readonly string[];
  /** The authority of the depot's certificate, PEM. */
  readonly authority?: string;
  /** A holder and its token, with which clients pull. */
  readonly credentials?: { readonly name: string; readonly token: string };
}

/** Configuration files of an engine, and notes for the person who installs them. */
export interface EngineConfig {
  readonly files: readonly { readonly path: string; readonly text: string }[];
  readonly notes: readonly string[];
}

/** The address of the depot. */
export function urlOf({ host, tls }: MirrorOptions): string {
  return `${tls ? 'https' : 'http'}://${host}`;
}

/** The address of what the depot has of a registry, below which paths are as in the registry. */
export function placeOf(registry: string, options: MirrorOptions): string {
  return `${urlOf(options)}/v2/${registryFolder(registry)}`;
}

/** The credentials of a registry, in the format of docker's `config.json`. */
export function authFile({ host, credentials }: MirrorOptions): string {
  const auths = credentials === undefined ? {} : { [host]: { auth: basic(credentials) } };
  return `${JSON.stringify({ auths }, null, 2)}\n`;
}

/** RFC 7617. */
export function basic({ name, token }: NonNullable<MirrorOptions['credentials']>): string {
  return Buffer.from(`${name}:${token}`).toString('base64');
}

/** The certificate authority as a file for the engine, or a note where to copy it. */
export function authorityFile(options: MirrorOptions, path: string): EngineConfig {
  const { tls, authority } = options;
  if (!tls) return { files: [], notes: [] };
  return authority === undefined
    ? { files: [], notes: [`copy the CA certificate of the depot to ${path}`] }
    : { files: [{ path, text: authority }], notes: [] };
}
