import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { downloadModule } from '../lab/go.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { startModelOperators } from '../lab/kubernetes/model-operators.ts';
import { startUpstream, type Upstream } from '../lab/upstream.ts';
import { type ClusterSite, startClusterSite } from '../support/cluster-site.ts';
import { LONG, noCluster, skipWithoutLongLab, startLabCluster } from '../support/kubernetes-lab.ts';
import { connectedSide } from './connected.ts';

// A model that others serve: the definitions are KServe's, from its Go module, and one after the documentation of the NIM operator, of
// which there is no module. A controller of the test takes the place of theirs (`model-operators.ts`).
// Minutes on a busy machine: several installations, each with prompts.
vi.setConfig({ testTimeout: 900_000 });

const NAMESPACE = 'stowage-serving';
const work = mkdtempSync(join(tmpdir(), 'kubernetes-models-'));
let cluster: Cluster;
let site: ClusterSite;
let stopOperators: () => Promise<void> = async () => {};

beforeAll(async () => {
  if (!LONG) return;
  if (noCluster !== undefined) return;
  const { Dir } = await downloadModule('github.com/kserve/kserve@v0.15.2');
  const definitions = join(work, 'definitions');
  mkdirSync(definitions);
  for (const name of ['inferenceservices', 'servingruntimes'])
    cpSync(
      join(Dir, `config/crd/full/serving.kserve.io_${name}.yaml`),
      join(definitions, `${name}.yaml`),
    );
  writeFileSync(join(definitions, 'nimservices.yaml'), NIM_SERVICES);
  const upstream = await startUpstream(join(work, 'upstream'));
  let first: string;
  let side: Awaited<ReturnType<typeof connectedSide>>;
  const names: string[] = [];
  try {
    side = await connectedSide(work, upstream);
    writeFileSync(join(work, 'kserve.yaml'), KSERVE.replace('HOST', upstream.registry.host));
    writeFileSync(join(work, 'nim.yaml'), NIM.replace('HOST', upstream.registry.host));
    first = await side.release(manifest(upstream, '1.0.0'), 'one', '--no-installer');
    const second = manifest(upstream, '1.1.0').replace('@main', '@v2');
    for (const [name, answer] of [
      ['wrong', 'air gap model is silent'],
      ['two', 'second release'],
    ] as const) {
      const version = name === 'two' ? '1.2.0' : '1.1.0';
      const text = second.replace('1.1.0', version).replaceAll('air gap model is ready', answer);
      names.push(await side.release(text, name, '--no-installer'));
    }
  } finally {
    await upstream.stop();
  }
  const lab = await startLabCluster({ nodes: 1 });
  if (lab === undefined) return;
  cluster = lab;
  stopOperators = startModelOperators(cluster);
  site = await startClusterSite({ folder: join(work, 'plant'), cluster, side, port: 5443, first });
  for (const name of names) await site.must('import', name);
});

beforeEach((test) => {
  skipWithoutLongLab(test, cluster);
});

afterAll(async () => {
  await stopOperators();
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

const manifest = ({ registry }: Upstream, version: string): string => `apiVersion: stowage/v1
name: serving
version: ${version}
models:
  - { name: tiny, source: hf://demo/tiny-gguf@main, licenses: [apache-2.0] }
images:
  - { name: server, source: '${registry.host}/demo/llama-server:1.0' }
objects:
  - { name: definitions, source: definitions }
  - name: chat
    source: kserve.yaml
    readyWhen: [{ kind: InferenceService, condition: Ready }]
    endpoint: { service: chat-predictor, port: 80 }
  - name: nim
    source: nim.yaml
    readyWhen: [{ kind: NIMService, condition: Ready }]
    endpoint: { service: nim, port: 8000 }
acceptance:
${['chat', 'nim'].map(acceptance).join('')}`;

const acceptance = (service: string): string => `  - service: ${service}
    model: tiny
    api: completions
    prompt: hello
    maxTokens: 12
    withinSeconds: 60
    expect: { contains: air gap model is ready }
`;

const KSERVE = `apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: { name: llama }
spec:
  supportedModelFormats: [{ name: gguf }]
  containers:
    - name: kserve-container
      image: HOST/demo/llama-server:1.0
      env:
        - { name: LLAMA_ARG_MODEL, value: /mnt/models/tiny.gguf }
        - { name: LLAMA_ARG_ALIAS, value: tiny }
        - { name: LLAMA_ARG_CTX_SIZE, value: '512' }
        - { name: LLAMA_ARG_THREADS, value: '1' }
        - { name: LLAMA_ARG_PORT, value: '8000' }
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: chat
  annotations: { serving.kserve.io/deploymentMode: RawDeployment }
spec:
  predictor:
    model:
      runtime: llama
      modelFormat: { name: gguf }
      storageUri: \${models.tiny.uri}
`;

const NIM = `apiVersion: apps.nvidia.com/v1alpha1
kind: NIMService
metadata: { name: nim }
spec:
  image: { repository: HOST/demo/llama-server, tag: '1.0' }
  env:
    - { name: NIM_MODEL_NAME, value: '\${models.tiny.uri}' }
    - { name: LLAMA_ARG_MODEL, value: /mnt/models/tiny.gguf }
    - { name: LLAMA_ARG_ALIAS, value: tiny }
    - { name: LLAMA_ARG_CTX_SIZE, value: '512' }
    - { name: LLAMA_ARG_THREADS, value: '1' }
    - { name: LLAMA_ARG_PORT, value: '8000' }
  expose: { service: { port: 8000 } }
`;

const NIM_SERVICES = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: nimservices.apps.nvidia.com }
spec:
  group: apps.nvidia.com
  scope: Namespaced
  names: { kind: NIMService, plural: nimservices, singular: nimservice }
  versions:
    - name: v1alpha1
      served: true
      storage: true
      subresources: { status: {} }
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                image:
                  type: object
                  properties:
                    repository: { type: string }
                    tag: { type: string }
                    pullSecrets: { type: array, items: { type: string } }
                env:
                  type: array
                  items:
                    type: object
                    properties: { name: { type: string }, value: { type: string } }
                expose:
                  type: object
                  properties:
                    service:
                      type: object
                      properties: { port: { type: integer, format: int32 } }
            status: { type: object, x-kubernetes-preserve-unknown-fields: true }
`;

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function get(kind: string, name: string): Promise<any> {
  const args = ['get', kind, name, '--namespace', NAMESPACE, '--output=json'];
  return JSON.parse(await cluster.kubectl(...args));
}

async function uris(): Promise<string[]> {
  const { spec } = await get('inferenceservice', 'chat');
  const nim = await get('nimservice', 'nim');
  return [spec.predictor.model.storageUri, nim.spec.env[0].value];
}

describe('when KServe and the NIM operator serve the model of a release', () => {
  it('gives both the image of the model, and is kept once prompts are answered', async () => {
    const { json } = await site.must('install', 'serving@1.0.0');
    const gates = json.receipt.gates as { service: string; check: string; passed: boolean }[];
    for (const service of ['chat', 'nim'])
      expect(gates).toContainEqual(
        expect.objectContaining({ service, check: 'acceptance', passed: true }),
      );
    expect(json.receipt).toMatchObject({ outcome: 'kept' });
    for (const uri of await uris())
      expect(uri.replace(site.registry, 'DEPOT')).toMatch(
        /^oci:\/\/DEPOT\/serving\/tiny-car@sha256:[0-9a-f]{64}$/,
      );
    const { image } = (await get('nimservice', 'nim')).spec;
    expect(`${image.repository}:${image.tag}`).toMatch(/\/serving\/server@sha256:[0-9a-f]{64}$/);
    const { services } = (await site.must('status')).json;
    expect(services.map(({ state, drift }: never) => [Object(state).state, drift])).toEqual(
      Array.from({ length: 3 }, () => ['running', []]),
    );
  });

  it('is rolled back to the model before when a prompt is answered otherwise', async () => {
    const before = await uris();
    const { status, stderr } = await site.run('install', 'serving@1.1.0');
    expect([status, stderr]).toEqual([3, expect.stringContaining('rolled-back')]);
    expect(await uris()).toEqual(before);
    await site.must('install', 'serving@1.2.0');
    expect(await uris()).not.toEqual(before);
    await site.must('rollback');
    expect(await uris()).toEqual(before);
  });

  it('gives them a folder of a claim where the site has its weights on one', async () => {
    await site.must('uninstall', 'serving');
    site.configure({ more: '  weights: local\n  node: n1\n' });
    await site.must('install', 'serving@1.0.0');
    const claims = await cluster.kubectl('get', 'pvc', '--namespace', NAMESPACE, '-o', 'name');
    const claim = claims.trim().replace('persistentvolumeclaim/', '');
    expect(await uris()).toEqual(Array.from({ length: 2 }, () => `pvc://${claim}/models/tiny`));
    await site.must('uninstall', 'serving');
    const log = readFileSync(site.accessLog, 'utf8');
    expect(log).toContain('/v2/serving/tiny-car/manifests/');
  });
});
