import { registryFolder } from '../core/repository-name.ts';

export const engines = ['podman', 'docker', 'containerd', 'crio', 'k3s'] as const;
export type Engine = (typeof engines)[number];

export interface MirrorOptions {
  /** The host of the depot as clients reach it: a name or address, and a port. */
  readonly host: string;
  readonly tls: boolean;
  /** The registries that images come from, such as `docker.io`. */
  readonly registries: readonly string[];
}

/** Configuration files of an engine, and notes for the person who installs them. */
export interface EngineConfig {
  readonly files: readonly { readonly path: string; readonly text: string }[];
  readonly notes: readonly string[];
}

/**
 * The configuration that makes an engine pull images from the depot by their original references. The depot replaces
 * each registry: the engine never contacts the registry itself.
 */
export function mirrorConfig(engine: Engine, options: MirrorOptions): EngineConfig {
  switch (engine) {
    case 'podman':
    case 'crio':
      return {
        files: [
          {
            path: '/etc/containers/registries.conf.d/50-stowage-depot.conf',
            text: registriesConf(options),
          },
        ],
        notes: [
          engine === 'podman'
            ? 'if the depot requires tokens, sign in: podman login HOST, with a name and token from its token file'
            : 'crio reads this when it starts or receives SIGHUP; credentials belong in the global_auth_file of crio.conf',
          ...certificateNote(options, '/etc/containers/certs.d'),
        ],
      };
    case 'containerd':
      return {
        files: options.registries.map((registry) => ({
          path: `/etc/containerd/certs.d/${registry}/hosts.toml`,
          text: hostsToml(registry, options),
        })),
        notes: [
          'requires config_path = "/etc/containerd/certs.d" in the registry section of config.toml; later changes need no restart',
        ],
      };
    case 'k3s':
      return {
        files: [{ path: '/etc/rancher/k3s/registries.yaml', text: registriesYaml(options) }],
        notes: [
          'start k3s with --disable-default-registry-endpoint: otherwise it requests images that the depot lacks from their registry',
          'restart k3s afterwards',
        ],
      };
    case 'docker':
      return {
        files: [{ path: '/etc/docker/daemon.json', text: daemonJson(options) }],
        notes: [
          'docker supports mirrors for docker.io only, and requests images that the mirror lacks from docker.io itself',
          ...options.registries
            .filter((registry) => registry !== 'docker.io')
            .map(
              (registry) =>
                `pull images of ${registry} by their name in the depot: ${options.host}/${registryFolder(registry)}/...`,
            ),
          'restart docker afterwards',
          ...certificateNote(options, '/etc/docker/certs.d'),
        ],
      };
  }
}

const urlOf = ({ host, tls }: MirrorOptions): string => `${tls ? 'https' : 'http'}://${host}`;

function certificateNote({ host, tls }: MirrorOptions, folder: string): string[] {
  return tls ? [`copy the CA certificate of the depot to ${folder}/${host}/ca.crt`] : [];
}

function registriesConf(options: MirrorOptions): string {
  const { host, tls, registries } = options;
  const entry = (lines: readonly string[]): string =>
    ['[[registry]]', ...lines, ...(tls ? [] : ['insecure = true']), ''].join('\n');
  return [
    ...(tls ? [] : [entry([`location = "${host}"`])]),
    ...registries.map((registry) =>
      entry([`prefix = "${registry}"`, `location = "${host}/${registryFolder(registry)}"`]),
    ),
  ].join('\n');
}

function hostsToml(registry: string, options: MirrorOptions): string {
  const place = `${urlOf(options)}/v2/${registryFolder(registry)}`;
  const authority = options.tls ? 'ca = "/etc/containerd/stowage-depot-ca.crt"\n' : '';
  return `server = "${place}"
capabilities = ["pull", "resolve"]
override_path = true
${authority}
[host."${place}"]
capabilities = ["pull", "resolve"]
override_path = true
${authority}`;
}

function registriesYaml(options: MirrorOptions): string {
  const mirrors = options.registries.map(
    (registry) => `  "${registry}":
    endpoint:
      - "${urlOf(options)}"
    rewrite:
      "^(.*)$": "${registryFolder(registry)}/$1"
`,
  );
  const configs = options.tls
    ? `configs:
  "${options.host}":
    tls:
      ca_file: /etc/rancher/k3s/stowage-depot-ca.crt
`
    : '';
  return `mirrors:${mirrors.length === 0 ? ' {}' : ''}\n${mirrors.join('')}${configs}`;
}

function daemonJson(options: MirrorOptions): string {
  return `${JSON.stringify(
    {
      'registry-mirrors': options.registries.includes('docker.io') ? [urlOf(options)] : [],
      ...(options.tls ? {} : { 'insecure-registries': [options.host] }),
    },
    null,
    2,
  )}\n`;
}
