import { describe, expect, it } from 'vitest';
import type { RenderedObject } from '../../../../src/format/rendered-objects.ts';
import { bundleFrom, clusterSite, invented, workload } from '../rendered.ts';

const MANIFEST = `apiVersion: stowage/v1
name: chat
version: 1.0.0
models: [{ name: tiny, source: hf://demo/model@main, licenses: [mit] }]
`;
const PATH = ['spec', 'predictor', 'model', 'storageUri'];
const service: RenderedObject = {
  object: {
    ...{ apiVersion: 'serving.kserve.io/v1beta1', kind: 'InferenceService' },
    metadata: { name: 'chat' },
    spec: { predictor: { model: { storageUri: '${models.tiny.uri}' } } },
  },
  ...{ from: 'chat.yaml', filled: [{ path: PATH, as: 'text' }] },
};

/** What an object with the address of a model has at a site with these settings. */
function uriAt(settings: object): string {
  const digest = invented('objects');
  const bundle = {
    ...bundleFrom(MANIFEST),
    objects: [
      {
        ...{ name: 'serving', source: './chat.yaml', manifest: digest, renderedBy: 'kubectl' },
        ...{ objects: { digest, size: 1 }, powers: [] },
      },
    ],
  };
  const document = { schema: 'stowage/objects/v1', objects: [service] } as const;
  const objects = new Map([['serving', document]]);
  const [first] = workload(bundle, clusterSite(settings), { objects }).sets?.[0]?.objects ?? [];
  // biome-ignore lint/suspicious/noExplicitAny: an object of any kind
  return (first as any).spec.predictor.model.storageUri;
}

describe('when an object has the address of a model', () => {
  it.each([
    [
      'the image of the model',
      {},
      /^oci:\/\/10\.0\.0\.5:5443\/chat\/tiny-car@sha256:[0-9a-f]{64}$/,
    ],
    [
      'a folder of the claim that the site has',
      { weights: 'volume', claim: 'weights' },
      /^pvc:\/\/weights\/chat-1\.0\.0\/models\/tiny$/,
    ],
    [
      'a folder of the claim that Stowage makes',
      { weights: 'volume', storageClass: 'shared' },
      /^pvc:\/\/content-[0-9a-f]+\/chat-1\.0\.0\/models\/tiny$/,
    ],
    [
      'a folder of the store of this host',
      { weights: 'local', node: 'n1' },
      /^pvc:\/\/stowage-0a1b2c3d-chat-[0-9a-f]+\/models\/tiny$/,
    ],
    [
      'the model in the Hub of the depot, at its commit',
      { modelUris: 'hub' },
      /^hf:\/\/demo\/model:c{40}$/,
    ],
  ])('is %s', (_, settings, uri) => {
    expect(uriAt(settings)).toMatch(uri);
  });
});
