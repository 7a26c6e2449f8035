import { registryFolder } from '../core/repository-name.ts';
import {
  authFile,
  authorityFile,
  type EngineConfig,
  type MirrorOptions,
  placeOf,
  urlOf,
} from './mirror-options.ts';

/** `registries.yaml` of k3s and RKE2, from which they write the configuration of their containerd. */
export function rancherMirror(engine: 'k3s' | 'rke2', options: MirrorOptions): EngineConfig {
  const { host, tls, registries, credentials } = options;
  const folder = `/etc/rancher/${engine}`;
  const ca = `${folder}/stowage-depot-ca.crt`;
  const authority = authorityFile(options, ca);
  const mirrors = registries.map(
    (registry) => `  ${quoted(registry)}:
    endpoint:
      - ${quoted(urlOf(options))}
    rewrite:
      "^(.*)$": ${quoted(`${registryFolder(registry)}/$1`)}
`,
  );
  const settings = [
    ...(credentials === undefined
      ? []
      : [
          '    auth:',
          `      username: ${quoted(credentials.name)}`,
          `      password: ${quoted(credentials.token)}`,
        ]),
    ...(tls ? ['    tls:', `      ca_file: ${ca}`] : []),
  ];
  const configs =
    settings.length === 0 ? '' : `configs:\n  ${quoted(host)}:\n${settings.join('\n')}\n`;
  const text = `mirrors:${mirrors.length === 0 ? ' {}' : ''}\n${mirrors.join('')}${configs}`;
  return {
    files: [{ path: `${folder}/registries.yaml`, text }, ...authority.files],
    notes: [
      `start ${engine} with --disable-default-registry-endpoint: otherwise it requests images that the depot lacks from their registry`,
      engine === 'k3s'
        ? 'put the files on every node, and restart k3s (k3s-agent on agents) afterwards'
        : 'put the files on every node, and restart rke2-server or rke2-agent afterwards, one node at a time',
      ...authority.notes,
    ],
  };
}

/** Documents of a machine configuration: Talos 1.12 and later. */
export function talosMirror(options: MirrorOptions): EngineConfig {
  const { host, tls, registries, authority, credentials } = options;
  const document = (kind: string, name: string, lines: readonly string[]): string =>
    ['apiVersion: v1alpha1', `kind: ${kind}`, `name: ${quoted(name)}`, ...lines, ''].join('\n');
  const documents = [
    ...registries.map((registry) =>
      document('RegistryMirrorConfig', registry, [
        'endpoints:',
        `  - url: ${quoted(placeOf(registry, options))}`,
        '    overridePath: true',
        'skipFallback: true',
      ]),
    ),
    ...(tls && authority !== undefined
      ? [document('RegistryTLSConfig', host, ['ca: |', ...indented(authority, '  ')])]
      : []),
    ...(credentials === undefined
      ? []
      : [
          document('RegistryAuthConfig', host, [
            `username: ${quoted(credentials.name)}`,
            `password: ${quoted(credentials.token)}`,
          ]),
        ]),
  ];
  return {
    files: [{ path: 'stowage-depot.yaml', text: documents.join('---\n') }],
    notes: [
      'apply it to every node: talosctl patch machineconfig --nodes NODE --patch @stowage-depot.yaml; no reboot is needed',
      'before Talos 1.12, write the same values to machine.registries of the machine configuration',
      ...withoutAuthority(options),
    ],
  };
}

/** An ImageDigestMirrorSet, the authority of the depot, and its credentials. */
export function openshiftMirror(options: MirrorOptions): EngineConfig {
  const { host, tls, registries, authority, credentials } = options;
  const mirrors = registries.map(
    (registry) => `    - source: ${quoted(registry)}
      mirrors:
        - ${quoted(`${host}/${registryFolder(registry)}`)}
      mirrorSourcePolicy: NeverContactSource
`,
  );
  const set = `apiVersion: config.openshift.io/v1
kind: ImageDigestMirrorSet
metadata:
  name: stowage-depot
spec:
  imageDigestMirrors:${mirrors.length === 0 ? ' []' : ''}
${mirrors.join('')}`;
  const name = 'stowage-depot-ca';
  // The key of a registry with a port: two dots stand for the colon.
  const config = `apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
  namespace: openshift-config
data:
  ${quoted(host.replace(/:(\d+)$/, '..$1'))}: |
${indented(authority ?? '', '    ').join('\n')}
`;
  const withAuthority = tls && authority !== undefined;
  const pull = 'stowage-depot-pull-secret.json';
  return {
    files: [
      { path: 'stowage-depot-mirrors.yaml', text: set },
      ...(withAuthority ? [{ path: 'stowage-depot-ca.yaml', text: config }] : []),
      ...(credentials === undefined ? [] : [{ path: pull, text: authFile(options) }]),
    ],
    notes: [
      ...(withAuthority
        ? [
            `apply the CA before the mirrors: oc apply -f stowage-depot-ca.yaml, then oc patch image.config.openshift.io/cluster --type merge -p '{"spec":{"additionalTrustedCA":{"name":"${name}"}}}'`,
            'if image.config.openshift.io/cluster already names a ConfigMap in additionalTrustedCA, add the entry to that one instead',
          ]
        : withoutAuthority(options)),
      ...(tls ? [] : ['OpenShift requires TLS: serve the depot with --tls-certificate']),
      ...(credentials === undefined
        ? []
        : [
            `add the token to the global pull secret: oc get secret/pull-secret -n openshift-config --template='{{index .data ".dockerconfigjson" | base64decode}}' > all.json; jq -s '.[0] * .[1]' all.json ${pull} > new.json; oc set data secret/pull-secret -n openshift-config --from-file=.dockerconfigjson=new.json`,
          ]),
      'then oc apply -f stowage-depot-mirrors.yaml: a new set restarts no node, but a later change or deletion of it drains and reboots them',
      ...(host.startsWith('[')
        ? ['a mirror cannot be an IPv6 address: run this again with --as and a name']
        : []),
    ],
  };
}

function withoutAuthority({ tls, authority }: MirrorOptions): string[] {
  return tls && authority === undefined
    ? ['if the nodes do not trust the certificate of the depot, run this again with --ca-file']
    : [];
}

function indented(text: string, space: string): string[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `${space}${line.trimEnd()}`);
}

/** A JSON string is a YAML string. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
