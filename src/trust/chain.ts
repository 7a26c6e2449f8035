import { StowageError } from '../core/error.ts';
import { oids } from './algorithm.ts';
import { type Certificate, isSignedBy, refuseCertificate } from './certificate.ts';

/** The part of a verified signature that determines its root. */
export interface Chained {
  readonly certificate: Certificate;
  /** The other certificates of the file, in the order of their encodings; not verified. */
  readonly intermediates: readonly Certificate[];
  /** The time that the signer claims. */
  readonly signingTime: Date;
}

/** From the signer's certificate to a pinned root, with at most one intermediate CA. */
type Path = readonly [leaf: Certificate, ...issuers: Certificate[]];

/**
 * Finds the pinned root of a signature: it issued the signer's certificate, or the one intermediate CA that did. Any
 * further certificate in the file, except that root itself, is refused. The search is bounded: at most roots times
 * certificates signatures are verified.
 * @param roots pinned certificates; no other certificate is ever a root
 * @param revoked why certificates are revoked, by their {@link revocation}
 * @throws StowageError `signer-untrusted` (no pinned root), `signer-revoked`, `certificate-invalid` (a certificate of the
 * path lacks a required usage, or was not valid at the signing time)
 */
export function anchorOf(
  signature: Chained,
  roots: readonly Certificate[],
  revoked: ReadonlyMap<string, string> = new Map(),
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
 * Checks a signer as {@link anchorOf} does, as far as that is possible without the root: the signer's certificate, and
 * the other certificates of the signature file.
 * @throws StowageError `certificate-invalid`
 */
export function requireSigner(signature: Chained): void {
  const { certificate, intermediates } = signature;
  const [authority] = issuersOf(certificate, intermediates);
  const rest = intermediates.filter((each) => each !== authority);
  const root = authority && issuersOf(authority, rest)[0];
  const issuers = [authority, root].filter((each) => each !== undefined);
  const defect = pathDefect([certificate, ...issuers], signature);
  if (defect !== undefined) throw defect;
}

/**
 * The key of a revoked certificate in the map for {@link anchorOf}.
 * @param issuer SHA-256 of the issuing certificate, or of its public key to include every certificate of that issuer
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

/** The candidates that issued a certificate: same name byte for byte, same key identifier, valid signature. */
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
  return refuseCertificate('the signature file contains an unrelated certificate', {
    expected: 'the signer, and the intermediate CA if there is one',
    found: stray.subject,
    hint: 'have the content signed again, with the intermediate CA that issued the signer and no other certificate',
  });
}

function leafDefect(leaf: Certificate): StowageError | undefined {
  if (leaf.authority)
    return refuseCertificate(`${leaf.subject} is a CA certificate and cannot sign content`, {
      expected: 'the certificate of a signer',
      found: leaf.subjectDer.equals(leaf.issuerDer) ? 'a root certificate' : 'a CA certificate',
      hint: 'sign with the key and the certificate of a signer, which this CA certified, such as release.key.pem and release.pem of stowage pki',
    });
  if (leaf.keyUsage?.includes('digitalSignature') !== true)
    return unfit(leaf, 'key usage digitalSignature', leaf.keyUsage?.join(', ') ?? 'no key usage');
  if (leaf.purposes?.includes(oids.codeSigning) !== true)
    return unfit(leaf, 'extended key usage codeSigning', leaf.purposes?.join(', ') ?? 'none');
  return undefined;
}

/** @param below how many CA certificates are between this one and the leaf */
function authorityDefect(issuer: Certificate, below: number): StowageError | undefined {
  if (!issuer.authority) return unfit(issuer, 'a CA certificate (CA:TRUE)', 'not a CA certificate');
  if (issuer.keyUsage?.includes('keyCertSign') !== true)
    return unfit(issuer, 'key usage keyCertSign', issuer.keyUsage?.join(', ') ?? 'no key usage');
  if (issuer.purposes !== undefined && !issuer.purposes.includes(oids.codeSigning))
    return unfit(issuer, 'extended key usage codeSigning, or none', issuer.purposes.join(', '));
  if (issuer.pathLength === undefined || below <= issuer.pathLength) return undefined;
  return unfit(
    issuer,
    `at most ${issuer.pathLength} CA certificates below it (its path length)`,
    String(below),
  );
}

function validityDefect(certificate: Certificate, moment: Date): StowageError | undefined {
  const { notBefore, notAfter, subject } = certificate;
  if (notBefore <= moment && moment <= notAfter) return undefined;
  return refuseCertificate(`${subject} was not valid at the signing time`, {
    expected: `a signing time from ${notBefore.toISOString()} to ${notAfter.toISOString()}`,
    found: `${moment.toISOString()}, ${moment < notBefore ? 'before that' : 'after that'}`,
    hint: "have the content signed again with a valid certificate, and check the signer's clock",
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

// Checked for every path: a second certificate of an issuer must not reinstate what is revoked under the first.
function requireNotRevoked(path: Path, revoked: ReadonlyMap<string, string>): void {
  for (const [n, certificate] of path.entries()) {
    const issuer = path[n + 1];
    if (issuer === undefined) return;
    const reason = [issuer.fingerprint, issuer.keyFingerprint]
      .map((each) => revoked.get(revocation(each, certificate.serial)))
      .find((each) => each !== undefined);
    if (reason === undefined) continue;
    throw new StowageError('signer-revoked', `${certificate.subject} is revoked`, {
      expected: 'a certificate that the trust document does not revoke',
      found: `serial ${certificate.serial} of ${issuer.subject}, revoked ${reason}`,
      hint: 'do not use this content; ask the release engineer for it signed by a signer that is not revoked',
    });
  }
}

function unknownSigner({ certificate }: Chained, roots: readonly Certificate[]): StowageError {
  const namesake = roots.some((root) => root.subjectDer.equals(certificate.issuerDer));
  return new StowageError(
    'signer-untrusted',
    `${certificate.subject} is not certified by a trusted root`,
    {
      expected: `a signer under ${roots.map((root) => root.subject).join(' or ') || 'a root'}`,
      found: namesake
        ? `a signer under another root with the same name, ${certificate.issuer}`
        : `a signer under ${certificate.issuer}`,
      hint: 'check that this bundle is for this site; if the signer is right, apply the trust document that names its root',
    },
  );
}

function unfit(certificate: Certificate, expected: string, found: string): StowageError {
  return refuseCertificate(`${certificate.subject} is not valid for this use`, { expected, found });
}
