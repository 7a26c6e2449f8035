import { oids } from '../../trust/algorithm.ts';
import { isIssuedBy, type PublisherCertificate } from './publisher-certificate.ts';
import { refuse } from './refusal.ts';

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
