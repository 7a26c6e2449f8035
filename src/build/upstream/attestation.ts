import { canonicalBytes, type Json } from '../../core/canonical-json.ts';
import { type Digest, digestHex, digestOf } from '../../core/digest.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import type { Lock } from '../../format/lock.ts';
import type { SignatureRequirement, SignatureVerdict } from '../../format/upstream.ts';

/**
 * The verdict on each signature that the manifest requires, as SLSA verification summaries (an in-toto statement v1 of
 * predicate type https://slsa.dev/verification_summary/v1), by path in the bundle. The bundle's signature covers
 * them; they have none of their own.
 */
export function verdictAttestations(lock: Lock): Map<string, Buffer> {
  const documents = new Map<string, Buffer>();
  const add = (verified: Verified): void =>
    void documents.set(
      `attestations/upstream-${verified.name}.vsa.json`,
      canonicalBytes(summary(lock, verified)),
    );
  lock.models.forEach((model, index) => {
    const requirement = lock.manifest.models[index]?.signature;
    const { signature, name } = model;
    if (requirement === undefined || signature === undefined) return;
    const unsigned = new Set(signature.unsigned);
    const subject = model.files
      .filter(({ path }) => path !== requirement.file && !unsigned.has(path))
      .map(({ path, digest }) => subjectOf(`model:${name}/${path}`, digest));
    const uri = `${model.endpoint}/${model.repository}/tree/${model.commit}`;
    add({ name, uri, subject, requirement, verdict: signature });
  });
  lock.images.forEach((image, index) => {
    const requirement = lock.manifest.images[index]?.signature;
    const { signature, name, repository, target } = image;
    if (requirement === undefined || signature === undefined) return;
    const uri = `oci://${repository}@${target.digest}`;
    const subject = [subjectOf(`image:${name}`, target.digest)];
    add({ name, uri, subject, requirement, verdict: signature });
  });
  return documents;
}

/** A model or image whose signature was looked for. */
interface Verified {
  readonly name: string;
  readonly uri: string;
  readonly subject: readonly Json[];
  readonly requirement: SignatureRequirement;
  readonly verdict: SignatureVerdict;
}

function summary(lock: Lock, { name, uri, subject, requirement, verdict }: Verified): Json {
  const { manifest } = lock;
  // The policy of a signature: the requirement with the digests of the files that it names.
  const policy = canonicalBytes({
    demand: requirement,
    trusted: verdict.trusted,
  } as unknown as Json);
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject,
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
      // A signature says nothing about how something was built.
      verifiedLevels: ['SLSA_BUILD_LEVEL_UNEVALUATED'],
      slsaVersion: '1.0',
      [`urn:${PRODUCT}:signature:v1`]: verdict as unknown as Json,
    },
  };
}

function subjectOf(name: string, digest: Digest): Json {
  return { name, digest: sha256(digest) };
}

function sha256(digest: Digest): Json {
  return { sha256: digestHex(digest) };
}
