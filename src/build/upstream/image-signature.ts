import { digestOf } from '../../core/digest.ts';
import { isSourceError, StowageError } from '../../core/error.ts';
import { fieldsOf } from '../../core/json.ts';
import type { LockedBlob } from '../../format/locked-content.ts';
import type { SignatureVerdict } from '../../format/upstream.ts';
import type { Attached, AttachedLayer } from '../../source/oci.ts';
import { readCosignLayer } from './cosign-layer.ts';
import { type HashRule, parseStrict, refuse } from './refusal.ts';
import { type OpenedRequirement, type VerifiedSigner, verifySigner } from './signer.ts';
import { preAuthentication, readSigstoreBundle } from './sigstore-bundle.ts';

/** The image that a signature must cover: the manifest or index that the lock names, byte for byte. */
export interface SignedImage {
  readonly target: LockedBlob;
  readonly bytes: Buffer;
}

/** What a signature is verified against, and when. */
export interface Verification {
  readonly image: SignedImage;
  readonly opened: OpenedRequirement;
  readonly now: Date;
}

type Found = Omit<SignatureVerdict, 'result' | 'trusted'>;

const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
const BUNDLE = /^application\/vnd\.dev\.sigstore\.bundle(\.v0\.3)?\+json/;
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT = 'https://in-toto.io/Statement/v1';
const COSIGN_SIGNATURE = 'https://sigstore.dev/cosign/sign/v1';
const rule: HashRule = 'curve-or-sha256';
const MAX_SIGNATURES = 256;
const MAX_BLOB_BYTES = 1024 * 1024;

/**
 * Finds the first of an image's cosign signatures that meets a requirement. An image may have signatures by several
 * signers: those by other signers are skipped.
 * @returns undefined when it has none
 * @throws StowageError `upstream-refused`, with the defects of each, when none does; `source-*` when none can be read
 */
export async function verifyImageSignature(
  attached: readonly Attached[],
  verification: Verification,
  read: (layer: LockedBlob) => Promise<Buffer>,
): Promise<Found | undefined> {
  const candidates = attached.flatMap((each) =>
    each.layers
      .filter((layer) => formOf(each, layer) !== undefined)
      .map((layer) => ({ each, layer })),
  );
  const defects: StowageError[] = [];
  const unread: StowageError[] = [];
  for (const { each, layer } of candidates.slice(0, MAX_SIGNATURES)) {
    try {
      if (layer.size > MAX_BLOB_BYTES)
        throw refuse('an oversized signature', `${MAX_BLOB_BYTES} bytes`, String(layer.size));
      const bytes = await read(layer);
      const form = formOf(each, layer);
      const verified =
        form === 'cosign'
          ? verifySimple(bytes, layer, verification)
          : verifyBundle(bytes, verification);
      if (verified !== undefined && form !== undefined)
        return { form, signature: each.manifest.digest, ...verified };
    } catch (error) {
      if (isSourceError(error)) unread.push(error);
      else if (error instanceof StowageError && error.code === 'upstream-refused')
        defects.push(error);
      else throw error;
    }
  }
  const [first] = defects;
  if (first === undefined) {
    if (unread[0] !== undefined) throw unread[0];
    return undefined;
  }
  throw new StowageError('upstream-refused', first.message, {
    ...(first.expected === undefined ? {} : { expected: first.expected }),
    ...(first.found === undefined ? {} : { found: first.found }),
    hint: first.hint,
    defects: [...defects, ...unread].map((each) => `${each.message}: ${each.found ?? ''}`),
  });
}

function formOf(each: Attached, layer: AttachedLayer): 'cosign' | 'sigstore-bundle' | undefined {
  if (layer.mediaType === SIMPLE_SIGNING) return 'cosign';
  return each.kind === 'referrer' && BUNDLE.test(layer.mediaType) ? 'sigstore-bundle' : undefined;
}

/** The classic form: a payload whose layer has the signature in an annotation. */
function verifySimple(
  payload: Buffer,
  { annotations }: AttachedLayer,
  { image, opened, now }: Verification,
): VerifiedSigner {
  const presented = { ...readCosignLayer(payload, annotations), signed: payload, payload, rule };
  const verified = verifySigner(presented, opened, now);
  const critical = fieldsOf(parseStrict(payload, 'the signed payload')['critical']);
  if (critical['type'] !== 'cosign container image signature')
    throw refuse('a payload of another kind', 'a container image', String(critical['type']));
  requireImage(fieldsOf(critical['image'])['docker-manifest-digest'], image);
  return verified;
}

/** The new form. Attestations (SBOMs, provenance) are attached the same way and are not signatures of the image. */
function verifyBundle(
  bytes: Buffer,
  { image, opened, now }: Verification,
): VerifiedSigner | undefined {
  const { content, ...others } = readSigstoreBundle(bytes);
  const along = { ...others, signature: content.signature, rule };
  if (content.kind === 'message') {
    requireImage(`sha256:${content.sha256}`, image);
    return verifySigner({ ...along, signed: image.bytes, payload: image.bytes }, opened, now);
  }
  const { payloadType, payload } = content;
  if (payloadType !== PAYLOAD_TYPE)
    throw refuse('an envelope of another kind', PAYLOAD_TYPE, payloadType);
  const statement = parseStrict(payload, 'the signed statement');
  if (statement['_type'] !== STATEMENT)
    throw refuse('a statement of another kind', STATEMENT, String(statement['_type']));
  if (statement['predicateType'] !== COSIGN_SIGNATURE) return undefined;
  const signed = preAuthentication(payloadType, payload);
  const verified = verifySigner({ ...along, signed, payload }, opened, now);
  const { subject } = statement;
  const subjects = Array.isArray(subject) ? subject.map(fieldsOf) : [];
  const digests = subjects.map((each) => `sha256:${fieldsOf(each['digest'])['sha256']}`);
  requireImage(digests.find((each) => each === image.target.digest) ?? digests[0], image);
  return verified;
}

function requireImage(found: unknown, { target, bytes }: SignedImage): void {
  if (found === target.digest && digestOf(bytes) === target.digest) return;
  throw refuse('a signature of another image', target.digest, String(found));
}
