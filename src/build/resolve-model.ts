import { basename, resolve as resolvePath } from 'node:path';
import { Tally } from '../core/context.ts';
import { type Digest, digestHex, digestOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { canonicalBytes, fieldsOf, textsOf } from '../core/json.ts';
import { MAX_LICENSE_BYTES, MIB } from '../core/limits.ts';
import { parseSafePath } from '../core/safe-path.ts';
import { exactBytes } from '../core/text.ts';
import { cardLicenses } from '../examine/license.ts';
import type { Lock } from '../format/lock.ts';
import {
  type LockedModel,
  type LockedModelFile,
  type ModelHop,
  sourceRead,
} from '../format/locked-content.ts';
import type { ModelSource } from '../format/manifest.ts';
import { exceedsPageCache } from '../io/direct-io.ts';
import { oneLine } from '../net/address.ts';
import { modelSourceOf } from '../source/model-sources.ts';
import {
  type FileOwner,
  type FoundModel,
  type ModelLayer,
  type ModelSourceKind,
  type Origin,
  wholeOf,
} from '../source/origin.ts';
import { stableOrigin } from '../source/stable-file.ts';
import { fetchBlob } from './fetch.ts';
import { withLayers } from './layer-files.ts';
import { byPath, expectedOf, lockFiles, requireRoomForLayers } from './lock-files.ts';
import { firstOf } from './mirrors.ts';
import type { Sources } from './origins.ts';
import { requireSafeNames, selectFiles } from './select.ts';
import type { Transfer } from './transfer.ts';
import { type VerifyOptions, verifyModelPublisher } from './upstream/verify-signatures.ts';

const MAX_CARD_BYTES: number = MIB;
const CARD = 'README.md';

export interface ResolveModelOptions extends VerifyOptions {
  readonly sources: Sources;
  readonly transfer: Transfer;
  /** The previous lock, of which unchanged archives are not downloaded again. */
  readonly previous?: Lock | undefined;
}

export interface ResolvedModel {
  readonly model: LockedModel;
  /** Every path at the source, whether it is selected or not. */
  readonly listed: readonly string[];
}

/**
 * Resolves a model: its revision, and the SHA-256 of each selected file. Reads only files whose SHA-256 the source does not
 * state, into the store, after there is room for all of them. Its mirrors are tried in order if its source cannot be used.
 * @throws StowageError `source-*`, `file-*`, `path-unsafe`, `space-insufficient`, `upstream-*`
 */
export async function resolveModel(
  wanted: ModelSource,
  options: ResolveModelOptions,
): Promise<ResolvedModel> {
  const { name, source, mirrors = [] } = wanted;
  const places = [source, ...mirrors].map((each) => ({ ...wanted, source: each }));
  const trying = { what: `model ${name}`, emit: options.transfer.emit };
  return firstOf(places, trying, async (place) => {
    const { model, listed } = await resolveAt(place, options);
    return place.source === source
      ? { model, listed }
      : { model: { ...model, source, mirror: place.source }, listed };
  });
}

/** Resolves a model at one of its sources. */
async function resolveAt(
  source: ModelSource,
  options: ResolveModelOptions,
): Promise<ResolvedModel> {
  const { sources, folder, signal } = options;
  const kind = modelSourceOf(source.source, { ...sources, folder });
  const found = await kind.resolve(source, signal);
  const repository = found.repository ?? source.repository ?? `models/${source.name}`;
  const owner = { source: source.source, repository, commit: found.commit ?? '' };
  const { layers = [] } = found;
  const reused = layers.length === 0 ? undefined : await lockedBefore(source, found, options);
  if (reused !== undefined) {
    const { files, listed } = reused;
    return lockModel({ source, kind, owner, found, listed }, files, options);
  }
  await requireRoomForLayers(layers, options.transfer);
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  const tally = new Tally(options.transfer.emit, 'pull', total);
  const layerOrigin = ({ digest }: ModelLayer): Promise<Origin> =>
    kind.file(owner, { path: `layer ${digest}`, digest });
  const context = { transfer: options.transfer, onBytes: tally.add };
  return withLayers(layers, layerOrigin, context, async (open) => {
    const whole = { ...found, files: [...found.files, ...open.files] };
    const chosen = selectFiles(source, whole.files);
    requireSafeNames(source, chosen);
    const listed = whole.files.map(({ path }) => path);
    const unread = chosen.filter(({ digest }) => digest === undefined);
    const bytes = unread.reduce((sum, { size }) => sum + size, 0);
    const transfer = { ...options.transfer, uncached: exceedsPageCache(bytes) };
    const files = await lockFiles({ kind, owner, chosen, open }, transfer);
    if (layers.length > 0) await noteListing(found, files, listed, options);
    return lockModel({ source, kind, owner, found: whole, listed }, files, options);
  });
}

interface Selection {
  readonly source: ModelSource;
  readonly kind: ModelSourceKind;
  readonly owner: FileOwner;
  readonly found: FoundModel;
  /** Every path at the source. */
  readonly listed: readonly string[];
}

async function lockModel(
  { source, kind, owner, found, listed }: Selection,
  files: readonly LockedModelFile[],
  options: ResolveModelOptions,
): Promise<ResolvedModel> {
  const { repository } = owner;
  const place = placeOf(found, files);
  const small = async (path: string, maxBytes: number): Promise<Buffer> => {
    const file = found.files.find((each) => each.path === path) ?? { path, size: 0 };
    if (file.size > maxBytes) throw tooLarge(path, file.size, maxBytes);
    const before = files.find((each) => each.path === path);
    const { store } = options.transfer;
    const digest =
      before !== undefined && (await store.size(before.digest)) === before.size
        ? before.digest
        : await fetchBlob(options.transfer, expectedOf(file), await kind.file(owner, file));
    return store.read(digest, maxBytes);
  };
  const card = found.origin === undefined ? undefined : await cardLicense(files, small);
  const license = found.license ?? source.license?.id ?? card;
  const published = { name: repository, listed, files, small };
  const signature =
    source.signature === undefined
      ? found.signature
      : await verifyModelPublisher(source.signature, published, options);
  const hop = await keepHop(found, options.transfer);
  const model: LockedModel = {
    name: source.name,
    source: source.source,
    ...place,
    ...(hop === undefined ? {} : { hop }),
    repository,
    ...(license === undefined ? {} : { license }),
    gated: found.gated,
    ...(found.gate === undefined ? {} : { gate: found.gate }),
    tags: [...new Set(found.tags.map((tag) => oneLine(tag, 256)))].toSorted(),
    ...(signature === undefined ? {} : { signature }),
    files: await withLicense(source, files, options),
  };
  return { model, listed };
}

/** The bundle that a model is in, with its evidence in the store. */
async function keepHop(
  { hop, evidence = new Map() }: FoundModel,
  { store }: Transfer,
): Promise<ModelHop | undefined> {
  if (hop === undefined) return undefined;
  const kept: ModelHop['evidence'][number][] = [];
  for (const [path, bytes] of evidence)
    kept.push({ path, size: bytes.length, digest: await store.put(bytes) });
  return { ...hop, evidence: kept };
}

interface Reused {
  readonly files: readonly LockedModelFile[];
  readonly listed: readonly string[];
}

/**
 * The files of the previous lock, if it has the same manifest in the registry and the same selection: their archives need not
 * be downloaded again while the store has them, and knows what else is in the archives.
 */
async function lockedBefore(
  { name, source, include, exclude }: ModelSource,
  { origin }: FoundModel,
  { previous, transfer: { store } }: ResolveModelOptions,
): Promise<Reused | undefined> {
  const before = previous?.models.find((each) => each.name === name);
  const wanted = previous?.manifest.models.find((each) => each.name === name);
  if (before === undefined || wanted === undefined || origin?.digest === undefined)
    return undefined;
  if (sourceRead(before) !== source || before.origin?.digest !== origin.digest) return undefined;
  if (JSON.stringify([include, exclude]) !== JSON.stringify([wanted.include, wanted.exclude]))
    return undefined;
  const files = before.files.filter(({ from }) => from === undefined || from.layer !== undefined);
  for (const { digest, size } of files) if ((await store.size(digest)) !== size) return undefined;
  const largest = largestOf(files);
  const fact = largest && (await store.fact(largest, listingOf(origin.digest)));
  const paths = fieldsOf(fact)['paths'];
  return Array.isArray(paths) ? { files, listed: textsOf(paths) } : undefined;
}

/** Records every path in the archives, beside the largest of the files. */
async function noteListing(
  { origin }: FoundModel,
  files: readonly LockedModelFile[],
  paths: readonly string[],
  { transfer: { store } }: ResolveModelOptions,
): Promise<void> {
  const largest = largestOf(files);
  if (largest === undefined || origin?.digest === undefined) return;
  await store.noteFact(largest, listingOf(origin.digest), { paths });
}

function largestOf(files: readonly LockedModelFile[]): LockedModelFile | undefined {
  return files.toSorted((a, b) => b.size - a.size)[0];
}

function listingOf(manifest: Digest): string {
  return `listed-${digestHex(manifest)}`;
}

/** The Hub, or the origin and its digest. Without commits, the digest of the origin takes their place. */
function placeOf(
  { endpoint, origin, commit }: FoundModel,
  files: readonly LockedModelFile[],
): Pick<LockedModel, 'endpoint' | 'origin' | 'commit'> {
  if (origin === undefined) return { ...(endpoint && { endpoint }), commit: commit ?? '' };
  const digest = origin.digest ?? digestOfFiles(files);
  return {
    origin: { kind: origin.kind, uri: origin.uri, digest },
    commit: commit ?? digestHex(digest).slice(0, 40),
  };
}

/** The same for the same files, wherever they are. */
function digestOfFiles(files: readonly LockedModelFile[]): Digest {
  return digestOf(canonicalBytes(files.map(({ path, digest }) => ({ path, digest }))));
}

/** The license in the model card; undefined if there is none, or several. */
async function cardLicense(
  files: readonly LockedModelFile[],
  small: (path: string, maxBytes: number) => Promise<Buffer>,
): Promise<string | undefined> {
  const card = files.find(({ path }) => path === CARD);
  if (card === undefined || card.size > MAX_CARD_BYTES) return undefined;
  const licenses = cardLicenses(await small(CARD, MAX_CARD_BYTES)) ?? [];
  return licenses.length === 1 ? oneLine(licenses[0] ?? '', 256) || undefined : undefined;
}

/** The files, with the text of the license that the manifest names. */
async function withLicense(
  { name, license }: ModelSource,
  files: readonly LockedModelFile[],
  { folder, transfer, signal }: ResolveModelOptions,
): Promise<LockedModelFile[]> {
  if (license?.file === undefined) return [...files];
  const path = parseSafePath(basename(license.file));
  if (files.some((each) => each.path.toLowerCase() === path.toLowerCase()))
    throw new StowageError('manifest-invalid', `model ${name} has a file ${path} of its own`, {
      expected: 'a license file only for a model that has none',
      found: path,
      hint: `remove license.file of model ${name}, or give the file another name`,
    });
  const origin = stableOrigin(resolvePath(folder, license.file));
  const bytes = await wholeOf(origin, MAX_LICENSE_BYTES, signal);
  const digest = await transfer.store.put(bytes);
  const text = { path, size: bytes.length, digest, from: { path: license.file } };
  return [...files, text].toSorted(byPath);
}

function tooLarge(path: string, size: number, maxBytes: number): StowageError {
  return new StowageError('source-malformed', `${path} is too large`, {
    expected: `at most ${exactBytes(maxBytes)}`,
    found: exactBytes(size),
    hint: 'check that it is the file that the manifest means',
  });
}
