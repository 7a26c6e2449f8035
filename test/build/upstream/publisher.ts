import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { digestHex, digestOf } from '../../../src/core/digest.ts';
import { canonicalBytes, type Json } from '../../../src/core/json.ts';
import { oids } from '../../../src/trust/algorithm.ts';
import {
  bitString,
  boolean,
  contextTag,
  type Der,
  derTag,
  explicit,
  integer,
  nullValue,
  octetString,
  oid,
  primitive,
  sequence,
  time,
} from '../../../src/trust/der.ts';
import { encodeName } from '../../../src/trust/name.ts';
import { encodePem } from '../../../src/trust/pem.ts';
import { der } from '../../trust/odd-certificate.ts';

/** Publishers of models and images: keys, certificates and signatures that the tests write themselves. */

export type KeyName = 'p256' | 'p384' | 'p521' | 'ed25519' | 'rsa';

export interface Pair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** The time at which the tests verify signatures. */
export const lookedAt: Date = new Date('2026-11-21T10:00:00Z');

const curves = { p256: 'prime256v1', p384: 'secp384r1', p521: 'secp521r1' } as const;
const hashes = { prime256v1: 'sha256', secp384r1: 'sha384', secp521r1: 'sha512' } as const;

export function makePair(name: KeyName = 'p256'): Pair {
  if (name === 'ed25519') return generateKeyPairSync('ed25519');
  if (name === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  return generateKeyPairSync('ec', { namedCurve: curves[name] });
}

export function spkiOf(pair: Pair): Buffer {
  return pair.publicKey.export({ type: 'spki', format: 'der' });
}

export function pemOf(pair: Pair): string {
  return encodePem('PUBLIC KEY', spkiOf(pair));
}

/** A signature as made by model_signing and cosign: with the hash of the key type. */
export function signBytes(pair: Pair, bytes: Uint8Array, hash?: string): Buffer {
  const { asymmetricKeyType: type, asymmetricKeyDetails } = pair.privateKey;
  if (type === 'ed25519') return sign(null, bytes, pair.privateKey);
  const curve = asymmetricKeyDetails?.namedCurve as keyof typeof hashes | undefined;
  return sign(hash ?? (curve === undefined ? 'sha256' : hashes[curve]), bytes, pair.privateKey);
}

export interface Holder extends Pair {
  readonly certificate: Buffer;
  readonly subject: Der;
}

export interface CertificateChoices {
  readonly issuer?: Holder;
  readonly authority?: boolean;
  readonly pathLength?: number;
  readonly name?: string | null;
  readonly pair?: Pair;
  readonly from?: string;
  readonly to?: string;
  readonly mail?: string;
  /** Fulcio's extension 1.8, and 1.1 if `olderIssuer` is given. */
  readonly oidcIssuer?: string;
  readonly olderIssuer?: string;
  readonly purposes?: readonly string[] | null;
  readonly usage?: number | null;
  readonly more?: readonly Der[];
  /** A CT log that signs a certificate timestamp (SCT) into the certificate. */
  readonly ctLog?: { readonly key: Pair; readonly at: Date };
}

const CODE_SIGNING = oids.codeSigning;

/** A certificate by an issuer, or self-signed. */
export function certify(choices: CertificateChoices = {}): Holder {
  const pair = choices.pair ?? makePair();
  const signer = choices.issuer ?? pair;
  const authority = choices.authority ?? choices.issuer === undefined;
  const name = choices.name === undefined ? (authority ? 'Vendor Root' : 'Release') : choices.name;
  const subject =
    name === null ? sequence() : encodeName({ organization: 'Vendor', commonName: name });
  const [identifier, hash] = algorithmFor(signer.privateKey);
  const usage = choices.usage === undefined ? (authority ? 0x06 : 0x80) : choices.usage;
  const purposes =
    choices.purposes === undefined ? (authority ? null : [CODE_SIGNING]) : choices.purposes;
  const list = [
    extension(
      oids.basicConstraints,
      authority
        ? sequence(
            boolean(true),
            ...(choices.pathLength === undefined ? [] : [integer(choices.pathLength)]),
          )
        : sequence(),
      true,
    ),
    ...(usage === null
      ? []
      : [extension(oids.keyUsage, bitString(Buffer.from([usage]), usage === 6 ? 1 : 7), true)]),
    ...(purposes === null
      ? []
      : [extension(oids.extendedKeyUsage, sequence(...purposes.map(oid)))]),
    ...(choices.mail === undefined
      ? []
      : [
          extension(
            oids.subjectAltName,
            sequence(primitive(contextTag(1), Buffer.from(choices.mail))),
            name === null,
          ),
        ]),
    ...(choices.oidcIssuer === undefined
      ? []
      : [
          extension(
            '1.3.6.1.4.1.57264.1.8',
            primitive(derTag.utf8String, Buffer.from(choices.oidcIssuer)),
          ),
        ]),
    ...(choices.olderIssuer === undefined
      ? []
      : [sequence(oid('1.3.6.1.4.1.57264.1.1'), octetString(Buffer.from(choices.olderIssuer)))]),
    ...(choices.more ?? []),
  ];
  const bodyWith = (...scts: readonly Der[]): Der =>
    sequence(
      explicit(0, integer(2)),
      integer(Buffer.from('4242', 'hex')),
      identifier,
      choices.issuer?.subject ?? subject,
      sequence(
        time(new Date(choices.from ?? '2026-01-01T00:00:00Z')),
        time(new Date(choices.to ?? '2036-01-01T00:00:00Z')),
      ),
      subject,
      der(spkiOf(pair)),
      explicit(3, sequence(...list, ...scts)),
    );
  const { ctLog } = choices;
  const body =
    ctLog === undefined
      ? bodyWith()
      : bodyWith(certificateTimestamp(ctLog, choices.issuer ?? pair, bodyWith().bytes));
  const signature = sign(hash, body.bytes, signer.privateKey);
  return {
    ...pair,
    subject,
    certificate: sequence(body, identifier, bitString(signature)).bytes,
  };
}

/** The extension with one SCT over a precertificate (RFC 6962 sections 3.2 and 3.3). */
function certificateTimestamp(
  { key, at }: { readonly key: Pair; readonly at: Date },
  issuer: Pair,
  precertificate: Buffer,
): Der {
  const moment = Buffer.alloc(8);
  moment.writeBigUInt64BE(BigInt(at.getTime()));
  const keyHash = createHash('sha256').update(spkiOf(issuer)).digest();
  const signed = Buffer.concat([
    Buffer.from([0, 0]),
    moment,
    Buffer.from([0, 1]),
    keyHash,
    lengthOf(precertificate, 3),
    precertificate,
    Buffer.alloc(2),
  ]);
  const signature = signBytes(key, signed);
  const logId = createHash('sha256').update(spkiOf(key)).digest();
  const sct = Buffer.concat([
    Buffer.from([0]),
    logId,
    moment,
    Buffer.alloc(2),
    // SHA-256 with ECDSA, as TLS 1.2 numbers them.
    Buffer.from([4, 3]),
    lengthOf(signature, 2),
    signature,
  ]);
  const one = Buffer.concat([lengthOf(sct, 2), sct]);
  return extension('1.3.6.1.4.1.11129.2.4.2', octetString(Buffer.concat([lengthOf(one, 2), one])));
}

function lengthOf(bytes: Buffer, size: number): Buffer {
  const length = Buffer.alloc(size);
  length.writeUIntBE(bytes.length, 0, size);
  return length;
}

export function extension(type: string, value: Der, critical = false): Der {
  return sequence(oid(type), ...(critical ? [boolean(true)] : []), octetString(value.bytes));
}

function algorithmFor(key: KeyObject): readonly [Der, string | null] {
  if (key.asymmetricKeyType === 'ed25519') return [sequence(oid('1.3.101.112')), null];
  if (key.asymmetricKeyType === 'rsa')
    return [sequence(oid('1.2.840.113549.1.1.11'), nullValue()), 'sha256'];
  return [sequence(oid('1.2.840.10045.4.3.2')), 'sha256'];
}

export function certificatePem(...holders: readonly Holder[]): string {
  return holders.map((each) => encodePem('CERTIFICATE', each.certificate)).join('');
}

/** The encoding that a DSSE signature covers, implemented independently to test the product's. */
export function pae(type: string, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
}

const IN_TOTO = 'application/vnd.in-toto+json';

/** A Sigstore bundle around a statement. */
export function bundleOf(
  statement: Json | Buffer,
  signer: Pair,
  changes: {
    readonly certificates?: readonly Holder[];
    readonly payloadType?: string;
    readonly signedType?: string;
    readonly hash?: string;
    readonly material?: Record<string, Json>;
    readonly envelope?: Record<string, Json>;
  } = {},
): Record<string, Json> {
  const payload = Buffer.isBuffer(statement) ? statement : Buffer.from(JSON.stringify(statement));
  const type = changes.payloadType ?? IN_TOTO;
  const signature = signBytes(signer, pae(changes.signedType ?? type, payload), changes.hash);
  const chain = changes.certificates?.map((each) => ({
    rawBytes: each.certificate.toString('base64'),
  }));
  const hint = createHash('sha256').update(pemOf(signer)).digest('hex');
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: {
      ...(chain === undefined
        ? { publicKey: { hint } }
        : { x509CertificateChain: { certificates: chain } }),
      tlogEntries: [],
      ...changes.material,
    },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: type,
      signatures: [{ sig: signature.toString('base64'), keyid: '' }],
      ...changes.envelope,
    },
  };
}

/** The statement that model_signing signs, for files by path. */
export function modelStatement(
  files: Readonly<Record<string, string>>,
  serialization: Record<string, Json> = {},
): Record<string, Json> {
  const resources = Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => ({
      name,
      algorithm: 'sha256',
      digest: digestHex(digestOf(Buffer.from(text))),
    }));
  return statementOf(resources, serialization);
}

export function statementOf(
  resources: readonly {
    readonly name: string;
    readonly algorithm: string;
    readonly digest: string;
  }[],
  serialization: Record<string, Json> = {},
): Record<string, Json> {
  const root = createHash('sha256');
  for (const { digest } of resources) root.update(Buffer.from(digest, 'hex'));
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'model', digest: { sha256: root.digest('hex') } }],
    predicateType: 'https://model_signing/signature/v1.0',
    predicate: {
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ignore_paths: ['model.sig', '.git', '.gitattributes', '.github', '.gitignore'],
        ...serialization,
      },
      resources: resources.map((each) => ({ ...each })),
    },
  };
}

/** The payload that cosign signs for an image. */
export function simplePayload(digest: string, changes: Record<string, Json> = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': 'registry.example/app' },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
        ...changes,
      },
      optional: null,
    }),
  );
}

/** A log's signed entry timestamp, in the form of cosign's annotation. */
export function cosignEntry(
  log: Pair,
  entry: { readonly payload: Buffer; readonly signature: Buffer; readonly signer: string },
  seconds: number,
  changes: Record<string, Json> = {},
): string {
  const body = {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: {
        hash: {
          algorithm: 'sha256',
          value: createHash('sha256').update(entry.payload).digest('hex'),
        },
      },
      signature: {
        content: entry.signature.toString('base64'),
        publicKey: { content: Buffer.from(entry.signer).toString('base64') },
      },
    },
  };
  const payload = {
    body: Buffer.from(JSON.stringify(body)).toString('base64'),
    integratedTime: seconds,
    logIndex: 7,
    logID: createHash('sha256').update(spkiOf(log)).digest('hex'),
  };
  const promise = signBytes(log, canonicalBytes(payload)).toString('base64');
  return JSON.stringify({ SignedEntryTimestamp: promise, Payload: { ...payload, ...changes } });
}
