import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Digest, digestOf } from '../../../src/core/digest.ts';
import type { Bundle } from '../../../src/format/bundle.ts';
import { checkDocument } from '../../../src/format/document.ts';
import type { KubernetesWorkload } from '../../../src/format/kubernetes.ts';
import { manifestKind } from '../../../src/format/manifest.ts';
import type { DeployedRelease, Generation } from '../../../src/format/plan.ts';
import { type Site, siteKind } from '../../../src/format/site.ts';
import { readYaml } from '../../../src/format/yaml-document.ts';
import { fillTemplate, parameterValues } from '../../../src/site/planning/parameters.ts';
import { renderKubernetes } from '../../../src/target/kubernetes/render.ts';
import type { RenderInput } from '../../../src/target/render-input.ts';
import { generation } from '../../support/deployed.ts';

const folder = fileURLToPath(new URL('../../../manifests/', import.meta.url));
const SITE_ID = '0a1b2c3d';

/** A site with a cluster, and more fields of its section `kubernetes`. */
export function clusterSite(kubernetes: object = {}): Site {
  return checkDocument(siteKind, {
    apiVersion: 'stowage/v1',
    name: 'plant',
    target: 'kubernetes',
    kubernetes: { images: { registry: '10.0.0.5:5443' }, ...kubernetes },
  });
}

/** A digest that depends on a text. */
export function invented(text: string): Digest {
  return digestOf(Buffer.from(text));
}

/** A bundle as packing this manifest would make it, with invented digests. */
export function bundleFrom(text: string): Bundle {
  const {
    models,
    images,
    files,
    charts: _,
    objects: __,
    apiVersion: ___,
    ...rest
  } = readYaml(manifestKind, Buffer.from(text));
  return {
    ...rest,
    schema: 'stowage/bundle/v1',
    seq: 1,
    resolvedAt: '2026-11-21T10:00:00Z',
    partSize: 0,
    models: models.map(({ name, source }) => ({
      ...{ name, source, repository: 'demo/model', commit: 'c'.repeat(40) },
      manifest: invented(source),
      files: [{ path: 'config.json', size: 8, digest: invented(source) }],
    })),
    images: images.map(({ name, source }) => ({
      ...{ name, source, repository: `registry.example/${name}` },
      target: {
        digest: invented(source),
        size: 8,
        mediaType: 'application/vnd.oci.image.index.v1+json',
      },
      platforms: [
        {
          platform: 'linux/amd64',
          manifest: invented(`${source} manifest`),
          config: invented(source),
        },
      ],
    })),
    files: files.map(({ name, source }) => ({
      ...{ name, source, kind: 'file', path: source.split('/').at(-1) ?? '', size: 8 },
      ...{ manifest: invented(source), digest: invented(source) },
    })),
    blobs: [],
    control: [],
  };
}

export function worked(name: string): Bundle {
  return bundleFrom(readFileSync(`${folder}${name}`, 'utf8'));
}

/** The workload of a bundle at a site with a cluster. */
export function workload(
  bundle: Bundle,
  settings: Site = clusterSite(),
  more: Partial<RenderInput> = {},
): KubernetesWorkload {
  return renderKubernetes({ ...inputOf(bundle, settings), ...more });
}

/** What a workload is rendered from. */
export function inputOf(bundle: Bundle, settings: Site): RenderInput {
  const values = parameterValues(bundle.name, bundle.parameters, settings);
  return {
    ...{ bundle, settings, siteId: SITE_ID, files: '/site/layouts/one', platform: 'linux/amd64' },
    fill: (text) => fillTemplate(text, values),
    rendered: new Map(),
    secretNames: new Map(
      Object.keys(bundle.secrets).map((each) => [
        each,
        `stowage-${bundle.name}-${each}-0123456789ab`,
      ]),
    ),
    cars: new Map(
      [...bundle.models, ...bundle.files].map(({ name }) => [name, invented(`${name} car`)]),
    ),
    contents: new Map(bundle.files.map(({ name }) => [name, Buffer.from(`content of ${name}`)])),
  };
}

/** A release of a generation. */
export function deployed(bundle: Bundle, settings?: Site): DeployedRelease {
  const { name, version, seq, acceptance } = bundle;
  const id = invented(JSON.stringify(bundle)).slice(7).repeat(2);
  const about = { name, version, seq, bundle: id, secrets: [], texts: [], acceptance };
  return { ...about, workload: workload(bundle, settings) };
}

export function generationOf(number: number, ...releases: readonly DeployedRelease[]): Generation {
  return { ...generation(number), releases };
}

/** A manifest of two services, the first of which depends on the second. */
export const twoServices = `
apiVersion: stowage/v1
name: chat
version: 1.0.0
models:
  - { name: tiny, source: hf://demo/tiny@main, licenses: [mit] }
images:
  - { name: server, source: registry.example/server:1.0 }
services:
  - name: front
    image: server
    dependsOn: [back]
    env: { BACK: "http://back:9000", ODD: "$(NOT_A_VARIABLE)" }
    ports: [{ name: http, container: 8000, host: 8000 }]
    memory: 1GiB
    cpus: 1.5
    health: { server: http, path: /health, port: http }
  - name: back
    image: server
    mounts: [{ model: tiny, path: /models/tiny }]
    ports: [{ name: inner, container: 9000, host: 9000 }]
    health: { server: http, path: /health, port: inner }
`;
