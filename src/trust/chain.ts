import { StowageError } from '../core/error.ts';
import { type Certificate, isSignedBy, refuseCertificate } from './certificate.ts';
import type { VerifiedSignature } from './cms-verify.ts';
import { oids } from './oid.ts';

/** The part of a verified signature that decides where it is anchored. */
export type Chained = Pick<VerifiedSignature, 'certificate' | 'intermediates' | 'signingTime'>;

/** From the signer's certificate to a pinned root, with at most one authority between them. */
type Path = readonly [leaf: Certificate, ...issuers: Certificate[]];

/**
 * The pinned root under which a signature was made. The root issued the signer's certificate, or issued the one
 * authority that did; a file that carries any further certificate is refused, unless it is that root itself.
 * There is no search to get lost in: the signatures checked are at most as many as roots times certificates.
 * @param roots pinned certificates; nothing else is ever an anchor
 * @param revoked see {@link revocation}
 * @throws StowageError `signer-untrusted` (no pinned root, or revoked), `certificate-invalid` (a certificate of the
 * path that may not do what it does there, or was not valid at the signing time)
 */
export function anchorOf(
  signature: Chained,
  roots: readonly Certificate[],
  revoked: ReadonlySet<string> = new Set(),
): Certificate {
  const paths = pathsOf(signature, roots);
  for (const path of paths) requireNotRevoked(path, revoked);
  const defects: StowageError[] = [];
  for (const path of paths) {
    const defect = pathDefect(path, signature);
    if (defect === undefined) return path.at(-1) ?? path[0];
    defects.push(defect);
  }
  throw defects[0] ?? unknownSigner(signature, roots);
}

/**
 * How a revoked certificate is written in the set that {@link anchorOf} takes.
 * @param issuer SHA-256 of the issuing certificate, or of its public key to reach every certificate of that issuer
 * @param serial lower-case hex without leading zeros
 */
export function revocation(issuer: string, serial: string): string {
  return `${issuer}:${serial}`;
}

function pathsOf(signature: Chained, roots: readonly Certificate[]): Path[] {
  const leaf = signature.certificate;
  const direct = issuersOf(leaf, roots).map((root): Path => [leaf, root]);
  if (direct.length > 0) return direct;
  return issuersOf(leaf, signature.intermediates).flatMap((authority) =>
    issuersOf(authority, roots).map((root): Path => [leaf, authority, root]),
  );
}

/** The candidates that issued a certificate: same name byte for byte, same key identifier, and its signature. */
function issuersOf(certificate: Certificate, candidates: readonly Certificate[]): Certificate[] {
  return candidates.filter(
    (issuer) =>
      issuer.subjectDer.equals(certificate.issuerDer) &&
      identifiersAgree(certificate, issuer) &&
      isSignedBy(certificate, issuer),
  );
}

function identifiersAgree(certificate: Certificate, issuer: Certificate): boolean {
  return (
    certificate.authorityKeyId === undefined ||
    issuer.subjectKeyId === undefined ||
    certificate.authorityKeyId === issuer.subjectKeyId
  );
}

function pathDefect(path: Path, signature: Chained): StowageError | undefined {
  const [leaf, ...issuers] = path;
  return (
    strayDefect(path, signature) ??
    leafDefect(leaf) ??
    first(issuers, authorityDefect) ??
    first(path, (certificate) => validityDefect(certificate, signature.signingTime))
  );
}

function strayDefect(path: Path, { intermediates }: Chained): StowageError | undefined {
  const used = new Set(path.map((each) => each.fingerprint));
  const stray = intermediates.find((each) => !used.has(each.fingerprint));
  if (stray === undefined) return undefined;
  return refuseCertificate('a certificate that does not belong to the signature', {
    expected: 'the signer, and the authority between it and the root',
    found: stray.subject,
    hint: 'have the content signed again, with the one authority that issued the signer and no other',
  });
}

function leafDefect(leaf: Certificate): StowageError | undefined {
  if (leaf.authority)
    return unfit(leaf, 'a signer that may not issue certificates', 'an authority (CA:TRUE)');
  if (leaf.keyUsage?.includes('digitalSignature') !== true)
    return unfit(leaf, 'key usage digitalSignature', leaf.keyUsage?.join(', ') ?? 'no key usage');
  if (leaf.purposes?.includes(oids.codeSigning) !== true)
    return unfit(leaf, 'extended key usage codeSigning', leaf.purposes?.join(', ') ?? 'none');
  return undefined;
}

/** @param below how many authorities stand between this one and the leaf */
function authorityDefect(issuer: Certificate, below: number): StowageError | undefined {
  if (!issuer.authority) return unfit(issuer, 'an authority (CA:TRUE)', 'no authority');
  if (issuer.keyUsage?.includes('keyCertSign') !== true)
    return unfit(issuer, 'key usage keyCertSign', issuer.keyUsage?.join(', ') ?? 'no key usage');
  if (issuer.purposes !== undefined && !issuer.purposes.includes(oids.codeSigning))
    return unfit(issuer, 'extended key usage codeSigning, or none', issuer.purposes.join(', '));
  if (issuer.pathLength === undefined || below <= issuer.pathLength) return undefined;
  return unfit(
    issuer,
    `at most ${issuer.pathLength} authorities below it, as its path length says`,
    String(below),
  );
}

function validityDefect(certificate: Certificate, moment: Date): StowageError | undefined {
  const { notBefore, notAfter, subject } = certificate;
  if (notBefore <= moment && moment <= notAfter) return undefined;
  return refuseCertificate(`${subject} was not valid at the signing time`, {
    expected: `a signing time from ${notBefore.toISOString()} to ${notAfter.toISOString()}`,
    found: `${moment.toISOString()}, ${moment < notBefore ? 'before that' : 'after that'}`,
    hint: 'have the content signed again with a certificate that is valid, and check the clock of who signed',
  });
}

function first<T>(
  items: readonly T[],
  defect: (item: T, index: number) => StowageError | undefined,
): StowageError | undefined {
  for (const [index, item] of items.entries()) {
    const found = defect(item, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

// Asked of every path, so that a second certificate of an issuer does not bring back what the first one revoked.
function requireNotRevoked(path: Path, revoked: ReadonlySet<string>): void {
  for (const [n, certificate] of path.entries()) {
    const issuer = path[n + 1];
    if (issuer === undefined) return;
    const named = [issuer.fingerprint, issuer.keyFingerprint].some((each) =>
      revoked.has(revocation(each, certificate.serial)),
    );
    if (!named) continue;
    throw new StowageError('signer-untrusted', `${certificate.subject} is revoked`, {
      expected: 'a certificate that the trust document does not revoke',
      found: `serial ${certificate.serial} of ${issuer.subject}`,
      hint: 'have the content signed again by a signer in good standing',
    });
  }
}

function unknownSigner({ certificate }: Chained, roots: readonly Certificate[]): StowageError {
  const namesake = roots.some((root) => root.subjectDer.equals(certificate.issuerDer));
  return new StowageError('signer-untrusted', `${certificate.subject} is certified by no root`, {
    expected: `a signer under ${roots.map((root) => root.subject).join(' or ') || 'a root'}`,
    found: namesake
      ? `a signer under another root of the same name, ${certificate.issuer}`
      : `a signer under ${certificate.issuer}`,
    hint: 'check that this bundle is meant for this site; if the signer is right, install the trust document that names its root',
  });
}

function unfit(certificate: Certificate, expected: string, found: string): StowageError {
  return refuseCertificate(`${certificate.subject} may not do what it did`, { expected, found });
}
