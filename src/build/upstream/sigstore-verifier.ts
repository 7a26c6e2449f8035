import type { KeyObject } from 'node:crypto';
import { bundleFromJSON } from '@sigstore/bundle';
import { TransparencyLogEntry, TrustedRoot } from '@sigstore/protobuf-specs';
import {
  type SignedEntity,
  type TrustMaterial,
  toSignedEntity,
  toTrustMaterial,
  Verifier,
} from '@sigstore/verify';
import { StowageError } from '../../core/error.ts';
import { type Fields, fieldsOf, textOf } from '../../core/json.ts';
import { requireEntrySigner } from './log-entry-signer.ts';
import { parseCertificate } from './publisher-certificate.ts';
import {
  type HashRule,
  isSignedWith,
  keyFingerprint,
  parseStrict,
  refuse,
  sha256,
} from './refusal.ts';

export type { TrustMaterial } from '@sigstore/verify';

/** One signature with its certificates and evidence, whatever format it came in. */
export interface PresentedSignature {
  /** The bytes that the signature covers. */
  readonly signed: Buffer;
  /** What a log entry of DSSE names by its SHA-256: the payload within `signed`. */
  readonly payload: Buffer;
  readonly signature: Buffer;
  /** DER, the signer's first; none with a bare key. */
  readonly certificates: readonly Buffer[];
  /** The Sigstore bundle, in JSON, when it has a log entry. Read only against a log or a trusted root. */
  readonly evidence?: () => Fields;
  readonly rule: HashRule;
}

const TRUSTED_ROOT =
  /^application\/vnd\.dev\.sigstore\.trustedroot(\.v0\.[12]\+json|\+json;version=0\.[12])$/;
const ALWAYS = { start: new Date(0), end: new Date(8_640_000_000_000_000) };

/** What to do about each code of @sigstore/verify that has a remedy of its own. */
const HINTS: Readonly<Record<string, string>> = {
  CERTIFICATE_ERROR:
    'check that trustedRoot is the one of the Sigstore instance that the publisher signs with, and that it covers the time of signing',
  TIMESTAMP_ERROR:
    'ask the publisher to sign with a timestamp authority, or with a log that returns a signed entry timestamp',
};

/**
 * Reads a Sigstore trusted root (sigstore_trustroot.proto, in JSON).
 * @throws StowageError `upstream-refused`
 */
export function readTrustedRoot(bytes: Uint8Array, path: string): TrustMaterial {
  const json = parseStrict(bytes, path);
  const wrong = (found: string): StowageError =>
    refuse(
      `${path} is not a Sigstore trusted root`,
      'trusted_root.json with certificate authorities, transparency logs and CT logs',
      found,
      'name the trusted_root.json of the Sigstore instance that the publisher signs with',
    );
  if (!TRUSTED_ROOT.test(textOf(json['mediaType'], 255) ?? '')) throw wrong('another media type');
  try {
    const root = TrustedRoot.fromJSON(json);
    const trust = toTrustMaterial(root);
    for (const kind of ['certificateAuthorities', 'tlogs', 'ctlogs'] as const)
      if (trust[kind].length === 0) throw wrong(`no ${kind}`);
    // The library does not read every extension that can restrict a CA.
    for (const { certChain } of [...root.certificateAuthorities, ...root.timestampAuthorities])
      for (const { rawBytes } of certChain?.certificates ?? []) parseCertificate(rawBytes);
    return trust;
  } catch (error) {
    throw error instanceof StowageError ? error : wrong(describe(error));
  }
}

/**
 * Verifies a keyless signature: the certificate chain and its SCT, the log entries with their inclusion, every timestamp,
 * the signature itself, and that each of these refers to the others. The identity is the caller's to compare.
 * @returns the earliest verified time of signing
 * @throws StowageError `upstream-refused`
 */
export function verifyKeyless(
  presented: PresentedSignature,
  key: KeyObject,
  trust: TrustMaterial,
): Date {
  return refusing('an invalid Sigstore signature', () => {
    const bundle = bundleFromJSON(evidenceOf(presented));
    return verifyEntity(toSignedEntity(bundle, presented.signed), presented, { key, trust });
  });
}

/**
 * Verifies that the log with this key recorded a signature by `key`.
 * @returns when, by the log's signed entry timestamp
 * @throws StowageError `upstream-refused`
 */
export function verifyLogged(presented: PresentedSignature, key: KeyObject, log: KeyObject): Date {
  return refusing('an invalid log entry', () => {
    const material = fieldsOf(evidenceOf(presented)['verificationMaterial']);
    const list = Array.isArray(material['tlogEntries']) ? material['tlogEntries'] : [];
    const tlogEntries = list.map((each) => TransparencyLogEntry.fromJSON(each));
    const entity = {
      signature: contentOf(presented),
      key: { $case: 'public-key', hint: '' },
      tlogEntries,
      timestamps: tlogEntries.map((tlogEntry) => ({ $case: 'transparency-log', tlogEntry })),
    } as SignedEntity;
    // A checkpoint names its log by a part of the log's URL. A bare key has no URL, so the key alone decides.
    const names = tlogEntries.map((each) => each.inclusionProof?.checkpoint?.envelope ?? '');
    const authority = {
      baseURL: names.join(' '),
      logID: Buffer.from(keyFingerprint(log), 'hex'),
      publicKey: log,
      validFor: ALWAYS,
    };
    const trust: TrustMaterial = {
      certificateAuthorities: [],
      timestampAuthorities: [],
      tlogs: [authority],
      ctlogs: [],
      publicKey: () => ({ publicKey: key, validFor: () => true }),
    };
    return verifyEntity(entity, presented, { key, trust });
  });
}

function verifyEntity(
  entity: SignedEntity,
  presented: PresentedSignature,
  { key, trust }: { readonly key: KeyObject; readonly trust: TrustMaterial },
): Date {
  const whole: SignedEntity = { ...entity, signature: contentOf(presented) };
  const signer = new Verifier(trust).verify(whole);
  if (!signer.key.equals(key)) throw new Error('two signers');
  for (const { canonicalizedBody } of whole.tlogEntries)
    requireEntrySigner(canonicalizedBody, presented.certificates[0], key);
  return earliest(whole);
}

/** The content that the library compares with log entries and timestamps. Signatures are verified with {@link isSignedWith}. */
function contentOf({
  signed,
  payload,
  signature,
  rule,
}: PresentedSignature): SignedEntity['signature'] {
  return {
    signature,
    compareSignature: (other) => other.equals(signature),
    compareDigest: (digest) => digest.equals(sha256(payload)),
    compareSignedDigest: (digest) => digest.equals(sha256(signed)),
    verifySignature: (key) => isSignedWith(key, signed, signature, rule),
  };
}

function evidenceOf({ evidence }: PresentedSignature): Fields {
  if (evidence !== undefined) return evidence();
  throw refuse('a signature without a log entry', 'an entry of the log', 'none');
}

/** All of these are verified: the library refuses a signature if one is invalid. */
function earliest({ timestamps }: SignedEntity): Date {
  const times = timestamps.flatMap((each) => {
    if (each.$case === 'timestamp-authority') return [each.timestamp.signingTime.getTime()];
    const { inclusionPromise, integratedTime } = each.tlogEntry;
    return inclusionPromise === undefined ? [] : [Number(integratedTime) * 1000];
  });
  return new Date(Math.min(...times));
}

/** Every error of the library, including parse errors, refuses the signature. */
function refusing(message: string, verify: () => Date): Date {
  try {
    return verify();
  } catch (error) {
    if (error instanceof StowageError) throw error;
    const code = String(fieldsOf(error)['code']);
    const expected =
      'certificate, log entry and timestamps of this signature, by the given root or log';
    throw refuse(message, expected, describe(error), HINTS[code]);
  }
}

function describe(error: unknown): string {
  const { code, name, message, cause } = fieldsOf(error);
  const inner = cause instanceof Error ? `: ${cause.message}` : '';
  return `${code ?? name}: ${message}${inner}`;
}
