import { type Digest, digestOf, isDigest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { canonicalBytes, type Fields, fieldsOf, parseJson, sizeOf, textOf } from '../core/json.ts';
import { KIB, MAX_OCI_MANIFEST_BYTES } from '../core/limits.ts';
import { includedTag, isTag } from '../core/repository-name.ts';
import { counted } from '../core/text.ts';
import type { Bundle } from '../format/bundle.ts';
import type { ManifestClaim, Served } from './content-kind.ts';
import { fromBundle } from './items.ts';

/** The properties of a stored manifest or index. */
export interface StoredManifest {
  readonly mediaType: string;
  /** Bytes of the manifest itself. */
  readonly size: number;
  /** Its config and layers. */
  readonly blobs: readonly Digest[];
  /** The manifests that an index lists. */
  readonly manifests: readonly Digest[];
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Listed {
  readonly digest: Digest;
  readonly size: number;
  readonly isIndex: boolean;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const INDEX_TYPE = /\.index\.v1\+json$|\.manifest\.list\.v2\+json$/;
/** An upper bound for the descriptor of a generated layer, with its two annotations. */
const LAYER_BYTES: number = 4 * KIB;

/** Every manifest in a bundle, with what `bundle.json` states about it. */
export function manifestClaims(bundle: Bundle): ManifestClaim[] {
  return fromBundle(bundle, (kind, item) => kind.manifests(item));
}

/** The size limit of this manifest in bytes: that of the distribution specification, or more if it has many layers. */
export function maxManifestBytes({ layers = [] }: ManifestClaim): number {
  return Math.max(MAX_OCI_MANIFEST_BYTES, LAYER_BYTES * layers.length);
}

/**
 * Reads a manifest whose digest was verified, and compares it with what `bundle.json` states about it.
 * @throws StowageError `index-mismatch`
 */
export function readManifest(
  claim: ManifestClaim,
  bytes: Buffer,
  sizes: ReadonlyMap<Digest, number>,
): StoredManifest {
  const { config, layers, manifests, ...document } = documentOf(claim, bytes);
  if (claim.lists !== undefined) requireListed(claim, manifests);
  else if (config === undefined && claim.complete)
    throw contradiction(claim, 'a manifest with a config', 'no config');
  const blobs = config === undefined ? layers : [config, ...layers];
  if (claim.config !== undefined && config?.digest !== claim.config)
    throw contradiction(claim, `config ${claim.config}`, String(config?.digest));
  if (claim.layers !== undefined) requireSame(claim, claim.layers, layers);
  for (const { digest, size } of blobs) {
    const found = sizes.get(digest);
    if (found === size || (found === undefined && !claim.complete)) continue;
    const what = found === undefined ? 'a blob that the bundle lacks' : counted(found, 'byte');
    throw contradiction(claim, `blob ${digest} of ${counted(size, 'byte')}`, what);
  }
  return {
    ...document,
    blobs: blobs.map(({ digest }) => digest),
    manifests: manifests.map(({ digest }) => digest),
  };
}

interface Document extends Pick<StoredManifest, 'mediaType' | 'size' | 'annotations'> {
  readonly config: Listed | undefined;
  readonly layers: readonly Listed[];
  readonly manifests: readonly Listed[];
}

function documentOf(claim: ManifestClaim, bytes: Buffer): Document {
  const fields = parse(claim, bytes);
  const { config, layers = [], manifests, annotations } = fields;
  if (claim.complete && (manifests === undefined) !== (claim.lists === undefined))
    throw contradiction(claim, ...kindsOf(claim));
  return {
    mediaType: textOf(fields['mediaType'], 255) ?? (manifests === undefined ? MANIFEST : INDEX),
    size: bytes.length,
    config: config === undefined ? undefined : listedOf(claim, config),
    layers: listOf(claim, layers),
    manifests: listOf(claim, manifests ?? []),
    ...(annotations === undefined ? {} : { annotations: textsOf(annotations) }),
  };
}

function parse(claim: ManifestClaim, bytes: Buffer): Fields {
  try {
    return fieldsOf(parseJson(bytes));
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    throw contradiction(claim, kindsOf(claim)[0], error.message, error);
  }
}

function kindsOf({ lists }: ManifestClaim): [expected: string, found: string] {
  const kinds: [string, string] = ['an OCI image manifest', 'an index of manifests'];
  return lists === undefined ? kinds : [kinds[1], kinds[0]];
}

function listOf(claim: ManifestClaim, value: unknown): Listed[] {
  if (!Array.isArray(value)) throw contradiction(claim, 'a list of descriptors', typeof value);
  return value.map((each) => listedOf(claim, each));
}

function listedOf(claim: ManifestClaim, value: unknown): Listed {
  const { digest, size, mediaType } = fieldsOf(value);
  const bytes = sizeOf(size);
  if (typeof digest === 'string' && isDigest(digest) && bytes !== undefined)
    return { digest, size: bytes, isIndex: INDEX_TYPE.test(textOf(mediaType) ?? '') };
  throw contradiction(claim, 'descriptors with digest and size', 'a malformed descriptor');
}

function textsOf(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fieldsOf(value)).flatMap(([name, text]) =>
      typeof text === 'string' ? [[name, text] as const] : [],
    ),
  );
}

/** An index may name further indexes, which name the manifest. */
function requireListed(claim: ManifestClaim, manifests: readonly Listed[]): void {
  const known = new Set(manifests.map(({ digest }) => digest));
  const missing = claim.lists?.find((digest) => !known.has(digest));
  if (missing !== undefined && !manifests.some(({ isIndex }) => isIndex))
    throw contradiction(claim, `an entry for ${missing}`, 'none');
}

function requireSame(
  claim: ManifestClaim,
  expected: readonly Digest[],
  layers: readonly Listed[],
): void {
  const found = layers.map(({ digest }) => digest);
  const [a, b] = [expected, found].map((list) => list.toSorted().join(' '));
  if (a === b) return;
  const strange = found.find((digest) => !expected.includes(digest));
  throw contradiction(
    claim,
    `the ${counted(expected.length, 'file')} that bundle.json lists`,
    strange === undefined ? counted(found.length, 'layer') : `layer ${strange}`,
  );
}

function contradiction(
  { what, digest }: ManifestClaim,
  expected: string,
  found: string,
  cause?: unknown,
): StowageError {
  return new StowageError('index-mismatch', `${what} (${digest}) contradicts bundle.json`, {
    ...{ expected, found, cause },
    hint: 'do not use this bundle; ask the release engineer for another copy',
  });
}

/** An index of the platforms that a bundle includes, and the tags that name it. */
export interface IncludedIndex {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly tags: Readonly<Record<string, Digest>>;
}

/**
 * A generated index of the included platforms, for an item whose original index lists more; undefined for any other
 * item. A client that copies all platforms fails with the original index, which keeps its bytes and so its digest.
 */
export function includedIndex(
  { target, platforms = [], tags }: Served,
  known: ReadonlyMap<Digest, StoredManifest>,
): IncludedIndex | undefined {
  if (target === undefined) return undefined;
  const listed = known.get(target.digest)?.manifests ?? [];
  const here = platforms.filter(({ manifest }) => listed.includes(manifest));
  if (here.length === 0 || listed.every((each) => here.some(({ manifest }) => manifest === each)))
    return undefined;
  const manifests = here.flatMap(({ platform, manifest: digest }) => {
    const [os = '', architecture = '', variant] = platform.split('/');
    const stored = known.get(digest);
    if (stored === undefined) return [];
    const { mediaType, size } = stored;
    const fields = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    return [{ mediaType, digest, size, platform: fields }];
  });
  const { mediaType } = target;
  const bytes = Buffer.from(canonicalBytes({ schemaVersion: 2, mediaType, manifests }));
  const digest = digestOf(bytes);
  const own = Object.entries(tags).flatMap(([tag, named]) =>
    named === target.digest && isTag(includedTag(tag)) ? [[includedTag(tag), digest] as const] : [],
  );
  return { digest, mediaType, bytes, tags: Object.fromEntries(own) };
}
