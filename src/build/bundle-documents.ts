import type { Described } from '../content/artifact.ts';
import type { BlobFacts } from '../content/bill-entry.ts';
import { copiedFirst, fromLock, itemsIn, sections } from '../content/items.ts';
import { type Digest, digestHex, sriHex, sriOf } from '../core/digest.ts';
import { canonicalBytes, type Json } from '../core/json.ts';
import { PRODUCT, PRODUCT_VERSION } from '../core/product.ts';
import { type Bundle, type BundleBlob, bundleSchema, type ControlFile } from '../format/bundle.ts';
import { withDerived } from '../format/derived.ts';
import type { DescribedInstaller } from '../format/installer.ts';
import type { Lock } from '../format/lock.ts';
import type { LockedAttachment } from '../format/locked-content.ts';
import { verifyText } from '../format/verify-text.ts';
import { operatorText } from './operator-text.ts';
import { optionalContent } from './optional-content.ts';
import { readmeText } from './readme-text.ts';
import { componentDescriptors } from './sbom/installer-entry.ts';
import { sbom } from './sbom/sbom.ts';
import { spdx } from './sbom/spdx.ts';
import { verdictAttestations } from './upstream/attestation.ts';

/** What control files contain in addition to the lock. */
export interface Additions {
  /** The manifest of each item, by its name. */
  readonly described: ReadonlyMap<string, Described>;
  readonly installers: readonly DescribedInstaller[];
  readonly facts: BlobFacts;
}

/** The control files of a bundle except `bundle.json` and `SHA512SUMS`, by path. */
export function controlDocuments(
  lock: Lock,
  { described, installers, facts }: Additions,
): Map<string, Buffer> {
  const bill = sbom(lock, facts, installers);
  return new Map([
    ['OPERATOR.txt', Buffer.from(operatorText(lock.manifest, installers), 'ascii')],
    ['README.txt', Buffer.from(readmeText(lock.manifest, installers), 'ascii')],
    ['VERIFY.txt', Buffer.from(verifyText(lock.manifest), 'ascii')],
    ['attestations/lock.json', canonicalBytes(lock as unknown as Json)],
    ['attestations/provenance.slsa.json', canonicalBytes(provenance(lock, installers))],
    ['attestations/sbom.cdx.json', canonicalBytes(bill)],
    ['attestations/sbom.spdx.json', canonicalBytes(spdx(bill))],
    ...verdictAttestations(lock),
    ['index.json', canonicalBytes(imageIndex(described))],
    ['oci-layout', canonicalBytes({ imageLayoutVersion: '1.0.0' })],
  ]);
}

/** `index.json` of the OCI image layout: every item with its own tag. */
function imageIndex(described: ReadonlyMap<string, Described>): Json {
  return {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      ...[...described].map(([name, { manifest }]) => ({
        mediaType: manifest.mediaType,
        digest: manifest.digest,
        size: manifest.size,
        annotations: { 'org.opencontainers.image.ref.name': name },
      })),
      ...[...described.values()].flatMap(({ attached = [] }) => attached.map(attachedEntry)),
    ],
  };
}

/** Clients find cosign's signatures by a tag, and referrers by their subject. */
function attachedEntry({ kind, subject, digest, size, ...rest }: LockedAttachment): Json {
  const { mediaType, artifactType } = rest;
  const tag = `sha256-${digestHex(subject)}.sig`;
  return kind === 'cosign'
    ? { mediaType, digest, size, annotations: { 'org.opencontainers.image.ref.name': tag } }
    : { mediaType, digest, size, artifactType };
}

/**
 * An in-toto statement (v1) with SLSA provenance (v1): the sources that the bundle was made from. The signature of the
 * bundle covers it; the document is not signed separately.
 */
export function provenance(lock: Lock, installers: readonly DescribedInstaller[] = []): Json {
  const subjects = fromLock(lock, (kind, item) => kind.subjects(item), copiedFirst());
  const origins = fromLock(lock, (kind, item) => [kind.origins(item)]);
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjects.map(({ name, digest }) => ({ name, digest: { sha256: digestHex(digest) } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: `urn:${PRODUCT}:pack:v1`,
        externalParameters: {
          name: lock.manifest.name,
          version: lock.manifest.version,
          channel: lock.manifest.channel,
          platforms: lock.manifest.platforms,
        },
        internalParameters: { seq: lock.seq },
        resolvedDependencies: [
          ...origins.map(({ own }) => own),
          ...origins.flatMap(({ included }) => included),
          ...installers.map(({ path, sha512 }) => ({
            name: path,
            digest: { sha512: sriHex(sha512) },
          })),
          ...componentDescriptors(installers),
        ],
      },
      runDetails: {
        builder: {
          id: `pkg:npm/${PRODUCT}@${PRODUCT_VERSION}`,
          version: { [PRODUCT]: PRODUCT_VERSION },
        },
        metadata: { startedOn: lock.resolvedAt },
      },
    },
  };
}

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
  const derived = lock.derived === undefined ? {} : { derived: lock.derived };
  const { described, facts, blobs, control, partSize } = made;
  const manifestOf = (name: string): Digest => {
    const found = described.get(name);
    if (found === undefined) throw new Error(`${name} was not described`);
    return found.manifest.digest;
  };
  const optional = optionalContent(lock, described);
  const contents = sections<'bundled'>((kind) =>
    itemsIn<'locked'>(lock, kind).map((item) => ({
      ...kind.bundled(item, manifestOf(item.name), facts),
      ...optional(kind, item),
    })),
  );
  return {
    schema: bundleSchema({ ...manifest, ...derived }),
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
    ...derived,
    acceptance: manifest.acceptance,
    parameters: manifest.parameters,
    secrets: manifest.secrets,
    requires: manifest.requires,
    ...(manifest.evaluations === undefined ? {} : { evaluations: manifest.evaluations }),
    ...(manifest.knownEgress === undefined ? {} : { knownEgress: manifest.knownEgress }),
    ...(manifest.cluster === undefined ? {} : { cluster: manifest.cluster }),
    ...(manifest.upgradeFrom === undefined ? {} : { upgradeFrom: manifest.upgradeFrom }),
    ...(manifest.recalls === undefined ? {} : { recalls: manifest.recalls }),
  };
}
