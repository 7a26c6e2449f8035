import type { StowageError } from '../../core/error.ts';
import { type Fields, fieldsOf, sizeOf, textOf } from '../../core/json.ts';
import { decodePem } from '../../trust/pem.ts';
import { parseStrict, refuse, sha256, strictBase64 } from './refusal.ts';

/** A signature from a layer under cosign's tag `sha256-<hex>.sig`. */
export interface CosignSignature {
  readonly signature: Buffer;
  /** DER, the signer's first. */
  readonly certificates: readonly Buffer[];
  /** The same as a Sigstore bundle of version 0.1, when the layer has a log entry. @throws StowageError `upstream-refused` */
  readonly evidence?: () => Fields;
}

const ANNOTATIONS = {
  signature: 'dev.cosignproject.cosign/signature',
  certificate: 'dev.sigstore.cosign/certificate',
  chain: 'dev.sigstore.cosign/chain',
  entry: 'dev.sigstore.cosign/bundle',
  timestamp: 'dev.sigstore.cosign/rfc3161timestamp',
} as const;

/** Reads the annotations around a payload (SIGNATURE_SPEC.md of cosign). @throws StowageError `upstream-refused` */
export function readCosignLayer(
  payload: Buffer,
  annotations: Readonly<Record<string, string>>,
): CosignSignature {
  const entry = annotations[ANNOTATIONS.entry];
  const timestamp = annotations[ANNOTATIONS.timestamp];
  const signature = strictBase64(annotations[ANNOTATIONS.signature], 'the signature');
  const certificates = [ANNOTATIONS.certificate, ANNOTATIONS.chain].flatMap((name) =>
    certificatesIn(annotations[name]),
  );
  if (entry === undefined) return { signature, certificates };
  const evidence = (): Fields => ({
    mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
    verificationMaterial: {
      x509CertificateChain: {
        certificates: certificates.map((each) => ({ rawBytes: each.toString('base64') })),
      },
      tlogEntries: [logEntry(entry)],
      ...(timestamp !== undefined && {
        timestampVerificationData: { rfc3161Timestamps: [signedTimestamp(timestamp)] },
      }),
    },
    messageSignature: {
      messageDigest: { algorithm: 'SHA2_256', digest: sha256(payload).toString('base64') },
      signature: signature.toString('base64'),
    },
  });
  return { signature, certificates, evidence };
}

/** The annotation `dev.sigstore.cosign/bundle` as a TransparencyLogEntry, which has numbers as text. */
function logEntry(annotation: string): Fields {
  const fields = parseStrict(Buffer.from(annotation, 'utf8'), 'the log entry');
  const payload = fieldsOf(fields['Payload']);
  const [time, index] = [sizeOf(payload['integratedTime']), sizeOf(payload['logIndex'])];
  const body = strictBase64(payload['body'], 'the log entry');
  if (time === undefined || index === undefined)
    throw refuse('an unreadable log entry', 'body, time, index and log', 'something else');
  const { kind, apiVersion } = parseStrict(body, 'the log entry');
  const promise = strictBase64(fields['SignedEntryTimestamp'], 'the signed entry timestamp');
  const logId = Buffer.from(textOf(payload['logID'], 128) ?? '', 'hex');
  return {
    logIndex: String(index),
    logId: { keyId: logId.toString('base64') },
    kindVersion: { kind, version: apiVersion },
    integratedTime: String(time),
    inclusionPromise: { signedEntryTimestamp: promise.toString('base64') },
    canonicalizedBody: body.toString('base64'),
  };
}

function signedTimestamp(annotation: string): Fields {
  const fields = parseStrict(Buffer.from(annotation, 'utf8'), 'the timestamp');
  const bytes = strictBase64(fields['SignedRFC3161Timestamp'], 'the timestamp');
  return { signedTimestamp: bytes.toString('base64') };
}

function certificatesIn(pem: string | undefined): Buffer[] {
  if (pem === undefined) return [];
  const refused = (found: string): StowageError =>
    refuse('an unreadable certificate', 'certificates in PEM', found);
  return decodePem(pem, refused).map(({ bytes }) => bytes);
}
