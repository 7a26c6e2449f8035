import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '../core/canonical-json.ts';
import { digestHex } from '../core/digest.ts';
import type { Lock, LockedFile, LockedImage, LockedModel } from '../format/lock.ts';

/**
 * A CycloneDX 1.6 bill of what the bundle carries: a machine-learning-model component for each model, with a file
 * component for each of its files; a container for each image; a data or file component for the rest.
 */
export function sbom(lock: Lock): Json {
  const { manifest } = lock;
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
        'bom-ref': `release:${manifest.name}@${manifest.version}`,
        name: manifest.name,
        version: manifest.version,
        ...(manifest.description === '' ? {} : { description: manifest.description }),
      },
    },
    components: [
      ...lock.models.map(modelComponent),
      ...lock.images.map(imageComponent),
      ...lock.files.map(fileComponent),
    ],
  };
}

function modelComponent(model: LockedModel): Json {
  const ref = `model:${model.name}`;
  return {
    type: 'machine-learning-model',
    'bom-ref': ref,
    name: model.repository,
    version: model.commit,
    purl: `pkg:huggingface/${model.repository}@${model.commit}`,
    ...(model.license === undefined ? {} : { licenses: [{ license: { name: model.license } }] }),
    externalReferences: [{ type: 'distribution', url: `${model.endpoint}/${model.repository}` }],
    modelCard: {},
    components: model.files.map((file) => ({
      type: 'file',
      'bom-ref': `${ref}/${file.path}`,
      name: file.path,
      hashes: [{ alg: 'SHA-256', content: digestHex(file.digest) }],
    })),
  };
}

function imageComponent(image: LockedImage): Json {
  const [name = image.repository] = image.repository.split('/').slice(-1);
  const query = `repository_url=${encodeURIComponent(image.repository)}`;
  return {
    type: 'container',
    'bom-ref': `image:${image.name}`,
    name: image.repository,
    version: image.target.digest,
    purl: `pkg:oci/${encodeURIComponent(name)}@${encodeURIComponent(image.target.digest)}?${query}`,
    hashes: [{ alg: 'SHA-256', content: digestHex(image.target.digest) }],
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
