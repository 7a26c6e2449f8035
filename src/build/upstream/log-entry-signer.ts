import type { KeyObject } from 'node:crypto';
import { fieldsOf, textOf } from '../../core/json.ts';
import { decodePem } from '../../trust/pem.ts';
import { parseStrict, refuse, strictBase64 } from './refusal.ts';

/**
 * Requires that the body of a log entry names this signer. The library compares digest and signature alone
 * (GHSA-8gw7-4j42-w388: every part of a signature must refer to every other).
 * @param body the canonicalized body of a Rekor entry
 * @param certificate DER of the signer's certificate; undefined for a bare key
 * @throws StowageError `upstream-refused`
 */
export function requireEntrySigner(
  body: Uint8Array,
  certificate: Buffer | undefined,
  key: KeyObject,
): void {
  const signer = certificate ?? key.export({ type: 'spki', format: 'der' });
  if (signerIn(body).equals(signer)) return;
  throw refuse(
    'a log entry of another signer',
    'an entry with the key or certificate of this signature',
    'another one',
  );
}

/** DER of a certificate or a public key: Rekor v1 has it as PEM in base64, Rekor v2 (version 0.0.2) as DER in base64. */
function signerIn(body: Uint8Array): Buffer {
  const entry = parseStrict(body, 'the log entry');
  const spec = fieldsOf(entry['spec']);
  const kind = `${textOf(entry['kind'], 64)} ${textOf(entry['apiVersion'], 64)}`;
  switch (kind) {
    case 'hashedrekord 0.0.1':
      return fromPem(fieldsOf(fieldsOf(spec['signature'])['publicKey'])['content']);
    case 'dsse 0.0.1':
      return fromPem(onlyOf(spec['signatures'])['verifier']);
    case 'intoto 0.0.2': {
      const envelope = fieldsOf(fieldsOf(spec['content'])['envelope']);
      return fromPem(onlyOf(envelope['signatures'])['publicKey']);
    }
    case 'hashedrekord 0.0.2':
      return fromVerifier(fieldsOf(fieldsOf(spec['hashedRekordV002'])['signature'])['verifier']);
    case 'dsse 0.0.2':
      return fromVerifier(onlyOf(fieldsOf(spec['dsseV002'])['signatures'])['verifier']);
    default:
      throw refuse(
        'a log entry of an unknown kind',
        'hashedrekord 0.0.1 or 0.0.2, dsse 0.0.1 or 0.0.2, intoto 0.0.2',
        kind,
      );
  }
}

function onlyOf(list: unknown): ReturnType<typeof fieldsOf> {
  const [only, ...rest] = Array.isArray(list) ? list.map(fieldsOf) : [];
  if (only !== undefined && rest.length === 0) return only;
  throw refuse('an unreadable log entry', 'one signature', 'another number');
}

function fromPem(pem: unknown): Buffer {
  const refused = (found: string): ReturnType<typeof refuse> =>
    refuse('an unreadable log entry', 'the signer in PEM', found);
  const [block] = decodePem(strictBase64(pem, 'the log entry').toString('latin1'), refused);
  if (block === undefined) throw refused('none');
  return block.bytes;
}

function fromVerifier(verifier: unknown): Buffer {
  const { x509Certificate, publicKey } = fieldsOf(verifier);
  return strictBase64(fieldsOf(x509Certificate ?? publicKey)['rawBytes'], 'the log entry');
}
