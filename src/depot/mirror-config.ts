import { registryFolder } from '../core/repository-name.ts';
import { openshiftMirror, rancherMirror, talosMirror } from './mirror-cluster.ts';
import {
  authFile,
  authorityFile,
  basic,
  type EngineConfig,
  type MirrorOptions,
  placeOf,
  urlOf,
} from './mirror-options.ts';

export const engines = [
  'podman',
  'docker',
  'containerd',
  'crio',
  'k3s',
  'rke2',
  'talos',
  'openshift',
] as const;
export type Engine = (typeof engines)[number];

/**
 * The configuration that makes an engine pull images from the depot by their original references, and by their names in the
 * depot. The depot replaces each registry: the engine never contacts the registry itself.
 */
export function mirrorConfig(engine: Engine, options: MirrorOptions): EngineConfig {
  const { files, notes } = configOf(engine, options);
  const { credentials } = options;
  const secret =
    credentials === undefined
      ? []
      : [
          `the text has the token of ${credentials.name}: let nobody else read the files (mode 0600)`,
        ];
  return { files, notes: [...notes, ...secret] };
}

function configOf(engine: Engine, options: MirrorOptions): EngineConfig {
  switch (engine) {
    case 'podman':
    case 'crio':
      return containersMirror(engine, options);
    case 'containerd':
      return containerdMirror(options);
    case 'docker':
      return dockerMirror(options);
    case 'k3s':
    case 'rke2':
      return rancherMirror(engine, options);
    case 'talos':
      return talosMirror(options);
    case 'openshift':
      return openshiftMirror(options);
  }
}

function containersMirror(engine: 'podman' | 'crio', options: MirrorOptions): EngineConfig {
  const { host, credentials } = options;
  const authority = authorityFile(options, `/etc/containers/certs.d/${host}/ca.crt`);
  const rules = {
    path: '/etc/containers/registries.conf.d/50-stowage-depot.conf',
    text: registriesConf(options),
  };
  const settings = '/etc/crio/stowage-depot-auth.json';
  const withAuth = engine === 'crio' && credentials !== undefined;
  return {
    files: [
      rules,
      ...authority.files,
      ...(withAuth
        ? [
            { path: settings, text: authFile(options) },
            {
              path: '/etc/crio/crio.conf.d/50-stowage-depot.conf',
              text: `[crio.image]\nglobal_auth_file = "${settings}"\n`,
            },
          ]
        : []),
    ],
    notes: [
      ...(engine === 'podman'
        ? [
            'if the depot requires tokens, sign in: podman login HOST, with a name and token from its token file',
          ]
        : withAuth
          ? [
              'if crio.conf already has a global_auth_file, add the entry to that file instead',
              'restart crio afterwards; later changes of the registries need only SIGHUP',
            ]
          : [
              'crio reads this when it starts or receives SIGHUP; credentials belong in the global_auth_file of crio.conf',
            ]),
      ...authority.notes,
    ],
  };
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

/** containerd docs/hosts.md: a folder for each registry. The depot itself has one too, because models are pulled by its name. */
function containerdMirror(options: MirrorOptions): EngineConfig {
  const { host, registries } = options;
  const folder = '/etc/containerd/certs.d';
  const ca = `${folder}/${host}/ca.crt`;
  const authority = authorityFile(options, ca);
  const rule = (name: string, server: string, lines: readonly string[]) => ({
    path: `${folder}/${name}/hosts.toml`,
    text: hostsToml(server, [...lines, ...(options.tls ? [`ca = "${ca}"`] : [])], options),
  });
  return {
    files: [
      ...registries.map((registry) =>
        rule(registry, placeOf(registry, options), ['override_path = true']),
      ),
      rule(host, urlOf(options), []),
      ...authority.files,
    ],
    notes: [
      'requires config_path = "/etc/containerd/certs.d" in the registry section of config.toml; later changes need no restart',
      ...authority.notes,
    ],
  };
}

function hostsToml(server: string, lines: readonly string[], options: MirrorOptions): string {
  const { credentials } = options;
  const body = ['capabilities = ["pull", "resolve"]', ...lines];
  const header = (table: string): string[] =>
    credentials === undefined
      ? []
      : [`[${table}]`, `Authorization = "Basic ${basic(credentials)}"`];
  // `server` alone is the registry of last resort. Where there is no other host, some versions ignore its settings.
  return [
    ...[`server = "${server}"`, ...body, ...header('header'), ''],
    ...[`[host."${server}"]`, ...body, ...header(`host."${server}".header`), ''],
  ].join('\n');
}

function dockerMirror(options: MirrorOptions): EngineConfig {
  const { host, registries, tls } = options;
  const authority = authorityFile(options, `/etc/docker/certs.d/${host}/ca.crt`);
  const settings = {
    'registry-mirrors': registries.includes('docker.io') ? [urlOf(options)] : [],
    ...(tls ? {} : { 'insecure-registries': [host] }),
  };
  return {
    files: [
      { path: '/etc/docker/daemon.json', text: `${JSON.stringify(settings, null, 2)}\n` },
      ...authority.files,
    ],
    notes: [
      'docker supports mirrors for docker.io only, and requests images that the mirror lacks from docker.io itself',
      ...registries
        .filter((registry) => registry !== 'docker.io')
        .map(
          (registry) =>
            `pull images of ${registry} by their name in the depot: ${host}/${registryFolder(registry)}/...`,
        ),
      'restart docker afterwards',
      ...authority.notes,
    ],
  };
}
