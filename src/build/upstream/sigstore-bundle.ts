import { type Fields, fieldsOf, textOf } from '../../core/json.ts';
import { counted } from '../../core/text.ts';
import { parseStrict, refuse, strictBase64 } from './refusal.ts';

/** A Sigstore bundle: one signature and what identifies its signer. */
export interface SigstoreBundle {
  /** DER, the signer's first; none with a bare key. */
  readonly certificates: readonly Buffer[];
  readonly content:
    | {
        readonly kind: 'dsse';
        readonly payloadType: string;
        readonly payload: Buffer;
        readonly signature: Buffer;
      }
    | { readonly kind: 'message'; readonly sha256: string; readonly signature: Buffer };
  /** The bundle itself when it has log entries, which are not verified yet. */
  readonly evidence?: () => Fields;
}

const MEDIA_TYPES = [
  'application/vnd.dev.sigstore.bundle.v0.3+json',
  'application/vnd.dev.sigstore.bundle+json;version=0.3',
  'application/vnd.dev.sigstore.bundle+json;version=0.2',
  'application/vnd.dev.sigstore.bundle+json;version=0.1',
];
const MAX_CERTIFICATES = 8;
const MAX_LOG_ENTRIES = 8;
const MAX_TIMESTAMPS = 8;

/**
 * Reads a Sigstore bundle (sigstore_bundle.proto, in JSON): one kind of identity, one kind of content, one signature.
 * @throws StowageError `upstream-refused`
 */
export function readSigstoreBundle(bytes: Uint8Array): SigstoreBundle {
  const bundle = parseStrict(bytes, 'the signature');
  if (!MEDIA_TYPES.includes(textOf(bundle['mediaType'], 255) ?? ''))
    throw wrong('a Sigstore bundle of version 0.1 to 0.3', 'another media type');
  const material = fieldsOf(bundle['verificationMaterial']);
  const { dsseEnvelope, messageSignature } = bundle;
  if ((dsseEnvelope === undefined) === (messageSignature === undefined))
    throw wrong('either an envelope or a message signature', 'both, or neither');
  const entries = listOf(material['tlogEntries'] ?? [], MAX_LOG_ENTRIES, 'log entries');
  const timestamps = fieldsOf(material['timestampVerificationData'])['rfc3161Timestamps'];
  listOf(timestamps ?? [], MAX_TIMESTAMPS, 'timestamps');
  return {
    certificates: certificatesOf(material),
    content:
      dsseEnvelope === undefined
        ? readMessage(fieldsOf(messageSignature))
        : readEnvelope(fieldsOf(dsseEnvelope)),
    ...(entries.length > 0 && { evidence: () => bundle }),
  };
}

/** What a DSSE signature covers: the pre-authentication encoding of protocol version 1.0.2. */
export function preAuthentication(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType, 'utf8');
  const head = `DSSEv1 ${type.length} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head, 'utf8'), payload]);
}

function certificatesOf(material: Fields): Buffer[] {
  const { publicKey, x509CertificateChain, certificate } = material;
  const kinds = [publicKey, x509CertificateChain, certificate].filter((each) => each !== undefined);
  if (kinds.length !== 1)
    throw wrong('a public key or certificates', `${counted(kinds.length, 'kind')} of identity`);
  if (publicKey !== undefined) return [];
  const chain =
    certificate === undefined
      ? listOf(fieldsOf(x509CertificateChain)['certificates'], MAX_CERTIFICATES, 'certificates')
      : [fieldsOf(certificate)];
  if (chain.length === 0) throw wrong('the certificate of the signer', 'none');
  return chain.map((each) => strictBase64(each['rawBytes'], 'a certificate'));
}

function readEnvelope(envelope: Fields): SigstoreBundle['content'] {
  const signatures = listOf(envelope['signatures'], 2, 'signatures');
  const [only] = signatures;
  if (only === undefined || signatures.length !== 1)
    throw wrong('one signature in the envelope', String(signatures.length));
  const payloadType = textOf(envelope['payloadType'], 255) ?? '';
  return {
    kind: 'dsse',
    payloadType,
    payload: strictBase64(envelope['payload'], 'the payload'),
    signature: strictBase64(only['sig'], 'the signature'),
  };
}

function readMessage(message: Fields): SigstoreBundle['content'] {
  const digest = fieldsOf(message['messageDigest']);
  if (digest['algorithm'] !== 'SHA2_256')
    throw wrong('a message digest of SHA-256', 'another digest');
  return {
    kind: 'message',
    sha256: strictBase64(digest['digest'], 'the message digest').toString('hex'),
    signature: strictBase64(message['signature'], 'the signature'),
  };
}

function listOf(value: unknown, max: number, what: string): Fields[] {
  if (Array.isArray(value) && value.length <= max) return value.map(fieldsOf);
  throw wrong(
    `at most ${max} ${what}`,
    Array.isArray(value) ? String(value.length) : 'something else',
  );
}

function wrong(expected: string, found: string): ReturnType<typeof refuse> {
  return refuse('a signature of another form', expected, found);
}
