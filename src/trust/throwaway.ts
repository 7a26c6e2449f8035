import type { KeyObject } from 'node:crypto';
import type { AlgorithmName } from './algorithm.ts';
import type { Certificate } from './certificate.ts';
import { issueCertificate } from './certificate-issue.ts';
import { generateKey } from './key.ts';

export interface Issued {
  readonly key: KeyObject;
  readonly certificate: Certificate;
}

const ROOT_YEARS = 10;
const RELEASE_YEARS = 2;

/**
 * A root and a release certificate under it, with keys of one algorithm, for trials and demonstrations: both keys are generated in this
 * process, which a real key ceremony never does.
 * @param serials 16 random bytes for each certificate
 */
export function throwawayAuthority(
  organization: string,
  now: Date,
  serials: readonly [Buffer, Buffer],
  algorithm: AlgorithmName = 'ecdsa-p384-sha384',
): { root: Issued; release: Issued } {
  const rootKey = generateKey(algorithm);
  const root = issueCertificate({
    subject: { commonName: `${organization} Root`, organization },
    publicKey: rootKey.publicKey,
    key: rootKey.privateKey,
    authority: true,
    notBefore: now,
    notAfter: yearsAfter(now, ROOT_YEARS),
    serial: positive(serials[0]),
  });
  const releaseKey = generateKey(algorithm);
  const release = issueCertificate({
    subject: { commonName: `${organization} Release`, organization },
    publicKey: releaseKey.publicKey,
    issuer: { certificate: root, key: rootKey.privateKey },
    authority: false,
    notBefore: now,
    notAfter: yearsAfter(now, RELEASE_YEARS),
    serial: positive(serials[1]),
  });
  return {
    root: { key: rootKey.privateKey, certificate: root },
    release: { key: releaseKey.privateKey, certificate: release },
  };
}

function yearsAfter(date: Date, years: number): Date {
  const later = new Date(date);
  later.setUTCFullYear(date.getUTCFullYear() + years);
  return later;
}

/** Converts bytes to a serial number: positive, and without a leading zero (RFC 5280, 4.1.2.2). */
export function positive(bytes: Buffer): Buffer {
  const serial = Buffer.from(bytes);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}
