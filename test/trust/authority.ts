import type { KeyObject } from 'node:crypto';
import type { AlgorithmName } from '../../src/trust/algorithm.ts';
import type { Certificate } from '../../src/trust/certificate.ts';
import { type CertificateRequest, issueCertificate } from '../../src/trust/certificate-issue.ts';
import { generateKey } from '../../src/trust/key.ts';

/** A certificate and its private key: all that it takes to sign. */
export interface Holder {
  readonly certificate: Certificate;
  readonly key: KeyObject;
}

/** The moment at which the tests sign. */
export const signedAt: Date = new Date('2026-11-21T10:00:00Z');
export const validity: { readonly notBefore: Date; readonly notAfter: Date } = {
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date('2036-01-01T00:00:00Z'),
};

let serials = 0x4000;

/** A serial number that no other certificate of the test has. */
export function nextSerial(): Buffer {
  serials += 1;
  const serial = Buffer.alloc(4);
  serial.writeUInt32BE(serials);
  return serial;
}

type Changes = Partial<CertificateRequest> & {
  readonly name?: string;
  readonly algorithm?: AlgorithmName;
  readonly pair?: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
};

/** A self-signed root. */
export function makeRoot(changes: Changes = {}): Holder {
  return issue(undefined, { name: 'Root', authority: true, ...changes });
}

/** An authority below another. */
export function makeAuthority(issuer: Holder, changes: Changes = {}): Holder {
  return issue(issuer, { name: 'Authority', authority: true, ...changes });
}

/** A signer. */
export function makeSigner(issuer: Holder, changes: Changes = {}): Holder {
  return issue(issuer, { name: 'Release', authority: false, ...changes });
}

function issue(issuer: Holder | undefined, changes: Changes & { authority: boolean }): Holder {
  const { name = 'Nobody', algorithm, pair = generateKey(algorithm), ...request } = changes;
  const certificate = issueCertificate({
    subject: { organization: 'Example Agency', commonName: name },
    publicKey: pair.publicKey,
    ...(issuer === undefined ? { key: pair.privateKey } : { issuer }),
    ...validity,
    serial: nextSerial(),
    ...request,
  });
  return { certificate, key: pair.privateKey };
}
