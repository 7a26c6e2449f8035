import { StowageError } from '../core/error.ts';
import { MAX_SIGNATURES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import type { Role, RoleName, Trust } from '../format/trust.ts';
import { type AlgorithmName, allAlgorithms, keyKind } from './algorithm.ts';
import { anchorOf, requireSigner, revocation } from './chain.ts';
import { type VerifiedSignature, verifyDetached } from './cms-verify.ts';
import {
  invalid,
  malformed,
  prefixing,
  refusedAlgorithm,
  type SignatureFile,
  type SignedContent,
} from './signature-file.ts';
import { type TrustRoot, trustRoots } from './trust-root.ts';

export { trustFromRoot } from './trust-root.ts';

/**
 * Why a valid signature does not count: its signer is unknown, its certificate or that of its issuer is revoked, its root
 * belongs to another role, the trust document does not allow its algorithm, or its key was already counted.
 */
export type NotCounted = 'untrusted' | 'revoked' | 'other-role' | 'other-algorithm' | 'same-key';

/** Why a valid signature does not count, as text. */
export const notCounted: Readonly<Record<NotCounted, string>> = {
  untrusted: 'no root of the trust document issued its certificate',
  revoked: 'its certificate is revoked',
  'other-role': 'its root belongs to another role',
  'other-algorithm': 'the trust document does not allow its algorithm',
  'same-key': 'its key was already counted',
};

/** The verdict on one signature file. */
export interface SignerVerdict {
  readonly name: string;
  /** For display: `O=Example Agency, CN=Release`. */
  readonly subject: string;
  readonly serial: string;
  /** SHA-256 of the signer's public key, 64 lower-case hex digits. */
  readonly keyFingerprint: string;
  readonly algorithm: AlgorithmName;
  readonly signingTime: Date;
  /** The name of the signer's root in the trust document; absent for an untrusted signer. */
  readonly root?: string;
  readonly counted: boolean;
  /** Present if it was not counted. */
  readonly reason?: NotCounted;
  /** Present if it is revoked: the trust document that does, and the reason. */
  readonly revoked?: string;
}

interface Judged extends SignerVerdict {
  /** Why its signer is not trusted. */
  readonly cause?: StowageError | undefined;
  /** The required algorithm that this signature satisfies. */
  readonly fulfils?: AlgorithmName;
}

interface Judge {
  readonly trust: Trust;
  readonly role: Role;
  readonly roots: readonly TrustRoot[];
  readonly revoked: ReadonlyMap<string, string>;
  readonly countedKeys: Set<string>;
}

/** How far a signing time may be ahead of this machine's clock. */
const MAX_SIGNING_TIME_SKEW_MS = 24 * 60 * 60 * 1000;

const everyAlgorithm: ReadonlySet<AlgorithmName> = new Set(allAlgorithms);

/**
 * Decides whether content has the signatures that a trust document requires. Every file must be valid, also one that
 * would not count: the first invalid one refuses the content, however many valid ones there are.
 * @param now the clock that signing times are compared with
 * @returns a verdict for each file, in their order; at least the role's threshold are counted, at least one of them by
 * each required algorithm
 * @throws StowageError `signature-missing`, `signature-malformed`, `signature-invalid`, `certificate-invalid`,
 * `algorithm-refused`, `signer-untrusted`, `signer-revoked`, `threshold-unmet`
 */
export function evaluateSignatures(
  trust: Trust,
  role: RoleName,
  { content, signatures }: SignedContent,
  now: Date,
): SignerVerdict[] {
  const judge = judgeFor(trust, role);
  if (signatures.length === 0) throw none(judge.role, role);
  if (signatures.length > MAX_SIGNATURES)
    throw malformed(`${signatures.length} signature files, more than ${MAX_SIGNATURES}`);
  const judged = signatures.map(({ name, bytes }) =>
    prefixing(JSON.stringify(name), () => {
      return judgeSignature(name, verifyAt(bytes, content, now), judge);
    }),
  );
  const missing = missingAlgorithms(judged, judge);
  if (judge.countedKeys.size < judge.role.threshold) throw unmet(judged, missing, judge, role);
  if (missing.length > 0) throw lacksAlgorithm(judged, missing, role);
  return judged.map(({ cause: _, fulfils: __, ...verdict }) => verdict);
}

/**
 * Checks a new signature file before it is written, with the code that verifies it later. Without a trust document, only
 * the root is left to check.
 * @throws StowageError as {@link evaluateSignatures}, except for the number of signers
 */
export function requireUsable(
  { name, bytes }: SignatureFile,
  content: Uint8Array,
  now: Date,
): void {
  prefixing(JSON.stringify(name), () => requireSigner(verifyAt(bytes, content, now)));
}

/**
 * Checks that a trust document counts a signature file that is about to be added to others.
 * @throws StowageError as {@link evaluateSignatures}, except for the number of signers; `threshold-unmet` if it does not
 * count
 */
export function requireCounted(
  added: SignatureFile,
  { content, signatures }: SignedContent,
  { trust, role, now }: { readonly trust: Trust; readonly role: RoleName; readonly now: Date },
): void {
  const judge = judgeFor(trust, role);
  const judged = [...signatures, added].map(({ name, bytes }) =>
    prefixing(JSON.stringify(name), () =>
      judgeSignature(name, verifyAt(bytes, content, now), judge),
    ),
  );
  const own = judged.at(-1);
  if (own === undefined || own.counted) return;
  if (own.cause !== undefined) throw own.cause;
  throw new StowageError(
    'threshold-unmet',
    `this ${role} signature would not count: ${own.reason === undefined ? '' : notCounted[own.reason]}`,
    {
      expected: `a new key under ${judge.role.roots.join(' or ')}, with ${trust.algorithms.join(' or ')}`,
      found: `${own.subject} under root ${own.root}, with ${own.algorithm}`,
      hint: `sign with a key that the trust document accepts for role ${role}`,
    },
  );
}

function verifyAt(bytes: Buffer, content: Uint8Array, now: Date): VerifiedSignature {
  const signature = verifyDetached(bytes, content, everyAlgorithm);
  requireNotInFuture(signature, now);
  return signature;
}

function judgeFor(trust: Trust, name: RoleName): Judge {
  const role = trust.roles[name];
  if (role === undefined)
    throw new StowageError('signer-untrusted', `the trust document has no role ${name}`, {
      expected: `a role ${name} with its roots`,
      found: `trust document version ${trust.version} without it`,
      hint: `apply a trust document that defines the role ${name}`,
    });
  // A root of the role is tried before others, in case two pinned certificates belong to one CA.
  const serving = (root: TrustRoot): number => (role.roots.includes(root.name) ? 0 : 1);
  return {
    trust,
    role,
    roots: trustRoots(trust).sort((a, b) => serving(a) - serving(b)),
    revoked: new Map(
      trust.revoked.map(({ issuer, serial, reason }) => [
        revocation(issuer, serial),
        `in trust document ${trust.version} of ${trust.issuedAt}: ${reason}`,
      ]),
    ),
    countedKeys: new Set(),
  };
}

function judgeSignature(name: string, signature: VerifiedSignature, judge: Judge): Judged {
  const { certificate, algorithm, signingTime } = signature;
  const { subject, serial, keyFingerprint } = certificate;
  const common = { name, subject, serial, keyFingerprint, algorithm, signingTime };
  const { root, cause } = findRoot(signature, judge);
  if (root === undefined)
    return cause?.code === 'signer-revoked'
      ? { ...common, counted: false, reason: 'revoked', revoked: cause.found ?? '', cause }
      : { ...common, counted: false, reason: 'untrusted', cause };
  const reason = reasonNotToCount(root, signature, judge);
  if (reason !== undefined) return { ...common, root: root.name, counted: false, reason };
  judge.countedKeys.add(keyFingerprint);
  const fulfils = isWeakened(signature, judge) ? {} : { fulfils: algorithm };
  return { ...common, root: root.name, counted: true, ...fulfils };
}

/**
 * Whether the chain of an ML-DSA-87 signature has a certificate signed with another algorithm, although the role has a
 * root for ML-DSA-87: an attacker who can forge that algorithm could then make both required signatures.
 */
function isWeakened(
  { algorithm, certificate, intermediates }: VerifiedSignature,
  { role, roots }: Judge,
): boolean {
  const strong = roots.some(
    (root) => role.roots.includes(root.name) && keyKind(root.certificate.publicKey) === 'ml-dsa-87',
  );
  const path = [certificate, ...intermediates];
  return (
    strong &&
    algorithm === 'ml-dsa-87' &&
    path.some((each) => each.signed.algorithm !== 'ml-dsa-87')
  );
}

function findRoot(
  signature: VerifiedSignature,
  { roots, revoked }: Judge,
): { root?: TrustRoot | undefined; cause?: StowageError } {
  const certificates = roots.map((root) => root.certificate);
  try {
    const anchor = anchorOf(signature, certificates, revoked);
    return { root: roots.find(({ certificate }) => certificate === anchor) };
  } catch (error) {
    if (error instanceof StowageError && isAboutSigner(error)) return { cause: error };
    throw error;
  }
}

/** Whether an error is about who signed, so that another signature can still count. */
function isAboutSigner({ code }: StowageError): boolean {
  return code === 'signer-untrusted' || code === 'signer-revoked';
}

function reasonNotToCount(
  root: TrustRoot,
  { algorithm, certificate }: VerifiedSignature,
  { role, trust, countedKeys }: Judge,
): NotCounted | undefined {
  if (!role.roots.includes(root.name)) return 'other-role';
  if (!trust.algorithms.includes(algorithm)) return 'other-algorithm';
  return countedKeys.has(certificate.keyFingerprint) ? 'same-key' : undefined;
}

function missingAlgorithms(judged: readonly Judged[], { role }: Judge): AlgorithmName[] {
  const fulfilled = new Set(judged.map((each) => each.fulfils));
  return (role.requires ?? []).filter((each) => !fulfilled.has(each));
}

function requireNotInFuture({ signingTime }: VerifiedSignature, now: Date): void {
  const latest = new Date(now.getTime() + MAX_SIGNING_TIME_SKEW_MS);
  if (signingTime <= latest) return;
  throw invalid(
    'the signing time is in the future',
    `a signing time up to ${latest.toISOString()}, a day ahead of the clock`,
    signingTime.toISOString(),
  );
}

function none(role: Role, name: RoleName): StowageError {
  return new StowageError('signature-missing', 'there is no signature', {
    expected: `${role.threshold} ${name} signature${role.threshold === 1 ? '' : 's'}`,
    found: 'none',
    hint: 'copy the signature files together with the content; stowage sign makes them',
  });
}

function unmet(
  judged: readonly Judged[],
  missing: readonly AlgorithmName[],
  judge: Judge,
  name: RoleName,
): StowageError {
  const { role, trust } = judge;
  const barred = judged.filter((each) => each.reason === 'other-algorithm');
  const keys = new Set([...judge.countedKeys, ...barred.map((each) => each.keyFingerprint)]);
  if (barred.length > 0 && keys.size >= role.threshold)
    return refusedAlgorithm(
      trust.algorithms.join(', '),
      barred.map((each) => `${each.subject} with ${each.algorithm}`).join('; '),
    );
  const causes = judged.map((each) => each.cause).filter((cause) => cause !== undefined);
  const cause = causes.find(({ code }) => code === 'signer-revoked') ?? causes[0];
  if (cause !== undefined && causes.length === judged.length) return cause;
  const lacking = missing.length === 0 ? '' : `, and none by ${missing.join(' or ')}`;
  return new StowageError('threshold-unmet', `too few ${name} signatures${lacking}`, {
    expected: `${counted(role.threshold, 'key')} under ${role.roots.join(' or ')}`,
    found: String(judge.countedKeys.size),
    hint: `have the content signed by more ${name} signers, each with their own key`,
    defects: verdictLines(judged),
  });
}

function lacksAlgorithm(
  judged: readonly Judged[],
  missing: readonly AlgorithmName[],
  name: RoleName,
): StowageError {
  return new StowageError('threshold-unmet', `no ${name} signature by ${missing.join(' or ')}`, {
    expected: `a ${name} signature by ${missing.join(' and one by ')}`,
    found: judged
      .filter((each) => each.counted)
      .map((each) => each.fulfils ?? `${each.algorithm} under a certificate by another algorithm`)
      .join(', '),
    hint: `copy all signature files; if this is all there are, have the content signed with ${missing.join(' and ')} too`,
    defects: verdictLines(judged),
  });
}

function verdictLines(judged: readonly Judged[]): string[] {
  return judged.map(
    (each) =>
      `${each.name}: ${each.subject}, ${each.revoked ?? (each.reason === undefined ? 'counted' : notCounted[each.reason])}`,
  );
}
