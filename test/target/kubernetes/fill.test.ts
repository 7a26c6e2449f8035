import { describe, expect, it } from 'vitest';
import { fieldsOf, listOf } from '../../../src/core/json.ts';
import type { KubernetesObject } from '../../../src/format/kubernetes.ts';
import type { ClusterConstraintInput } from '../../../src/target/kubernetes/constraints/constraint.ts';
import { volume } from '../../../src/target/kubernetes/constraints/disk.ts';
import { kubernetesSteps } from '../../../src/target/kubernetes/steps.ts';
import { expectCode } from '../../support/error.ts';
import { clusterSite, deployed, generationOf, worked, workload } from './rendered.ts';

const bundle = worked('demo.yaml');
const claimed = { weights: 'volume', claim: 'models', namespace: 'volumes' };
const filled = workload(bundle, clusterSite({ ...claimed, fill: {} }));

function podOf(job: KubernetesObject | undefined): ReturnType<typeof fieldsOf> {
  return fieldsOf(fieldsOf(fieldsOf(job?.['spec'])['template'])['spec']);
}

function containerOf(job: KubernetesObject | undefined): ReturnType<typeof fieldsOf> {
  return listOf(podOf(job)['containers'])[0] ?? {};
}

describe('when a Job fills a volume', () => {
  it('is a pod that PodSecurity restricted admits, with an image of the release', () => {
    const pod = podOf(filled.fill?.job);
    expect(pod).toMatchObject({
      ...{ automountServiceAccountToken: false, enableServiceLinks: false, restartPolicy: 'Never' },
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(containerOf(filled.fill?.job)).toMatchObject({
      securityContext: {
        ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
        capabilities: { drop: ['ALL'] },
      },
    });
    const [service] = filled.services;
    const [server] = listOf(
      fieldsOf(fieldsOf(fieldsOf(service?.deployment['spec'])['template'])['spec'])['containers'],
    );
    expect(containerOf(filled.fill?.job)['image']).toBe(server?.['image']);
    expect(JSON.stringify(pod)).not.toContain('hostPath');
  });

  it('lists each file with its SHA-256, and mounts the models as images', () => {
    const list = filled.objects.find(({ data }) => fieldsOf(data)['fill.sh'] !== undefined);
    expect(fieldsOf(list?.['data'])['files']).toMatch(
      /^[0-9a-f]{64} 8 models\/tiny\/config\.json\n$/,
    );
    const volumes = listOf(podOf(filled.fill?.job)['volumes']);
    expect(volumes.filter(({ image }) => image !== undefined)).toHaveLength(1);
    expect(listOf(containerOf(filled.fill?.job)['volumeMounts'])).toContainEqual(
      expect.objectContaining({
        mountPath: '/source/models/tiny',
        subPath: 'models',
        readOnly: true,
      }),
    );
  });

  it('removes content without the images, which may be gone by then', () => {
    const volumes = listOf(podOf(filled.fill?.clear)['volumes']);
    expect(volumes.filter(({ image }) => image !== undefined)).toEqual([]);
    expect(containerOf(filled.fill?.clear)['args']).toEqual(['clear']);
  });

  it('leaves the content where the site says so, and the claim to its owner', () => {
    const kept = workload(bundle, clusterSite({ ...claimed, fill: { keep: true } }));
    expect(kept.fill?.clear).toBeUndefined();
    const own = workload(bundle, clusterSite(claimed));
    expect(own.fill).toBeUndefined();
    expect(JSON.stringify(own.services)).toContain('tiny-chat-1.0.0/models/tiny');
    for (const { objects } of [kept, own, filled])
      expect(objects.map(({ kind }) => kind)).not.toContain('PersistentVolumeClaim');
  });

  it('makes a claim of a storage class that is large enough, and another for another version', () => {
    const site = clusterSite({ weights: 'volume', storageClass: 'nfs' });
    const made = workload(bundle, site);
    const claim = made.objects.find(({ kind }) => kind === 'PersistentVolumeClaim');
    expect(claim?.['spec']).toEqual({
      ...{ accessModes: ['ReadWriteMany'], storageClassName: 'nfs' },
      resources: { requests: { storage: '17Mi' } },
    });
    expect(made.fill).toMatchObject({ claim: claim?.metadata.name });
    expect(made.fill?.clear).toBeUndefined();
    const later = workload({ ...bundle, version: '1.1.0' }, site);
    expect(later.fill?.claim).not.toBe(made.fill?.claim);
  });

  it('refuses a list of files that is too large for an object', async () => {
    const [model] = bundle.models;
    const [file] = model?.files ?? [];
    if (model === undefined || file === undefined) throw new Error('the demo has a model');
    const files = Array.from({ length: 10_000 }, (_, at) => ({ ...file, path: `part-${at}.bin` }));
    const many = { ...bundle, models: [{ ...model, files }] };
    await expectCode(() => workload(many, clusterSite({ ...claimed, fill: {} })), 'site-invalid');
  });

  it.each([
    [{ weights: 'volume' }],
    [{ weights: 'volume', claim: 'a', storageClass: 'b' }],
    [{ weights: 'auto', storageClass: 'b' }],
    [{ weights: 'auto', fill: {} }],
    [{ weights: 'volume', storageClass: 'b', fill: { keep: true } }],
  ])('refuses the settings %j', async (settings) => {
    await expectCode(() => clusterSite(settings), 'site-invalid');
  });
});

describe('when a plan judges the claim', () => {
  const settings = clusterSite({ ...claimed, fill: {} });
  const release = deployed(bundle, settings);
  const judged = async (claim: object | undefined) =>
    volume({
      change: {
        ...{ intent: 'install', from: generationOf(0), to: generationOf(1, release) },
        bundles: new Map([[release.bundle, bundle]]),
      },
      cluster: {
        tryGet: async () =>
          claim === undefined ? { failure: { status: 403 } } : { object: claim },
      },
      ...{ settings, signal: new AbortController().signal },
    } as unknown as ClusterConstraintInput);
  const claim = (storage: string, ...accessModes: readonly string[]): object => ({
    ...{ spec: { accessModes }, status: { phase: 'Bound', capacity: { storage } } },
  });

  it.each([
    [claim('8', 'ReadWriteMany'), true, 'Bound, ReadWriteMany, 8 B in all'],
    [claim('7', 'ReadWriteMany'), false, 'it is too small'],
    [claim('1Gi', 'ReadOnlyMany'), false, 'a Job cannot fill it'],
    [claim('1Gi', 'ReadOnlyMany', 'ReadWriteOnce'), true, 'ReadOnlyMany and ReadWriteOnce'],
    [{ spec: { accessModes: ['ReadWriteMany'] } }, true, 'Pending, ReadWriteMany'],
    [undefined, true, 'not known'],
  ])('%j', async (object, satisfied, found) => {
    expect(await judged(object)).toMatchObject([
      { rule: 'volume', satisfied, found: expect.stringContaining(found) },
    ]);
  });
});

describe('when releases with a filled volume change', () => {
  const settings = clusterSite({ ...claimed, fill: {} });
  const one = deployed(bundle, settings);
  const two = deployed({ ...bundle, version: '1.1.0' }, settings);
  const moved = deployed(
    { ...bundle, version: '1.1.0' },
    clusterSite({ ...claimed, claim: 'other', fill: {} }),
  );
  const about = { intent: 'install', bundles: new Map() } as const;
  const actions = (
    steps: readonly { action: string; subject: string; undo?: string }[],
  ): string[] =>
    steps
      .filter(({ action }) => /fill|volume/.test(action))
      .map(({ action, subject, undo = '-' }) => `${action} ${subject} ${undo}`);

  it('fills before a service starts, and removes the content when the release goes', () => {
    const install = kubernetesSteps({ ...about, from: generationOf(0), to: generationOf(1, one) });
    expect(actions(install.prepare)).toEqual(['fill-volume models abandon-fill']);
    const gone = kubernetesSteps({ ...about, from: generationOf(1, one), to: generationOf(2) });
    expect(actions(gone.clear)).toEqual(['clear-volume models fill-volume']);
  });

  it('keeps the content of the version before, unless it is on another claim', () => {
    const from = generationOf(1, one);
    expect(actions(kubernetesSteps({ ...about, from, to: generationOf(2, two) }).retire)).toEqual(
      [],
    );
    expect(actions(kubernetesSteps({ ...about, from, to: generationOf(2, moved) }).retire)).toEqual(
      ['clear-volume models -'],
    );
  });
});
