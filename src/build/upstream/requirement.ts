import type { KeyObject } from 'node:crypto';
import { resolve as resolvePath } from 'node:path';
import { type Digest, digestOf } from '../../core/digest.ts';
import { MAX_TRUST_BYTES } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import type { SignatureRequirement, SignatureVerdict } from '../../format/upstream.ts';
import { readBounded } from '../../io/file.ts';
import { decodePem } from '../../trust/pem.ts';
import { type PublisherCertificate, parseCertificate } from './publisher-certificate.ts';
import { refuse } from './refusal.ts';
import { readTrustedRoot, type TrustMaterial } from './sigstore-verifier.ts';
import { readUpstreamKey } from './upstream-key.ts';

/** A requirement of the manifest with the files that it names read. */
export interface OpenedRequirement {
  readonly requirement: SignatureRequirement;
  readonly key?: KeyObject;
  /** Empty without `root`. */
  readonly anchors: readonly PublisherCertificate[];
  readonly trustedRoot?: TrustMaterial;
  /** The key of a transparency log. */
  readonly log?: KeyObject;
  readonly trusted: SignatureVerdict['trusted'];
}

const MAX_ANCHORS = 64;

/**
 * Reads the key, roots, trusted root and log key that a requirement names, relative to the manifest.
 * @throws StowageError `file-missing`, `file-kind`, `io-failed`; `upstream-refused` for a file of another kind
 */
export async function openRequirement(
  requirement: SignatureRequirement,
  folder: string,
): Promise<OpenedRequirement> {
  const trusted: { path: string; digest: Digest }[] = [];
  const open = async (path: string): Promise<Buffer> => {
    const bytes = await readBounded(resolvePath(folder, path), MAX_TRUST_BYTES);
    trusted.push({ path, digest: digestOf(bytes) });
    return bytes;
  };
  const { key, root, trustedRoot, log } = requirement;
  const opened = {
    ...(key !== undefined && { key: readUpstreamKey(await open(key), key) }),
    anchors: root === undefined ? [] : anchorsOf(await open(root), root),
    ...(trustedRoot !== undefined && {
      trustedRoot: readTrustedRoot(await open(trustedRoot), trustedRoot),
    }),
    ...(log !== undefined && { log: readUpstreamKey(await open(log), log) }),
  };
  return { requirement, ...opened, trusted };
}

function anchorsOf(bytes: Buffer, path: string): PublisherCertificate[] {
  const refused = (found: string): ReturnType<typeof refuse> =>
    refuse(
      `${path} is not a certificate file`,
      'certificates in PEM and nothing else',
      found,
      "name the file with the publisher's root certificate",
    );
  const blocks = decodePem(bytes.toString('latin1'), refused);
  if (blocks.length === 0 || blocks.length > MAX_ANCHORS)
    throw refused(counted(blocks.length, 'certificate'));
  return blocks.map(({ label, bytes: der }) => {
    if (label !== 'CERTIFICATE') throw refused(`a PEM block ${label}`);
    return parseCertificate(der);
  });
}
