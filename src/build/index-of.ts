import type { Described } from '../content/artifact.ts';
import type { BlobFacts } from '../content/bill-entry.ts';
import { itemsIn, sections } from '../content/items.ts';
import { type Digest, sriOf } from '../core/digest.ts';
import { type Bundle, type BundleBlob, bundleSchema, type ControlFile } from '../format/bundle.ts';
import { withDerived } from '../format/derived.ts';
import type { Lock } from '../format/lock.ts';

/** What was generated from a lock before its index is written. */
export interface Made {
  /** The manifest of each item, by its name. */
  readonly described: ReadonlyMap<string, Described>;
  readonly facts: BlobFacts;
  readonly blobs: readonly BundleBlob[];
  readonly control: ReadonlyMap<string, Buffer>;
  /** Part size in bytes; 0 to keep blobs whole. */
  readonly partSize: number;
}

/** `bundle.json` of a lock, without installers and recovery parts. */
export function indexOf(lock: Lock, made: Made): Bundle {
  const { manifest } = lock;
  const services = withDerived(manifest.services, lock.derived);
  const { described, facts, blobs, control, partSize } = made;
  const manifestOf = (name: string): Digest => {
    const found = described.get(name);
    if (found === undefined) throw new Error(`${name} was not described`);
    return found.manifest.digest;
  };
  const contents = sections<'bundled'>((kind) =>
    itemsIn<'locked'>(lock, kind).map((item) => kind.bundled(item, manifestOf(item.name), facts)),
  );
  return {
    schema: bundleSchema(manifest),
    name: manifest.name,
    version: manifest.version,
    channel: manifest.channel,
    description: manifest.description,
    seq: lock.seq,
    resolvedAt: lock.resolvedAt,
    platforms: manifest.platforms,
    partSize,
    ...contents,
    blobs,
    control: [...control].map(
      ([path, bytes]): ControlFile => ({ path, size: bytes.length, sha512: sriOf(bytes) }),
    ),
    services,
    acceptance: manifest.acceptance,
    parameters: manifest.parameters,
    secrets: manifest.secrets,
    requires: manifest.requires,
    ...(manifest.cluster === undefined ? {} : { cluster: manifest.cluster }),
    ...(manifest.upgradeFrom === undefined ? {} : { upgradeFrom: manifest.upgradeFrom }),
    ...(manifest.recalls === undefined ? {} : { recalls: manifest.recalls }),
  };
}
