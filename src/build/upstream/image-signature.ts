import { StowageError } from '../../core/error.ts';
import { fieldsOf } from '../../core/fields.ts';
import type { LockedBlob } from '../../format/lock.ts';
import type { SignatureVerdict } from '../../format/upstream.ts';
import type { Attached, AttachedLayer } from '../../source/oci.ts';
import { decodePem } from '../../trust/pem.ts';
import type { OpenedDemand } from './demand.ts';
import { refuse } from './refusal.ts';
import { type Proven, proveSigner } from './signer.ts';
import { preAuthentication, readSigstoreBundle } from './sigstore-bundle.ts';
import { parseStrict, strictBase64 } from './strict-json.ts';
import { readBundleEntry, readCosignEntry, sha256Hex } from './transparency-log.ts';

/** The image that a signature must be about: what the lock names, byte for byte. */
export interface SignedImage {
  readonly target: LockedBlob;
  readonly bytes: Buffer;
}

type Found = Omit<SignatureVerdict, 'result' | 'trusted'>;

const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
const BUNDLE = /^application\/vnd\.dev\.sigstore\.bundle(\.v0\.3)?\+json/;
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT = 'https://in-toto.io/Statement/v1';
const COSIGN_SIGNATURE = 'https://sigstore.dev/cosign/sign/v1';
const ANNOTATIONS = {
  signature: 'dev.cosignproject.cosign/signature',
  certificate: 'dev.sigstore.cosign/certificate',
  chain: 'dev.sigstore.cosign/chain',
  entry: 'dev.sigstore.cosign/bundle',
} as const;
const MAX_SIGNATURES = 32;
const MAX_BLOB_BYTES = 1024 * 1024;

/**
 * The first of an image's cosign signatures that meets a demand. An image may have several, by several signers: one
 * that is another's decides nothing.
 * @returns undefined when it has none
 * @throws StowageError `upstream-refused`, with the defects of each, when none does
 */
export async function verifyImageSignature(
  attached: readonly Attached[],
  image: SignedImage,
  opened: OpenedDemand,
  now: Date,
  read: (layer: LockedBlob) => Promise<Buffer>,
): Promise<Found | undefined> {
  const candidates = attached.flatMap((each) =>
    each.layers
      .filter((layer) => formOf(each, layer) !== undefined)
      .map((layer) => ({ each, layer })),
  );
  const defects: StowageError[] = [];
  for (const { each, layer } of candidates.slice(0, MAX_SIGNATURES)) {
    try {
      if (layer.size > MAX_BLOB_BYTES)
        throw refuse('an oversized signature', `${MAX_BLOB_BYTES} bytes`, String(layer.size));
      const bytes = await read(layer);
      const form = formOf(each, layer);
      const proven =
        form === 'cosign'
          ? verifySimple(bytes, layer, image, opened, now)
          : verifyBundle(bytes, image, opened, now);
      if (proven !== undefined && form !== undefined)
        return { form, signature: each.manifest.digest, ...proven };
    } catch (error) {
      if (!(error instanceof StowageError) || error.code !== 'upstream-refused') throw error;
      defects.push(error);
    }
  }
  const [first] = defects;
  if (first === undefined) return undefined;
  throw new StowageError('upstream-refused', first.message, {
    ...(first.expected === undefined ? {} : { expected: first.expected }),
    ...(first.found === undefined ? {} : { found: first.found }),
    hint: first.hint,
    defects: defects.map((each) => `${each.message}: ${each.found ?? ''}`),
  });
}

function formOf(each: Attached, layer: AttachedLayer): 'cosign' | 'sigstore-bundle' | undefined {
  if (layer.mediaType === SIMPLE_SIGNING) return 'cosign';
  return each.kind === 'referrer' && BUNDLE.test(layer.mediaType) ? 'sigstore-bundle' : undefined;
}

/** The classic form: a payload whose signature stands in an annotation of its layer. */
function verifySimple(
  payload: Buffer,
  { annotations }: AttachedLayer,
  image: SignedImage,
  opened: OpenedDemand,
  now: Date,
): Proven {
  const entry = annotations[ANNOTATIONS.entry];
  const certificates = [ANNOTATIONS.certificate, ANNOTATIONS.chain].flatMap((name) =>
    certificatesIn(annotations[name]),
  );
  const proven = proveSigner(
    {
      signed: payload,
      payload,
      signature: strictBase64(annotations[ANNOTATIONS.signature], 'the signature'),
      certificates,
      rule: 'curve-or-sha256',
      ...(entry === undefined ? {} : { entry: () => readCosignEntry(entry) }),
    },
    opened,
    now,
  );
  const critical = fieldsOf(parseStrict(payload, 'the signed payload')['critical']);
  if (critical['type'] !== 'cosign container image signature')
    throw refuse('a payload of another kind', 'a container image', String(critical['type']));
  requireImage(fieldsOf(critical['image'])['docker-manifest-digest'], image);
  return proven;
}

/** The new form. Attestations (SBOMs, provenance) lie in the same place and are no signatures of the image. */
function verifyBundle(
  bytes: Buffer,
  image: SignedImage,
  opened: OpenedDemand,
  now: Date,
): Proven | undefined {
  const { certificates, content, logEntries } = readSigstoreBundle(bytes);
  const [entry] = logEntries;
  const along = {
    signature: content.signature,
    certificates,
    rule: 'curve-or-sha256' as const,
    ...(entry === undefined ? {} : { entry: () => readBundleEntry(entry) }),
  };
  if (content.kind === 'message') {
    requireImage(`sha256:${content.sha256}`, image);
    return proveSigner({ ...along, signed: image.bytes, payload: image.bytes }, opened, now);
  }
  const { payloadType, payload } = content;
  if (payloadType !== PAYLOAD_TYPE)
    throw refuse('an envelope of another kind', PAYLOAD_TYPE, payloadType);
  const statement = parseStrict(payload, 'the signed statement');
  if (statement['_type'] !== STATEMENT)
    throw refuse('a statement of another kind', STATEMENT, String(statement['_type']));
  if (statement['predicateType'] !== COSIGN_SIGNATURE) return undefined;
  const signed = preAuthentication(payloadType, payload);
  const proven = proveSigner({ ...along, signed, payload }, opened, now);
  const { subject } = statement;
  const subjects = Array.isArray(subject) ? subject.map(fieldsOf) : [];
  const digests = subjects.map((each) => `sha256:${fieldsOf(each['digest'])['sha256']}`);
  requireImage(digests.find((each) => each === image.target.digest) ?? digests[0], image);
  return proven;
}

function requireImage(found: unknown, { target, bytes }: SignedImage): void {
  if (found === target.digest && `sha256:${sha256Hex(bytes)}` === target.digest) return;
  throw refuse('a signature of another image', target.digest, String(found));
}

function certificatesIn(pem: string | undefined): Buffer[] {
  if (pem === undefined) return [];
  const refused = (found: string): StowageError =>
    refuse('an unreadable certificate', 'certificates in PEM', found);
  return decodePem(pem, refused).map(({ bytes }) => bytes);
}
