import { oids } from '../../trust/oid.ts';
import { type ForeignCertificate, isIssuedBy } from './foreign-certificate.ts';
import { refuse } from './refusal.ts';

const DIGITAL_SIGNATURE = 0x80;
const KEY_CERT_SIGN = 0x04;
const MAX_AUTHORITIES = 4;
const MAX_CHECKS = 256;

/**
 * Whether a signer's certificate leads to a certificate that the manifest gave: by issuers' names and signatures, each
 * allowed to do what it does there and valid at the moment. A given certificate may be the signer's own.
 * @param others what came with the signature: candidates, never anchors
 * @throws StowageError `upstream-refused`
 */
export function requireChain(
  leaf: ForeignCertificate,
  others: readonly ForeignCertificate[],
  anchors: readonly ForeignCertificate[],
  moment: Date,
): void {
  const isAnchor = new Set(anchors.map((each) => each.fingerprint));
  if (!isAnchor.has(leaf.fingerprint)) requireLeaf(leaf);
  requireValid(leaf, moment);
  if (isAnchor.has(leaf.fingerprint)) return;
  let checks = 0;
  let defect: string | undefined;
  const reaches = (path: readonly ForeignCertificate[]): boolean => {
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
    'a signer that no given certificate vouches for',
    `a signer under ${anchors.map(naming).join(' or ')}`,
    defect ?? `${naming(leaf)}, issued by ${leaf.issuer}`,
    'check that the root in the manifest is the publisher’s; where the signature brings the signer’s certificate alone, put the authority between into the same file',
  );
}

function keysAgree(certificate: ForeignCertificate, issuer: ForeignCertificate): boolean {
  return (
    certificate.authorityKeyId === undefined ||
    issuer.subjectKeyId === undefined ||
    certificate.authorityKeyId === issuer.subjectKeyId
  );
}

function requireLeaf(leaf: ForeignCertificate): void {
  const { authority, keyUsage, purposes } = leaf;
  // The published vectors of OpenSSF Model Signing have a signer that is both: it must say so itself.
  const wrong =
    authority && keyUsage === undefined
      ? 'an authority (CA:TRUE)'
      : keyUsage !== undefined && (keyUsage & DIGITAL_SIGNATURE) === 0
        ? 'a key usage without digitalSignature'
        : purposes !== undefined && !purposes.includes(oids.codeSigning)
          ? `extended key usage ${purposes.join(', ')}`
          : keyUsage === undefined && purposes === undefined
            ? 'no key usage'
            : undefined;
  if (wrong === undefined) return;
  throw refuse(
    `${naming(leaf)} may not sign content`,
    'a leaf for digitalSignature or codeSigning',
    wrong,
  );
}

function requireValid(leaf: ForeignCertificate, moment: Date): void {
  if (leaf.notBefore <= moment && moment <= leaf.notAfter) return;
  throw refuse(
    `${naming(leaf)} was not valid at ${moment.toISOString()}`,
    `a moment from ${leaf.notBefore.toISOString()} to ${leaf.notAfter.toISOString()}`,
    moment < leaf.notBefore ? 'a moment before that' : 'a moment after that',
    'give the public key of the transparency log as log, where the signature has an entry that tells when it was made',
  );
}

function authorityDefect(
  issuer: ForeignCertificate,
  below: number,
  moment: Date,
): string | undefined {
  const { authority, keyUsage, purposes, pathLength } = issuer;
  const name = naming(issuer);
  if (!authority) return `${name}, which is no authority`;
  if (keyUsage !== undefined && (keyUsage & KEY_CERT_SIGN) === 0)
    return `${name}, whose key usage is not keyCertSign`;
  if (purposes !== undefined && !purposes.includes(oids.codeSigning))
    return `${name}, whose extended key usage is ${purposes.join(', ')}`;
  if (pathLength !== undefined && below > pathLength) return `${name}, whose path length is passed`;
  if (moment < issuer.notBefore || moment > issuer.notAfter)
    return `${name}, not valid at ${moment.toISOString()}`;
  return undefined;
}

/** Who a certificate is for, in one line. */
export function naming(certificate: ForeignCertificate): string {
  return certificate.subject || certificate.identities?.join(', ') || 'a certificate without names';
}
