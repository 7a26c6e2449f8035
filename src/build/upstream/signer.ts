import type { KeyObject } from 'node:crypto';
import { resolve as resolvePath } from 'node:path';
import { type Digest, digestOf } from '../../core/digest.ts';
import { MAX_TRUST_BYTES } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import { momentOf } from '../../format/field.ts';
import type { SignatureRequirement, SignatureVerdict } from '../../format/upstream.ts';
import { readBounded } from '../../io/file.ts';
import { oids } from '../../trust/algorithm.ts';
import { decodePem } from '../../trust/pem.ts';
import {
  isIssuedBy,
  type PublisherCertificate,
  parseCertificate,
} from './publisher-certificate.ts';
import { isSignedWith, keyFingerprint, readUpstreamKey, refuse } from './refusal.ts';
import {
  type PresentedSignature,
  readTrustedRoot,
  type TrustMaterial,
  verifyKeyless,
  verifyLogged,
} from './sigstore-verifier.ts';

const DIGITAL_SIGNATURE = 0x80;
const KEY_CERT_SIGN = 0x04;
const MAX_AUTHORITIES = 4;
const MAX_CHECKS = 256;

/** A signer's certificate with what can connect it to a trusted one. */
export interface Chain {
  readonly leaf: PublisherCertificate;
  /** Certificates that came with the signature: candidates, never anchors. */
  readonly others: readonly PublisherCertificate[];
  /** The certificates that the manifest names; one of them may be the signer's own. */
  readonly anchors: readonly PublisherCertificate[];
  /** When every certificate must be valid. */
  readonly moment: Date;
}

/**
 * Requires that a signer's certificate chains to an anchor by issuers' names and signatures (RFC 5280 section 6.1), each
 * CA allowed to issue the next and valid at the time. Revocation is not checked.
 * @throws StowageError `upstream-refused`
 */
export function requireChain({ leaf, others, anchors, moment }: Chain): void {
  const isAnchor = new Set(anchors.map((each) => each.fingerprint));
  if (!isAnchor.has(leaf.fingerprint)) requireSigningLeaf(leaf);
  requireValid(leaf, moment);
  if (isAnchor.has(leaf.fingerprint)) return;
  let checks = 0;
  let defect: string | undefined;
  const reaches = (path: readonly PublisherCertificate[]): boolean => {
    const last = path.at(-1) ?? leaf;
    if (path.length > MAX_AUTHORITIES + 1) return false;
    for (const issuer of [...anchors, ...others]) {
      if (path.includes(issuer) || !issuer.subjectDer.equals(last.issuerDer)) continue;
      if (!keysAgree(last, issuer)) continue;
      checks += 1;
      if (checks > MAX_CHECKS) return false;
      if (!isIssuedBy(last, issuer)) continue;
      const found = authorityDefect(issuer, path.length - 1, moment);
      if (found !== undefined) {
        defect ??= found;
        continue;
      }
      if (isAnchor.has(issuer.fingerprint) || reaches([...path, issuer])) return true;
    }
    return false;
  };
  if (reaches([leaf])) return;
  throw refuse(
    'a signer whose certificate does not chain to a given one',
    `a signer under ${anchors.map(describeHolder).join(' or ')}`,
    defect ?? `${describeHolder(leaf)}, issued by ${leaf.issuer}`,
    "check that root in the manifest is the publisher's; if the signature has the signer's certificate alone, add the intermediate to the same file",
  );
}

function keysAgree(certificate: PublisherCertificate, issuer: PublisherCertificate): boolean {
  return (
    certificate.authorityKeyId === undefined ||
    issuer.subjectKeyId === undefined ||
    certificate.authorityKeyId === issuer.subjectKeyId
  );
}

/** @throws StowageError `upstream-refused` for a certificate that must not sign content */
export function requireSigningLeaf(leaf: PublisherCertificate): void {
  const { authority, keyUsage, purposes } = leaf;
  // The vectors of OpenSSF Model Signing have a signer that is a CA too: its key usage must then allow signatures.
  const wrong =
    authority && keyUsage === undefined
      ? 'a CA certificate'
      : keyUsage !== undefined && (keyUsage & DIGITAL_SIGNATURE) === 0
        ? 'a key usage without digitalSignature'
        : purposes !== undefined && !purposes.includes(oids.codeSigning)
          ? `extended key usage ${purposes.join(', ')}`
          : keyUsage === undefined && purposes === undefined
            ? 'no key usage'
            : undefined;
  if (wrong === undefined) return;
  throw refuse(
    `${describeHolder(leaf)} must not sign content`,
    'a leaf certificate for digitalSignature or codeSigning',
    wrong,
  );
}

function requireValid(leaf: PublisherCertificate, moment: Date): void {
  if (leaf.notBefore <= moment && moment <= leaf.notAfter) return;
  throw refuse(
    `${describeHolder(leaf)} was not valid at ${moment.toISOString()}`,
    `a time from ${leaf.notBefore.toISOString()} to ${leaf.notAfter.toISOString()}`,
    moment < leaf.notBefore ? 'an earlier time' : 'a later time',
    'if the signature has a transparency log entry, name the public key of the log as log, so that the entry proves the time of signing',
  );
}

function authorityDefect(
  issuer: PublisherCertificate,
  below: number,
  moment: Date,
): string | undefined {
  const { authority, keyUsage, purposes, pathLength } = issuer;
  const name = describeHolder(issuer);
  if (!authority) return `${name}, which is not a CA certificate`;
  if (keyUsage !== undefined && (keyUsage & KEY_CERT_SIGN) === 0)
    return `${name}, whose key usage is not keyCertSign`;
  if (purposes !== undefined && !purposes.includes(oids.codeSigning))
    return `${name}, whose extended key usage is ${purposes.join(', ')}`;
  if (pathLength !== undefined && below > pathLength)
    return `${name}, whose path length is exceeded`;
  if (moment < issuer.notBefore || moment > issuer.notAfter)
    return `${name}, not valid at ${moment.toISOString()}`;
  return undefined;
}

/** The holder of a certificate, in one line: its subject and alternative names. */
export function describeHolder(certificate: PublisherCertificate): string {
  const names = [certificate.subject, ...(certificate.identities ?? [])].filter(
    (name) => name !== '',
  );
  return names.join(', ') || 'a certificate without names';
}

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

/** What OpenSSL computes through node:crypto is pure Ed25519. */
const PREHASHED =
  'cosign signs images with Ed25519ph, which this runtime cannot compute: ask the publisher for a signature with a key on P-256';

export type VerifiedSigner = Pick<SignatureVerdict, 'signer' | 'log' | 'signedAt'>;

/**
 * Verifies one signature against a requirement: the cryptography, then who signed, then when. Without a verified log
 * entry nothing proves the time of signing, so a certificate must be valid at `now`.
 * @throws StowageError `upstream-refused`
 */
export function verifySigner(
  presented: PresentedSignature,
  opened: OpenedRequirement,
  now: Date,
): VerifiedSigner {
  const { signed, signature, certificates, rule } = presented;
  const chain = opened.key === undefined ? certificates.map(parseCertificate) : [];
  const [leaf] = chain;
  const key = opened.key ?? leaf?.publicKey;
  if (key === undefined)
    throw refuse('a signature by a bare key', 'a signer with a certificate', 'no certificate');
  if (!isSignedWith(key, signed, signature, rule))
    throw refuse(
      'an invalid signature',
      `a signature by ${leaf === undefined ? `key ${keyFingerprint(key)}` : describeHolder(leaf)}`,
      'a signature by another key, or over other bytes',
      key.asymmetricKeyType === 'ed25519' ? PREHASHED : undefined,
    );
  const signedAt =
    leaf === undefined
      ? loggedAt(presented, opened, key)
      : verifyHolder(presented, opened, chain, now);
  return {
    signer: signerOf(leaf, key),
    log:
      signedAt === undefined
        ? presented.evidence === undefined
          ? 'none'
          : 'unchecked'
        : 'verified',
    ...(signedAt !== undefined && { signedAt: momentOf(signedAt) }),
  };
}

/** @returns the verified time of signing */
function verifyHolder(
  presented: PresentedSignature,
  opened: OpenedRequirement,
  chain: readonly PublisherCertificate[],
  now: Date,
): Date | undefined {
  const [leaf, ...others] = chain as [PublisherCertificate, ...PublisherCertificate[]];
  const { trustedRoot, anchors } = opened;
  if (trustedRoot !== undefined) {
    requireSigningLeaf(leaf);
    const signedAt = verifyKeyless(presented, leaf.publicKey, trustedRoot);
    requireIdentity(leaf, opened);
    return signedAt;
  }
  const signedAt = loggedAt(presented, opened, leaf.publicKey);
  requireChain({ leaf, others, anchors, moment: signedAt ?? now });
  requireIdentity(leaf, opened);
  return signedAt;
}

function loggedAt(
  presented: PresentedSignature,
  { log }: OpenedRequirement,
  key: KeyObject,
): Date | undefined {
  return log === undefined ? undefined : verifyLogged(presented, key, log);
}

function requireIdentity(leaf: PublisherCertificate, { requirement }: OpenedRequirement): void {
  const { identity, issuer, trustedRoot } = requirement;
  const names = leaf.identities ?? [];
  // Fulcio leaves the subject empty, so it identifies no one.
  const matches = (name: string): boolean =>
    names.includes(name) || (trustedRoot === undefined && leaf.subject === name);
  if (identity !== undefined && !matches(identity))
    throw refuse(
      'a signature by another identity',
      identity,
      describeHolder(leaf),
      'check identity in the manifest: it must equal the identity in the certificate exactly',
    );
  if (issuer !== undefined && leaf.oidcIssuer !== issuer)
    throw refuse(
      'an identity from another issuer',
      issuer,
      leaf.oidcIssuer ?? 'none',
      'check issuer in the manifest: it must equal the OIDC issuer in the certificate exactly',
    );
}

function signerOf(
  leaf: PublisherCertificate | undefined,
  key: KeyObject,
): NonNullable<SignatureVerdict['signer']> {
  if (leaf === undefined) return { key: keyFingerprint(key) };
  return {
    key: keyFingerprint(key),
    certificate: leaf.fingerprint,
    ...(leaf.subject !== '' && { subject: leaf.subject }),
    ...(leaf.identities !== undefined && { identities: leaf.identities }),
    ...(leaf.oidcIssuer !== undefined && { issuer: leaf.oidcIssuer }),
  };
}
