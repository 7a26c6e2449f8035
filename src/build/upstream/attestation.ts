import type { Subject } from '../../content/content-kind.ts';
import { fromLock, itemsIn } from '../../content/items.ts';
import { type Digest, digestHex, digestOf } from '../../core/digest.ts';
import { canonicalBytes, type Json } from '../../core/json.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import type { Lock } from '../../format/lock.ts';
import type { SignatureRequirement, SignatureVerdict } from '../../format/upstream.ts';

/**
 * The verdict on each signature that the manifest requires, as SLSA verification summaries (an in-toto statement v1 of
 * predicate type https://slsa.dev/verification_summary/v1), by path in the bundle. The bundle's signature covers
 * them; they are not signed separately.
 */
export function verdictAttestations(lock: Lock): Map<string, Buffer> {
  const documents = fromLock(lock, (kind, item) => {
    const wanted = itemsIn<'wanted'>(lock.manifest, kind).find(({ name }) => name === item.name);
    const { name, signature: verdict } = item;
    const requirement = wanted?.signature;
    if (requirement === undefined || verdict === undefined) return [];
    const leftOut = new Set([
      ...(verdict.unsigned ?? []),
      ...('file' in requirement ? [requirement.file] : []),
    ]);
    const statement = summary(lock, {
      ...{ name, requirement, verdict, uri: kind.signedAddress(item) },
      subjects: kind.subjects(item, leftOut),
    });
    return [[`attestations/upstream-${name}.vsa.json`, canonicalBytes(statement)] as const];
  });
  return new Map(documents);
}

/** An item whose signature was verified. */
interface Verified {
  readonly name: string;
  readonly requirement: SignatureRequirement;
  readonly verdict: SignatureVerdict;
  /** What the publisher signed. */
  readonly uri: string;
  readonly subjects: readonly Subject[];
}

function summary(lock: Lock, { name, uri, subjects, requirement, verdict }: Verified): Json {
  const { manifest } = lock;
  // The policy of a signature: the requirement with the digests of the files that it names.
  const policy = canonicalBytes({
    demand: requirement,
    trusted: verdict.trusted,
  } as unknown as Json);
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjects.map((each) => ({ name: each.name, digest: sha256(each.digest) })),
    predicateType: 'https://slsa.dev/verification_summary/v1',
    predicate: {
      verifier: {
        id: `pkg:npm/${PRODUCT}@${PRODUCT_VERSION}`,
        version: { [PRODUCT]: PRODUCT_VERSION },
      },
      timeVerified: lock.resolvedAt,
      resourceUri: uri,
      policy: {
        uri: `urn:${PRODUCT}:manifest:${manifest.name}@${manifest.version}#${name}`,
        digest: sha256(digestOf(policy)),
      },
      ...(verdict.signature === undefined
        ? {}
        : { inputAttestations: [{ uri, digest: sha256(verdict.signature) }] }),
      verificationResult: verdict.result === 'passed' ? 'PASSED' : 'FAILED',
      // A signature does not prove how something was built.
      verifiedLevels: ['SLSA_BUILD_LEVEL_UNEVALUATED'],
      slsaVersion: '1.0',
      [`urn:${PRODUCT}:signature:v1`]: verdict as unknown as Json,
    },
  };
}

function sha256(digest: Digest): Json {
  return { sha256: digestHex(digest) };
}
