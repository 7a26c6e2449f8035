import type { Trust } from '../format/trust.ts';
import { allAlgorithms } from './algorithm.ts';
import { type Certificate, parseCertificate, refuseCertificate } from './certificate.ts';

/** A pinned root, with its name in the trust document. */
export interface TrustRoot {
  readonly name: string;
  readonly certificate: Certificate;
}

/**
 * The roots of a trust document, in its order.
 * @throws StowageError `certificate-invalid` or `algorithm-refused` for a root outside the profile
 */
export function trustRoots(trust: Pick<Trust, 'roots'>): TrustRoot[] {
  return trust.roots.map(({ name, certificate }) => ({
    name,
    certificate: requireAuthority(parseCertificate(Buffer.from(certificate, 'base64'))),
  }));
}

/**
 * The trust document of a site that was given only a root certificate: one signature under that root, by any accepted
 * algorithm, is enough for a bundle, and one for the next trust document.
 * @throws StowageError `certificate-invalid` if it is not a CA certificate
 */
export function trustFromRoot(certificate: Certificate, now: Date): Trust {
  const name = 'root';
  requireAuthority(certificate);
  const role = { threshold: 1, roots: [name] };
  return {
    schema: 'stowage/trust/v1',
    version: 1,
    issuedAt: `${now.toISOString().slice(0, 19)}Z`,
    roots: [{ name, certificate: certificate.der.toString('base64') }],
    roles: { root: role, release: role },
    algorithms: allAlgorithms,
    revoked: [],
  };
}

function requireAuthority(certificate: Certificate): Certificate {
  if (certificate.authority && certificate.keyUsage?.includes('keyCertSign') === true)
    return certificate;
  throw refuseCertificate(`${certificate.subject} cannot be a root of trust`, {
    expected: 'a CA certificate (CA:TRUE) with key usage keyCertSign',
    found: certificate.authority
      ? 'a CA certificate without that key usage'
      : 'not a CA certificate',
    hint: "give the root's certificate, not the signer's",
  });
}
