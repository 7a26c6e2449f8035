import { MAX_SIGNATURE_BYTES, MAX_SIGNATURE_CERTIFICATES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import {
  type AlgorithmName,
  algorithmOf,
  digestIdentifier,
  digestWith,
  oids,
  verifyWith,
} from './algorithm.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import {
  encodeCertificateId,
  encodeSignature,
  encodeSignedAttributes,
  type SignedAttributes,
} from './cms-encoding.ts';
import { constructedTag, type Der, DerReader, derTag, oid } from './der.ts';
import type { CertificateParser } from './remembered-certificates.ts';
import { invalid, malformed, refusedAlgorithm } from './signature-file.ts';

/** A valid signature over the content. It does not mean that its key is trusted. */
export interface VerifiedSignature {
  readonly certificate: Certificate;
  /** The other certificates of the file, in the order of their encodings; not verified. */
  readonly intermediates: readonly Certificate[];
  readonly algorithm: AlgorithmName;
  /** The time that the signer claims. */
  readonly signingTime: Date;
}

interface SignerInfo {
  readonly issuerAndSerial: Der;
  readonly digest: Der;
  readonly attributes: readonly Der[];
  readonly algorithm: Der;
  readonly signature: Buffer;
}

const PEM_OR_MIME = /^(?:-----BEGIN|[A-Za-z][A-Za-z-]*:|MI[A-Za-z0-9+/]{20})/;

const read = new DerReader(malformed);

/**
 * Verifies a detached CMS signature of one signer. The file is encoded again from its parsed parts and compared, so that
 * no byte in it is unchecked.
 * @param allowed the accepted algorithms; the message only selects one of them
 * @param parse how its certificates are read
 * @throws StowageError `signature-malformed` (shape), `signature-invalid` (content, certificate or mathematics),
 * `algorithm-refused`, `certificate-invalid`
 */
export function verifyDetached(
  cms: Uint8Array,
  content: Uint8Array,
  allowed: ReadonlySet<AlgorithmName>,
  parse: CertificateParser = parseCertificate,
): VerifiedSignature {
  const { certificates, signer } = readSignedData(cms, parse);
  const certificate = ownCertificate(signer, certificates);
  const algorithm = allowedAlgorithm(signer, allowed);
  const contentDigest = digestWith(algorithm, content);
  const named = { algorithm, certificate, contentDigest };
  const signingTime = readAttributes(signer.attributes, named);
  const intermediates = certificates.filter((each) => each !== certificate);
  const attributes = { ...named, signingTime };
  const { signature } = signer;
  if (!encodeSignature({ ...attributes, intermediates, signature }).bytes.equals(cms))
    throw malformed('an encoding that stowage sign does not write');
  const signed = encodeSignedAttributes(attributes).bytes;
  if (verifyWith(algorithm, certificate.publicKey, signed, signature))
    return { certificate, intermediates, algorithm, signingTime };
  throw invalid(
    'the signature is invalid',
    `a signature by the key of ${certificate.subject}`,
    'one that its public key does not verify',
  );
}

function readSignedData(
  cms: Uint8Array,
  parse: CertificateParser,
): { certificates: Certificate[]; signer: SignerInfo } {
  const start = Buffer.from(cms.subarray(0, 64)).toString('latin1');
  if (PEM_OR_MIME.test(start)) throw malformed('text (PEM, S/MIME or base64) instead of DER');
  const whole = read.parse(cms, MAX_SIGNATURE_BYTES);
  const [type, wrapped] = read.members(whole, derTag.sequence, 'the message', [2, 2]);
  expectOid(type, oids.signedData, 'the type of the message');
  const [signedData] = read.members(wrapped, constructedTag(0), 'the signed data', [1, 1]);
  const fields = read.members(signedData, derTag.sequence, 'the signed data', [5, 5]);
  const [, , encapsulated, certificates, signers] = fields;
  const [contentType, attached] = read.members(encapsulated, derTag.sequence, 'the content');
  expectOid(contentType, oids.data, 'the type of the content');
  if (attached !== undefined) throw malformed('content inside the signature file');
  const [signer] = read.members(signers, derTag.set, 'the list of signers', [1, 1]);
  return { certificates: readCertificates(certificates, parse), signer: readSigner(signer) };
}

function readCertificates(value: Der | undefined, parse: CertificateParser): Certificate[] {
  const members = read.members(value, constructedTag(0), 'the list of certificates', [
    1,
    MAX_SIGNATURE_CERTIFICATES,
  ]);
  const certificates = members.map((member) => parse(member.bytes));
  const distinct = new Set(certificates.map((each) => each.fingerprint));
  if (distinct.size === certificates.length) return certificates;
  throw malformed('a duplicate certificate');
}

function readSigner(value: Der | undefined): SignerInfo {
  const fields = read.members(value, derTag.sequence, 'the signer', [6, 6]);
  const [, issuerAndSerial, digest, attributes, algorithm, signature] = fields;
  return {
    issuerAndSerial: read.expect(issuerAndSerial, derTag.sequence, 'the name of the signer'),
    digest: read.expect(digest, derTag.sequence, 'the digest algorithm'),
    attributes: read.members(attributes, constructedTag(0), 'the signed attributes'),
    algorithm: read.expect(algorithm, derTag.sequence, 'the signature algorithm'),
    signature: read.octets(signature, 'the signature'),
  };
}

function ownCertificate(signer: SignerInfo, certificates: readonly Certificate[]): Certificate {
  const own = certificates.filter((each) =>
    each.issuerAndSerial.bytes.equals(signer.issuerAndSerial.bytes),
  );
  const [certificate, another] = own;
  if (certificate !== undefined && another === undefined) return certificate;
  throw malformed(
    `${counted(own.length, 'certificate')} with the issuer and serial number of the signer`,
  );
}

function allowedAlgorithm(signer: SignerInfo, allowed: ReadonlySet<AlgorithmName>): AlgorithmName {
  const algorithm = algorithmOf(signer.algorithm);
  if (algorithm === undefined || !allowed.has(algorithm)) {
    const [type] = read.members(signer.algorithm, derTag.sequence, 'the signature algorithm');
    throw refusedAlgorithm(
      [...allowed].join(', ') || 'no algorithm',
      algorithm ?? `${read.oid(type, 'the signature algorithm')} with its parameters`,
    );
  }
  if (digestIdentifier(algorithm).bytes.equals(signer.digest.bytes)) return algorithm;
  throw refusedAlgorithm(`the digest that belongs to ${algorithm}`, 'another digest');
}

function readAttributes(
  attributes: readonly Der[],
  expected: Omit<SignedAttributes, 'signingTime'>,
): Date {
  const values = new Map<string, Der | undefined>();
  for (const attribute of attributes) {
    const [type, set] = read.members(attribute, derTag.sequence, 'a signed attribute', [2, 2]);
    const name = read.oid(type, 'a signed attribute');
    const [value] = read.members(set, derTag.set, `signed attribute ${name}`, [1, 1]);
    if (values.has(name)) throw malformed(`signed attribute ${name} twice`);
    values.set(name, value);
  }
  expectOid(values.get(oids.contentType), oids.data, 'the content type attribute');
  const signingTime = read.time(values.get(oids.signingTime), 'the signing time');
  const digest = read.octets(values.get(oids.messageDigest), 'the message digest');
  const bound = read.expect(
    values.get(oids.signingCertificateV2),
    derTag.sequence,
    'the signing certificate attribute',
  );
  if (!digest.equals(expected.contentDigest))
    throw invalid(
      'the signature is for other content',
      `content with digest ${digest.toString('hex').slice(0, 128)}, which was signed`,
      expected.contentDigest.toString('hex'),
    );
  if (!bound.bytes.equals(encodeCertificateId(expected).bytes))
    throw invalid(
      'the signature was made for another certificate',
      'the hash of the certificate that the signer named',
      `one that does not match ${expected.certificate.subject}`,
    );
  return signingTime;
}

function expectOid(value: Der | undefined, expected: string, what: string): void {
  if (!read.expect(value, derTag.oid, what).bytes.equals(oid(expected).bytes))
    throw malformed(`${what} is ${read.oid(value, what)}`);
}
