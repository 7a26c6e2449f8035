import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeEach, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { mirrorConfig } from '../../src/depot/mirror-config.ts';
import { downloadModule, hasGo } from '../lab/go.ts';
import { skipBecause } from '../support/skip-because.ts';

// What each distribution publishes of its configuration, from the modules that it parses it with.
const TALOS = 'github.com/siderolabs/talos/pkg/machinery@v1.13.0';
const OPENSHIFT = 'github.com/openshift/api@v0.0.0-20251015095338-264e80a2b6e7';
const RANCHER = 'github.com/rancher/wharfie@v0.7.1';
const options = {
  ...{ host: '10.0.0.5:5443', tls: true },
  registries: ['docker.io', 'ghcr.io', 'localhost:5000'],
  authority: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  credentials: { name: 'nodes', token: 'a-token-of-some-length' },
};
const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });

beforeEach(async (test) => {
  if (!(await hasGo())) skipBecause(test, 'the published schemas come as Go modules');
});

async function published(module: string, path: string): Promise<string> {
  return readFileSync(join((await downloadModule(module)).Dir, path), 'utf8');
}

function defects(schema: object, value: unknown): unknown[] {
  const validate = ajv.compile(schema);
  return validate(value) ? [] : (validate.errors ?? []);
}

function texts(engine: 'talos' | 'openshift' | 'rke2' | 'k3s', end: string): string {
  return mirrorConfig(engine, options).files.find(({ path }) => path.endsWith(end))?.text ?? '';
}

describe('when a distribution reads the printed configuration', () => {
  it('satisfies the schema of the machine configuration of Talos', async () => {
    const schema = JSON.parse(await published(TALOS, 'config/schemas/config.schema.json'));
    const documents = parseAllDocuments(texts('talos', '.yaml')).map((each) => each.toJS());
    expect(documents).toHaveLength(5);
    for (const document of documents) {
      const $ref = `#/$defs/cri.${document.kind}V1Alpha1`;
      expect(defects({ $defs: schema.$defs, $ref }, document)).toEqual([]);
      const unknown = { ...document, endpoint: 'x' };
      expect(defects({ $defs: schema.$defs, $ref }, unknown)).not.toEqual([]);
    }
  });

  it('satisfies the definition of ImageDigestMirrorSet', async () => {
    const folder = 'config/v1/zz_generated.crd-manifests';
    const name = '0000_10_config-operator_01_imagedigestmirrorsets.crd.yaml';
    const definition = parse(await published(OPENSHIFT, `${folder}/${name}`));
    const schema = definition.spec.versions[0].schema.openAPIV3Schema;
    const set = parse(texts('openshift', 'mirrors.yaml'));
    expect(set.kind).toBe(definition.spec.names.kind);
    expect(set.apiVersion).toBe(`${definition.spec.group}/v1`);
    expect(set.spec.imageDigestMirrors).toHaveLength(3);
    expect(defects(schema, set)).toEqual([]);
    set.spec.imageDigestMirrors[0].mirrors[0] = 'https://10.0.0.5:5443/docker.io';
    expect(defects(schema, set)).not.toEqual([]);
  });

  it.each(['k3s', 'rke2'] as const)('has only the keys that %s reads', async (engine) => {
    const types = await published(RANCHER, 'pkg/registries/types.go');
    const known = new Set([...types.matchAll(/yaml:"([a-z_]+)"/g)].map(([, key]) => key));
    expect(known.size).toBeGreaterThan(10);
    const { mirrors, configs } = parse(texts(engine, 'registries.yaml'));
    const used = [
      ...[
        'mirrors',
        'configs',
        ...Object.values(mirrors).flatMap((each) => Object.keys(each as object)),
      ],
      ...Object.values(configs).flatMap((each) =>
        Object.entries(each as object).flatMap(([key, value]) => [key, ...Object.keys(value)]),
      ),
    ];
    expect(used.filter((key) => !known.has(key))).toEqual([]);
  });
});
