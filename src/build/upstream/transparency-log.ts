import { createHash, type KeyObject } from 'node:crypto';
import { canonicalBytes } from '../../core/canonical-json.ts';
import { type Fields, fieldsOf, sizeOf, textOf } from '../../core/fields.ts';
import { decodePem } from '../../trust/pem.ts';
import { refuse } from './refusal.ts';
import { parseStrict, strictBase64 } from './strict-json.ts';
import { isSignedWith, keyFingerprint } from './upstream-key.ts';

/** A Rekor entry with its promise (the signed entry timestamp), in the one form that both signature formats reduce to. */
export interface LogEntry {
  /** Base64, as the log signed it. */
  readonly body: string;
  readonly integratedTime: number;
  readonly logIndex: number;
  /** SHA-256 of the log's key, in hex. */
  readonly logID: string;
  readonly promise: Buffer;
}

/** What the entry must be about: every part of it refers to the signature in hand (GHSA-8gw7-4j42-w388). */
export interface Logged {
  /** SHA-256, in hex, of what was signed: the payload, not its encoding for signing. */
  readonly sha256: string;
  readonly signature: Buffer;
  /** DER of the signer's certificate, or of the public key where there is no certificate. */
  readonly signer: Buffer;
}

/** cosign's annotation `dev.sigstore.cosign/bundle`. @throws StowageError `upstream-refused` */
export function readCosignEntry(text: string): LogEntry {
  const fields = parseStrict(Buffer.from(text, 'utf8'), 'the log entry');
  const payload = fieldsOf(fields['Payload']);
  return entryOf(
    fields['SignedEntryTimestamp'],
    payload['body'],
    payload['integratedTime'],
    payload['logIndex'],
    textOf(payload['logID'], 128),
  );
}

/** A TransparencyLogEntry of a Sigstore bundle: numbers are texts in it. @throws StowageError `upstream-refused` */
export function readBundleEntry(entry: Fields): LogEntry {
  return entryOf(
    fieldsOf(entry['inclusionPromise'])['signedEntryTimestamp'],
    entry['canonicalizedBody'],
    numeric(entry['integratedTime']),
    numeric(entry['logIndex']),
    strictBase64(fieldsOf(entry['logId'])['keyId'], 'the key of the log').toString('hex'),
  );
}

/**
 * Verifies that this log promised to record this very signature, and when. It does not prove that the log kept its
 * promise: that needs the log.
 * @throws StowageError `upstream-refused`
 */
export function requireLogged(entry: LogEntry, logged: Logged, key: KeyObject): Date {
  const { promise, ...signed } = entry;
  if (signed.logID !== keyFingerprint(key))
    throw refuse('an entry of another log', `log ${keyFingerprint(key)}`, signed.logID);
  if (!isSignedWith(key, canonicalBytes({ ...signed }), promise, 'curve'))
    throw refuse('a log entry whose promise does not hold', "the log's signature", 'another');
  const body = parseStrict(strictBase64(signed.body, 'the log entry'), 'the log entry');
  const [about, signature, signer] = contentOf(body);
  if (
    about !== logged.sha256 ||
    !signature.equals(logged.signature) ||
    !signer.equals(logged.signer)
  )
    throw refuse('a log entry about something else', 'an entry of this signature', 'another entry');
  return new Date(signed.integratedTime * 1000);
}

function entryOf(
  promise: unknown,
  body: unknown,
  integratedTime: unknown,
  logIndex: unknown,
  logID: string | undefined,
): LogEntry {
  const [time, index] = [sizeOf(integratedTime), sizeOf(logIndex)];
  if (typeof body !== 'string' || time === undefined || index === undefined || logID === undefined)
    throw refuse('an unreadable log entry', 'body, time, index and log', 'something else');
  return {
    body,
    integratedTime: time,
    logIndex: index,
    logID,
    promise: strictBase64(promise, 'the promise of the log'),
  };
}

/** What the entry is about: SHA-256 of the content, the signature, and DER of the signer. */
function contentOf(body: Fields): readonly [string, Buffer, Buffer] {
  const spec = fieldsOf(body['spec']);
  const kind = `${textOf(body['kind'], 64)} ${textOf(body['apiVersion'], 64)}`;
  if (kind === 'hashedrekord 0.0.1') {
    const hash = fieldsOf(fieldsOf(spec['data'])['hash']);
    const signature = fieldsOf(spec['signature']);
    const signer = fieldsOf(signature['publicKey'])['content'];
    return [sha256Of(hash), strictBase64(signature['content'], 'the log entry'), derOf(signer)];
  }
  if (kind === 'dsse 0.0.1') {
    const { signatures } = spec;
    const [only, ...rest] = Array.isArray(signatures) ? signatures.map(fieldsOf) : [];
    if (only !== undefined && rest.length === 0)
      return [
        sha256Of(fieldsOf(spec['payloadHash'])),
        strictBase64(only['signature'], 'the log entry'),
        derOf(only['verifier']),
      ];
  }
  throw refuse('a log entry of an unknown kind', 'hashedrekord 0.0.1 or dsse 0.0.1', kind);
}

function sha256Of(hash: Fields): string {
  const value = textOf(hash['value'], 64);
  return hash['algorithm'] === 'sha256' && value !== undefined ? value : '';
}

function derOf(pem: unknown): Buffer {
  const text = strictBase64(pem, 'the log entry').toString('latin1');
  const refused = (found: string): ReturnType<typeof refuse> =>
    refuse('an unreadable log entry', 'the signer in PEM', found);
  const [block] = decodePem(text, refused);
  if (block === undefined) throw refused('none');
  return block.bytes;
}

function numeric(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
}

/** SHA-256 of bytes in hex, as logs write it. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
