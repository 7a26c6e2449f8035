import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { type Engine, engines, mirrorConfig } from '../../src/depot/mirror-config.ts';
import type { MirrorOptions } from '../../src/depot/mirror-options.ts';

const authority = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const open: MirrorOptions = { host: '10.0.0.5:5080', tls: false, registries: ['docker.io'] };
const full: MirrorOptions = {
  ...{ host: 'depot.example:5443', tls: true, authority },
  registries: ['docker.io', 'localhost:5000', 'nvcr.io'],
  credentials: { name: 'nodes', token: 'a-token: with "marks"' },
};
const basic = Buffer.from('nodes:a-token: with "marks"').toString('base64');

function fileOf(engine: Engine, end: string, options: MirrorOptions = full): string {
  const found = mirrorConfig(engine, options).files.find(({ path }) => path.endsWith(end));
  if (found === undefined) throw new Error(`${engine} has no file ${end}`);
  return found.text;
}

describe('when nodes use the depot as a mirror', () => {
  it.each(engines.filter((engine) => engine !== 'docker'))('%s never falls back', (engine) => {
    const text = JSON.stringify(mirrorConfig(engine, full));
    expect(text).toMatch(
      {
        ...{ podman: /location = /, crio: /location = /, containerd: /^(?!.*docker\.io\/v2)/ },
        ...{ k3s: /--disable-default-registry-endpoint/, talos: /skipFallback: true/ },
        ...{ rke2: /--disable-default-registry-endpoint/, openshift: /NeverContactSource/ },
      }[engine as Exclude<Engine, 'docker'>],
    );
  });

  it('has containerd pull by original names and by the name of the depot, with the token and the CA', () => {
    const { files } = mirrorConfig('containerd', full);
    expect(files.map(({ path }) => path.replace('/etc/containerd/certs.d/', ''))).toEqual([
      ...['docker.io', 'localhost:5000', 'nvcr.io', 'depot.example:5443'].map(
        (name) => `${name}/hosts.toml`,
      ),
      'depot.example:5443/ca.crt',
    ]);
    const rule = fileOf('containerd', 'localhost:5000/hosts.toml');
    const place = 'https://depot.example:5443/v2/localhost-5000';
    expect(rule).toContain(`server = "${place}"`);
    expect(rule).toContain(`[host."${place}".header]\nAuthorization = "Basic ${basic}"`);
    expect(rule.match(/override_path = true/g)).toHaveLength(2);
    expect(rule).toContain('ca = "/etc/containerd/certs.d/depot.example:5443/ca.crt"');
    const own = fileOf('containerd', 'depot.example:5443/hosts.toml');
    expect(own).toContain('server = "https://depot.example:5443"');
    expect(own).not.toContain('override_path');
  });

  it.each(['k3s', 'rke2'] as const)(
    'gives %s the credentials and the CA of the depot',
    (engine) => {
      expect(parse(fileOf(engine, 'registries.yaml'))).toEqual({
        mirrors: Object.fromEntries(
          ['docker.io', 'localhost:5000', 'nvcr.io'].map((name) => [
            name,
            {
              endpoint: ['https://depot.example:5443'],
              rewrite: { '^(.*)$': `${name.replace(':', '-')}/$1` },
            },
          ]),
        ),
        configs: {
          'depot.example:5443': {
            auth: { username: 'nodes', password: 'a-token: with "marks"' },
            tls: { ca_file: `/etc/rancher/${engine}/stowage-depot-ca.crt` },
          },
        },
      });
      expect(fileOf(engine, 'depot-ca.crt')).toBe(authority);
    },
  );

  it('writes one document for each part of the configuration of Talos', () => {
    const documents = parseAllDocuments(fileOf('talos', 'depot.yaml')).map((each) => each.toJS());
    expect(documents.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      ...full.registries.map((name) => `RegistryMirrorConfig ${name}`),
      'RegistryTLSConfig depot.example:5443',
      'RegistryAuthConfig depot.example:5443',
    ]);
    expect(documents[3].ca).toBe(authority);
    expect(documents[4].password).toBe('a-token: with "marks"');
  });

  it('writes the key of the CA as OpenShift reads it, and the pull secret apart', () => {
    const { data, metadata } = parse(fileOf('openshift', 'ca.yaml'));
    expect(metadata.namespace).toBe('openshift-config');
    expect(data).toEqual({ 'depot.example..5443': authority });
    const auths = { 'depot.example:5443': { auth: basic } };
    expect(JSON.parse(fileOf('openshift', 'pull-secret.json'))).toEqual({ auths });
  });

  it('gives CRI-O an authentication file', () => {
    const [path] = /\/etc\/crio\/[a-z-]+\.json/.exec(
      fileOf('crio', 'crio.conf.d/50-stowage-depot.conf'),
    ) ?? [''];
    expect(JSON.parse(fileOf('crio', path)).auths['depot.example:5443'].auth).toBe(basic);
  });

  it.each(engines)('has no credentials, no CA and no TLS for %s where there are none', (engine) => {
    const { files, notes } = mirrorConfig(engine, open);
    const text = JSON.stringify(files);
    expect(text).not.toMatch(/https|[Aa]uth|ca_file|ca\.crt|ca = /);
    expect(notes.join()).not.toContain('token of');
  });

  it.each(engines.filter((engine) => !['podman', 'docker'].includes(engine)))(
    'says of %s that its text has a token',
    (engine) => {
      expect(mirrorConfig(engine, full).notes.at(-1)).toContain('token of nodes');
    },
  );
});
