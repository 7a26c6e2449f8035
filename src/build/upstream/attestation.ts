import { canonicalBytes, type Json } from '../../core/canonical-json.ts';
import { type Digest, digestHex, digestOf } from '../../core/digest.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import type { Lock } from '../../format/lock.ts';
import type { SignatureDemand, SignatureVerdict } from '../../format/upstream.ts';

/**
 * What became of each signature that the manifest asks for, as SLSA verification summaries (an in-toto statement v1 of
 * predicate type https://slsa.dev/verification_summary/v1), by path in the bundle. Covered by the bundle's signature;
 * they bear none of their own.
 */
export function verdictAttestations(lock: Lock): Map<string, Buffer> {
  const documents = new Map<string, Buffer>();
  const add = (name: string, statement: Json): void =>
    void documents.set(`attestations/upstream-${name}.vsa.json`, canonicalBytes(statement));
  lock.models.forEach((model, index) => {
    const demand = lock.manifest.models[index]?.signature;
    const { signature, name } = model;
    if (demand === undefined || signature === undefined) return;
    const unsigned = new Set(signature.unsigned);
    const subject = model.files
      .filter(({ path }) => path !== demand.file && !unsigned.has(path))
      .map(({ path, digest }) => subjectOf(`model:${name}/${path}`, digest));
    const uri = `${model.endpoint}/${model.repository}/tree/${model.commit}`;
    add(name, summary(lock, name, uri, subject, demand, signature));
  });
  lock.images.forEach((image, index) => {
    const demand = lock.manifest.images[index]?.signature;
    const { signature, name, repository, target } = image;
    if (demand === undefined || signature === undefined) return;
    const uri = `oci://${repository}@${target.digest}`;
    const subject = [subjectOf(`image:${name}`, target.digest)];
    add(name, summary(lock, name, uri, subject, demand, signature));
  });
  return documents;
}

function summary(
  lock: Lock,
  name: string,
  resourceUri: string,
  subject: readonly Json[],
  demand: SignatureDemand,
  verdict: SignatureVerdict,
): Json {
  const { manifest } = lock;
  // The demand with the digests of the files that it names: what "policy" means for a signature.
  const policy = canonicalBytes({ demand, trusted: verdict.trusted } as unknown as Json);
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
      resourceUri,
      policy: {
        uri: `urn:${PRODUCT}:manifest:${manifest.name}@${manifest.version}#${name}`,
        digest: sha256(digestOf(policy)),
      },
      ...(verdict.signature === undefined
        ? {}
        : { inputAttestations: [{ uri: resourceUri, digest: sha256(verdict.signature) }] }),
      verificationResult: verdict.result === 'passed' ? 'PASSED' : 'FAILED',
      // A signature says nothing of how something was built.
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
