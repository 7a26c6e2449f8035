import type { KeyObject } from 'node:crypto';
import { momentOf } from '../../format/field.ts';
import type { SignatureVerdict } from '../../format/upstream.ts';
import type { OpenedDemand } from './demand.ts';
import { type ForeignCertificate, parseForeign } from './foreign-certificate.ts';
import { naming, requireChain } from './foreign-chain.ts';
import { refuse } from './refusal.ts';
import { type LogEntry, requireLogged, sha256Hex } from './transparency-log.ts';
import { type HashRule, isSignedWith, keyFingerprint } from './upstream-key.ts';

/** One signature with what came along, whatever file it came in. */
export interface Presented {
  /** The bytes that the signature covers. */
  readonly signed: Buffer;
  /** What a log entry names by its SHA-256: the payload within `signed`. */
  readonly payload: Buffer;
  readonly signature: Buffer;
  /** DER, the signer's first; none with a bare key. */
  readonly certificates: readonly Buffer[];
  /** Read only when the demand names a log. */
  readonly entry?: () => LogEntry;
  readonly rule: HashRule;
}

/** What OpenSSL computes through node:crypto is pure Ed25519. */
const PREHASHED =
  'cosign signs images with Ed25519ph, which this runtime cannot compute: ask the publisher for a signature with a key on P-256';

export type Proven = Pick<SignatureVerdict, 'signer' | 'log' | 'signedAt'>;

/**
 * Verifies one signature against a demand: mathematics, then who signed, then when. Without a verified log entry
 * nobody says when it was signed, so a certificate must be valid at `now`.
 * @throws StowageError `upstream-refused`
 */
export function proveSigner(presented: Presented, opened: OpenedDemand, now: Date): Proven {
  const { signed, signature, certificates, rule } = presented;
  const chain = opened.key === undefined ? certificates.map(parseForeign) : [];
  const [leaf, ...others] = chain;
  const key = opened.key ?? leaf?.publicKey;
  if (key === undefined)
    throw refuse('a signature by a bare key', 'a signer with a certificate', 'no certificate');
  if (!isSignedWith(key, signed, signature, rule))
    throw refuse(
      'a signature that does not hold',
      `a signature by ${signerName(leaf, key)}`,
      'none',
      key.asymmetricKeyType === 'ed25519' ? PREHASHED : undefined,
    );
  const logged = provenEntry(presented, opened, leaf, key);
  if (leaf !== undefined) {
    requireChain(leaf, others, opened.anchors, logged ?? now);
    requireIdentity(leaf, opened);
  }
  return {
    signer: signerOf(leaf, key),
    log: logged === undefined ? (presented.entry === undefined ? 'none' : 'unchecked') : 'verified',
    ...(logged === undefined ? {} : { signedAt: momentOf(logged) }),
  };
}

function provenEntry(
  { entry, payload, signature }: Presented,
  { log }: OpenedDemand,
  leaf: ForeignCertificate | undefined,
  key: KeyObject,
): Date | undefined {
  if (log === undefined) return undefined;
  if (entry === undefined)
    throw refuse('a signature without a log entry', 'an entry of the log', 'none');
  const signer = leaf?.der ?? key.export({ type: 'spki', format: 'der' });
  return requireLogged(entry(), { sha256: sha256Hex(payload), signature, signer }, log);
}

function requireIdentity(leaf: ForeignCertificate, { demand }: OpenedDemand): void {
  const { identity, issuer } = demand;
  const names = leaf.identities ?? [];
  if (identity !== undefined && !names.includes(identity) && leaf.subject !== identity)
    throw refuse('a signer of another name', identity, naming(leaf));
  if (issuer !== undefined && leaf.oidcIssuer !== issuer)
    throw refuse('an identity of another issuer', issuer, leaf.oidcIssuer ?? 'none');
}

function signerOf(
  leaf: ForeignCertificate | undefined,
  key: KeyObject,
): NonNullable<SignatureVerdict['signer']> {
  if (leaf === undefined) return { key: keyFingerprint(key) };
  return {
    key: keyFingerprint(key),
    certificate: leaf.fingerprint,
    ...(leaf.subject === '' ? {} : { subject: leaf.subject }),
    ...(leaf.identities === undefined ? {} : { identities: leaf.identities }),
    ...(leaf.oidcIssuer === undefined ? {} : { issuer: leaf.oidcIssuer }),
  };
}

function signerName(leaf: ForeignCertificate | undefined, key: KeyObject): string {
  return leaf === undefined ? `key ${keyFingerprint(key)}` : naming(leaf);
}
