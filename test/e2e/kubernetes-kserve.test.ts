import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { StowageError } from '../../src/core/error.ts';
import type { RenderedObject } from '../../src/format/rendered-objects.ts';
import { createKubernetesTarget } from '../../src/target/kubernetes/kubernetes.ts';
import type { Target } from '../../src/target/target.ts';
import { downloadModule } from '../lab/go.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { until } from '../lab/process.ts';
import { changeCluster } from '../support/cluster-change.ts';
import { deployment } from '../support/gadget-objects.ts';
import {
  noCluster,
  skipUnlessLong,
  skipWithoutLab,
  startLabCluster,
  trustedRegistry,
} from '../support/kubernetes-lab.ts';
import { objectsRelease, plain } from '../support/objects-release.ts';
import { clusterSite, generationOf } from '../target/kubernetes/rendered.ts';

// A release that asks for KServe: its InferenceService, against the definition that the project publishes. Its controller is not
// part of the lab: the test reports what that would, which is a condition of the object.
const MODULE = 'github.com/kserve/kserve@v0.15.2';
const DEFINITION = 'config/crd/full/serving.kserve.io_inferenceservices.yaml';
const NAMESPACE = 'stowage-gear';
const SERVICE = 'inferenceservices.serving.kserve.io';
const { signal } = new AbortController();
const work = mkdtempSync(join(tmpdir(), 'kserve-'));
let cluster: Cluster;
let target: Target;

beforeAll(async () => {
  if (noCluster !== undefined) return;
  const { Dir } = await downloadModule(MODULE);
  const lab = await startLabCluster({ nodes: 1 });
  if (lab === undefined) return;
  cluster = lab;
  await cluster.apply(parse(readFileSync(join(Dir, DEFINITION), 'utf8')));
  await until('the API of KServe', 30, async () => {
    return (await cluster.tryKubectl('get', SERVICE)).status === 0 || undefined;
  });
  const { kubeconfig } = cluster;
  target = createKubernetesTarget({
    ...{ env: {}, root: work },
    settings: async () => clusterSite({ kubeconfig }),
  });
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

const object = {
  ...{ apiVersion: 'serving.kserve.io/v1beta1', kind: 'InferenceService' },
  metadata: { name: 'chat', annotations: { 'serving.kserve.io/deploymentMode': 'RawDeployment' } },
  spec: {
    predictor: {
      model: { modelFormat: { name: 'huggingface' }, storageUri: '${models.tiny.uri}' },
    },
  },
};
const filled = [{ path: ['spec', 'predictor', 'model', 'storageUri'], as: 'text' }] as const;
const { release } = objectsRelease([plain(object, { filled })], {
  models: { tiny: 'hf://demo/tiny@main' },
  readyWhen: [
    {
      ...{ kind: 'InferenceService', group: 'serving.kserve.io' },
      ...{ condition: 'Ready', status: 'True' },
    },
  ],
});
const of = { release, service: 'things' };
const ADDRESS = /^oci:\/\/10\.0\.0\.5:5443\/gear\/tiny[^@]*@sha256:[0-9a-f]{64}$/;

const one = [SERVICE, 'chat', '--namespace', NAMESPACE];

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function service(): Promise<any> {
  return JSON.parse(await cluster.kubectl('get', ...one, '--output=json'));
}

/** Says of the object what its controller would. */
async function report(status: 'True' | 'False'): Promise<void> {
  const condition = { type: 'Ready', status, lastTransitionTime: new Date().toISOString() };
  const { generation } = (await service()).metadata;
  const patch = { status: { observedGeneration: generation, conditions: [condition] } };
  const where = ['--subresource=status', '--type=merge'];
  await cluster.kubectl('patch', ...one, ...where, '-p', JSON.stringify(patch));
}

describe('when a release asks for KServe', () => {
  it('is kept once its InferenceService is ready, which gets the model from the depot', async () => {
    let kept = false;
    const change = changeCluster(target, {
      from: generationOf(0),
      to: generationOf(1, release),
    }).then((changed) => {
      kept = true;
      return changed;
    });
    await until('the object', 60, async () => (await service().catch(() => undefined)) && true);
    await report('False');
    await sleep(2000);
    expect(kept).toBe(false);
    await report('True');
    expect((await change).failure).toBeUndefined();
    const { metadata, spec } = await service();
    expect(metadata.labels['app.kubernetes.io/managed-by']).toBe('stowage');
    expect(spec.predictor.model.storageUri).toMatch(ADDRESS);
  });

  it('has no drift, and what somebody changed is named', async () => {
    expect(await target.state(of, signal)).toMatchObject({ state: 'running', drift: [] });
    const change = { spec: { predictor: { model: { storageUri: 'pvc://other/model' } } } };
    const somebody = ['--type=merge', '--field-manager=somebody', '-p', JSON.stringify(change)];
    await cluster.kubectl('patch', ...one, ...somebody);
    const { drift } = await target.state(of, signal);
    expect(drift).toMatchObject([
      { field: expect.stringContaining('storageUri'), found: expect.stringContaining('somebody') },
    ]);
  });

  it('leaves nothing but the definition of the owner after an uninstall', async () => {
    const change = { from: generationOf(1, release), to: generationOf(2) };
    const { failure } = await changeCluster(target, { intent: 'uninstall', ...change });
    expect(failure).toBeUndefined();
    expect(await cluster.kubectl('get', SERVICE, '--all-namespaces', '--output=name')).toBe('');
    expect(await cluster.kubectl('get', 'crd', '--output=name')).toContain(SERVICE);
  });
});

describe('when the pods that an operator makes of its object do not get ready', () => {
  /** As KServe makes it of an InferenceService. */
  async function serveBy({ object: made }: RenderedObject): Promise<void> {
    const { apiVersion, kind, metadata } = await service();
    const { name, uid } = metadata;
    const owner = { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
    const worker = { name: 'worker', namespace: NAMESPACE, ownerReferences: [owner] };
    await cluster.apply({ ...made, metadata: worker });
  }

  async function failed(made: RenderedObject): Promise<StowageError> {
    const change = changeCluster(target, { from: generationOf(2), to: generationOf(3, release) });
    await until('the object', 60, async () => (await service().catch(() => undefined)) && true);
    await serveBy(made);
    await report('False');
    const { failure } = await change;
    if (!(failure instanceof StowageError)) throw failure ?? new Error('it did not fail');
    expect(failure.message).toContain(`InferenceService ${NAMESPACE}/chat of things is not ready`);
    expect(await cluster.kubectl('get', SERVICE, '--all-namespaces', '--output=name')).toBe('');
    return failure;
  }

  it('is undone with the reason when no registry has their image', async () => {
    const registry = await trustedRegistry(cluster);
    const began = performance.now();
    const { found, defects } = await failed(deployment(`${registry.host}/absent:1`));
    expect(found).toBe('the registry has no such image');
    expect(defects.join('\n')).toMatch(/Failed: .*absent:1.*not found/);
    expect(performance.now() - began).toBeLessThan(60_000);
  });

  it('is undone with the last lines when their process ends again and again', async (test) => {
    skipUnlessLong(test);
    const made = deployment(undefined, 'echo no such model; exit 3');
    const { found, defects } = await failed(made);
    expect(found).toMatch(/^the process of pod worker-\S+ exits again and again: exit code 3$/);
    expect(defects).toContain('no such model');
  });
});
