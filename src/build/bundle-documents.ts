import { canonicalBytes, type Json } from '../core/canonical-json.ts';
import { digestHex } from '../core/digest.ts';
import type { Installer } from '../format/installer.ts';
import type { Lock, LockedAttachment } from '../format/lock.ts';
import { verifyText } from '../format/verify-text.ts';
import type { Described } from './content.ts';
import { describeFile, describeModel } from './describe.ts';
import { operatorText } from './operator-text.ts';
import { provenance } from './provenance.ts';
import { readmeText } from './readme-text.ts';
import { type Contents, noContents } from './sbom/contents.ts';
import { sbom } from './sbom/sbom.ts';
import { verdictAttestations } from './upstream/attestation.ts';

/** The manifests that we write for what is not an image, by the name in the lock. */
export function describeAll(lock: Lock): ReadonlyMap<string, Described> {
  return new Map([
    ...lock.models.map((model): [string, Described] => [model.name, describeModel(model)]),
    ...lock.files.map((file): [string, Described] => [file.name, describeFile(file)]),
  ]);
}

/** The control files of a bundle but for `bundle.json` and `SHA512SUMS`, by path. */
export function controlDocuments(
  lock: Lock,
  described: ReadonlyMap<string, Described>,
  installers: readonly Installer[],
  contents: Contents = noContents,
): Map<string, Buffer> {
  return new Map([
    ['OPERATOR.txt', Buffer.from(operatorText(lock.manifest, installers), 'ascii')],
    ['README.txt', Buffer.from(readmeText(lock.manifest, installers), 'ascii')],
    ['VERIFY.txt', Buffer.from(verifyText(lock.manifest), 'ascii')],
    ['attestations/lock.json', canonicalBytes(lock as unknown as Json)],
    ['attestations/provenance.slsa.json', canonicalBytes(provenance(lock))],
    ['attestations/sbom.cdx.json', canonicalBytes(sbom(lock, contents))],
    ...verdictAttestations(lock),
    ['index.json', canonicalBytes(imageIndex(lock, described))],
    ['oci-layout', canonicalBytes({ imageLayoutVersion: '1.0.0' })],
  ]);
}

/** `index.json` of the OCI image layout: every image, model and file under a tag of its own. */
function imageIndex(lock: Lock, described: ReadonlyMap<string, Described>): Json {
  const tagged = [
    ...lock.images.map((image) => ({ name: image.name, ...image.target })),
    ...[...described].map(([name, { manifest }]) => ({ name, ...manifest })),
  ];
  return {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      ...tagged.map(({ name, mediaType, digest, size }) => ({
        mediaType,
        digest,
        size,
        annotations: { 'org.opencontainers.image.ref.name': name },
      })),
      ...lock.images.flatMap((image) => (image.attached ?? []).map(attachedEntry)),
    ],
  };
}

/** cosign's signatures keep the tag that they are found by; referrers are found by what they say themselves. */
function attachedEntry({ kind, subject, digest, size, ...rest }: LockedAttachment): Json {
  const { mediaType, artifactType } = rest;
  const tag = `sha256-${digestHex(subject)}.sig`;
  return kind === 'cosign'
    ? { mediaType, digest, size, annotations: { 'org.opencontainers.image.ref.name': tag } }
    : { mediaType, digest, size, artifactType };
}
