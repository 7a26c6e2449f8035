import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '../../core/canonical-json.ts';
import { digestHex } from '../../core/digest.ts';
import type { Lock, LockedFile, LockedModel } from '../../format/lock.ts';
import { type Contents, type ModelFacts, noContents } from './contents.ts';
import { imageComponent } from './image-component.ts';
import { licensesOf } from './licenses.ts';

/**
 * A CycloneDX 1.6 bill of what the bundle carries: a machine-learning-model component for each model, with a file
 * component for each of its files; a container for each image, with its packages; a file component for the rest; and
 * what depends on what. Equal locks over equal blobs give equal bytes.
 */
export function sbom(lock: Lock, contents: Contents = noContents): Json {
  const { manifest } = lock;
  const release = `release:${manifest.name}@${manifest.version}`;
  const images = lock.images.map((image) => imageComponent(image, contents));
  const parts = [
    ...lock.models.map(({ name }) => `model:${name}`),
    ...images.map(({ ref }) => ref),
    ...lock.files.map(({ name }) => `files:${name}`),
  ];
  const incomplete = images.filter(({ whole }) => !whole);
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(canonicalJson(lock as unknown as Json))}`,
    version: 1,
    metadata: {
      timestamp: lock.resolvedAt,
      component: {
        type: 'application',
        'bom-ref': release,
        name: manifest.name,
        version: manifest.version,
        ...(manifest.description === '' ? {} : { description: manifest.description }),
      },
    },
    components: [
      ...lock.models.map((model) => modelComponent(model, contents.models.get(model.name) ?? {})),
      ...images.map(({ component }) => component),
      ...lock.files.map(fileComponent),
    ],
    dependencies: [
      { ref: release, dependsOn: parts },
      ...images
        .filter((each) => each.parts.length > 0)
        .map(({ ref, parts: packages }) => ({ ref, dependsOn: packages })),
    ],
    ...(incomplete.length === 0
      ? {}
      : {
          compositions: [{ aggregate: 'incomplete', assemblies: incomplete.map(({ ref }) => ref) }],
        }),
  };
}

function modelComponent(model: LockedModel, { family, architecture }: ModelFacts): Json {
  const ref = `model:${model.name}`;
  const home = `${model.endpoint}/${model.repository}`;
  const parameters = {
    ...(family === undefined ? {} : { architectureFamily: family }),
    ...(architecture === undefined ? {} : { modelArchitecture: architecture }),
  };
  return {
    type: 'machine-learning-model',
    'bom-ref': ref,
    name: model.repository,
    version: model.commit,
    purl: `pkg:huggingface/${model.repository}@${model.commit}`,
    ...licensesOf(model.license),
    pedigree: { commits: [{ uid: model.commit, url: `${home}/tree/${model.commit}` }] },
    externalReferences: [{ type: 'distribution', url: home }],
    modelCard: Object.keys(parameters).length === 0 ? {} : { modelParameters: parameters },
    components: model.files.map((file) => ({
      type: 'file',
      'bom-ref': `${ref}/${file.path}`,
      name: file.path,
      hashes: [{ alg: 'SHA-256', content: digestHex(file.digest) }],
    })),
  };
}

function fileComponent(file: LockedFile): Json {
  return {
    type: 'file',
    'bom-ref': `files:${file.name}`,
    name: file.path,
    hashes: [{ alg: 'SHA-256', content: digestHex(file.digest) }],
  };
}

/** A name-based UUID (RFC 9562, version 8) of a text, so that one lock has one serial number. */
function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}
