import type { Digest } from '../core/digest.ts';
import { sriOf } from '../core/digest.ts';
import type { Bundle, BundleBlob, ControlFile } from '../format/bundle.ts';
import type { Lock } from '../format/lock.ts';
import type { Described } from './content.ts';
import { type Contents, countPackages } from './sbom/contents.ts';

/** `bundle.json` of a lock, as far as it does not depend on recovery parts. */
export function indexOf(
  lock: Lock,
  described: ReadonlyMap<string, Described>,
  contents: Contents,
  blobs: readonly BundleBlob[],
  control: ReadonlyMap<string, Buffer>,
  partSize: number,
): Bundle {
  const { manifest } = lock;
  const manifestOf = (name: string): Digest => {
    const found = described.get(name);
    if (found === undefined) throw new Error(`${name} was not described`);
    return found.manifest.digest;
  };
  return {
    schema: 'stowage/bundle/v1',
    name: manifest.name,
    version: manifest.version,
    channel: manifest.channel,
    description: manifest.description,
    seq: lock.seq,
    resolvedAt: lock.resolvedAt,
    platforms: manifest.platforms,
    partSize,
    models: lock.models.map((model) => ({
      name: model.name,
      source: model.source,
      repository: model.repository,
      commit: model.commit,
      ...(model.license === undefined ? {} : { license: model.license }),
      ...(model.tags === undefined || model.tags.length === 0 ? {} : { tags: model.tags }),
      ...(model.signature === undefined ? {} : { signature: model.signature }),
      manifest: manifestOf(model.name),
      files: model.files.map(({ path, size, digest, gitOid }) => ({
        path,
        size,
        digest,
        ...(gitOid === undefined ? {} : { gitOid }),
      })),
    })),
    images: lock.images.map((image) => ({
      name: image.name,
      source: image.source,
      repository: image.repository,
      target: image.target,
      platforms: image.platforms,
      ...(image.signature === undefined ? {} : { signature: image.signature }),
      packages: countPackages(image, contents),
      ...(image.attached === undefined ? {} : { attached: image.attached }),
    })),
    files: lock.files.map(({ name, source, kind, path, digest, size }) => ({
      name,
      source,
      kind,
      path,
      manifest: manifestOf(name),
      digest,
      size,
    })),
    blobs,
    control: [...control].map(
      ([path, bytes]): ControlFile => ({ path, size: bytes.length, sha512: sriOf(bytes) }),
    ),
    services: manifest.services,
    acceptance: manifest.acceptance,
    parameters: manifest.parameters,
    secrets: manifest.secrets,
    requires: manifest.requires,
    ...(manifest.upgradeFrom === undefined ? {} : { upgradeFrom: manifest.upgradeFrom }),
    ...(manifest.recalls === undefined ? {} : { recalls: manifest.recalls }),
  };
}
