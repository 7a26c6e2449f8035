import { describe, expect, it } from 'vitest';
import { withPullSecret } from '../../../../src/target/kubernetes/objects/pull-secrets.ts';

const object = (apiVersion: string, kind: string, spec: object, namespace?: string) => ({
  ...{ apiVersion, kind, spec },
  metadata: { name: 'a', ...(namespace === undefined ? {} : { namespace }) },
});
const containers = [{ name: 'a', image: 'x' }];
const NAMED = [{ name: 'nodes' }];

describe('when an operator makes the pods of an object', () => {
  it.each([
    [
      'the predictor and transformer of an InferenceService',
      object('serving.kserve.io/v1beta1', 'InferenceService', {
        predictor: { model: { storageUri: 'oci://x' } },
        transformer: { containers },
      }),
      {
        predictor: { model: { storageUri: 'oci://x' }, imagePullSecrets: NAMED },
        transformer: { containers, imagePullSecrets: NAMED },
      },
    ],
    [
      'a ServingRuntime that has a secret of its own',
      object('serving.kserve.io/v1alpha1', 'ServingRuntime', {
        ...{ containers, imagePullSecrets: [{ name: 'own' }] },
      }),
      { containers, imagePullSecrets: [{ name: 'own' }, { name: 'nodes' }] },
    ],
    [
      'a NIMService, by its name alone and once',
      object('apps.nvidia.com/v1alpha1', 'NIMService', {
        image: { repository: 'r', tag: '1', pullSecrets: ['nodes', 'own'] },
      }),
      { image: { repository: 'r', tag: '1', pullSecrets: ['own', 'nodes'] } },
    ],
    [
      'what runs an image of a ClusterPolicy',
      object('nvidia.com/v1', 'ClusterPolicy', {
        ...{
          driver: { repository: 'r', image: 'driver', version: '1' },
          mig: { strategy: 'single' },
        },
      }),
      {
        driver: { repository: 'r', image: 'driver', version: '1', imagePullSecrets: ['nodes'] },
        mig: { strategy: 'single' },
      },
    ],
    [
      'no object of a kind that is not known',
      object('demo.example/v1', 'Gadget', { containers }),
      { containers },
    ],
    [
      'no object of another namespace',
      object('serving.kserve.io/v1alpha1', 'ServingRuntime', { containers }, 'other'),
      { containers },
    ],
  ])('gives the pull secret of the site to %s', (_, before, spec) => {
    expect(withPullSecret(before, 'stowage-gear', 'nodes')).toEqual({ ...before, spec });
    expect(withPullSecret(before, 'stowage-gear', undefined)).toBe(before);
  });
});
