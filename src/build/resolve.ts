import { basename, resolve as resolvePath } from 'node:path';
import type { Context } from '../core/context.ts';
import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../core/limits.ts';
import { parseSafePath } from '../core/safe-path.ts';
import { derivedVariables, examineImage } from '../examine/examine-image.ts';
import type { DerivedSetting } from '../format/derived.ts';
import { checkDocument } from '../format/document.ts';
import { momentOf } from '../format/field.ts';
import type { Finding } from '../format/finding.ts';
import { type Lock, lockKind, sealLock } from '../format/lock.ts';
import type { LockedFile, LockedImage, LockedModel } from '../format/locked-content.ts';
import type { FileSource, ImageSource, Manifest } from '../format/manifest.ts';
import { isStored, localImageOf } from '../format/source.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { withSharedStoreLock } from '../io/store-use.ts';
import { isGitSource } from '../source/git-address.ts';
import { httpsOrigin } from '../source/https.ts';
import type { OpenImage } from '../source/local-images.ts';
import { parseReference, repositoryName } from '../source/reference.ts';
import { attachmentFindings, findAttached } from './attached.ts';
import { checkQuestions } from './check-questions.ts';
import { deriveOffline, deriveStartup } from './derive.ts';
import { examineResolved } from './examine.ts';
import { fetchBlob } from './fetch.ts';
import { gitCommit, keepGit } from './git-tree.ts';
import { inspectLocal, keepLocal } from './local-files.ts';
import { firstOf } from './mirrors.ts';
import { resolveObjects } from './objects/resolve-objects.ts';
import { keepBlobs, withImage } from './open-image.ts';
import { type Sources, sourceKey } from './origins.ts';
import { resolveModel } from './resolve-model.ts';
import { type Transfer, withTransfer } from './transfer.ts';
import {
  type VerifyOptions,
  verdictFindings,
  verifyImagePublisher,
} from './upstream/verify-signatures.ts';
import { lockAfter } from './version-change.ts';

export interface ResolveOptions extends Context {
  /** The folder that relative paths in the manifest start from. */
  readonly folder: string;
  readonly store: BlobStore;
  readonly sources: Sources;
  /** The previous lock, whose sequence this one continues. */
  readonly previous?: Lock;
  /** Whether it was edited: nothing in it about a source is reused. */
  readonly previousEdited?: boolean;
  /** The services whose `startupSeconds` the manifest does not state: theirs follows from the size of their models. */
  readonly unstatedStartup?: ReadonlySet<string>;
}

/**
 * Resolves a manifest: every tag and branch becomes a digest, every file has its size and SHA-256.
 * Downloads only files without a SHA-256 upstream (those outside LFS), local files, and files over https.
 * Returns the previous lock if nothing has changed.
 */
export async function resolve(manifest: Manifest, options: ResolveOptions): Promise<Lock> {
  const { store, signal } = options;
  return withSharedStoreLock(store.root, { signal }, () =>
    withTransfer(options, (transfer) => resolveAll(manifest, { ...options, transfer })),
  );
}

type Resolving = ResolveOptions & { readonly transfer: Transfer };

async function resolveAll(manifest: Manifest, options: Resolving): Promise<Lock> {
  // What is wrong here is reported before anything is downloaded or read.
  for (const { source } of manifest.files.filter(isLocalSource)) {
    const path = resolvePath(options.folder, source);
    parseSafePath(basename(path));
    await inspectLocal(path);
  }
  const resolved: Finding[] = [];
  const models: LockedModel[] = [];
  const listed = new Map<string, readonly string[]>();
  for (const source of manifest.models) {
    options.emit({ type: 'step', step: 'resolve model', subject: source.source });
    const previous = options.previousEdited === true ? undefined : options.previous;
    const context = { ...options, ...verifyOptions(options), previous };
    const resolvedModel = await resolveModel(source, context);
    const { model } = resolvedModel;
    listed.set(source.name, resolvedModel.listed);
    if (source.signature !== undefined && model.signature !== undefined)
      resolved.push(
        ...verdictFindings(source.name, source.signature.file, source.signature, model.signature),
      );
    models.push(model);
  }
  const images: LockedImage[] = [];
  const variables: DerivedSetting[] = [];
  for (const source of manifest.images) {
    options.emit({ type: 'step', step: 'resolve image', subject: source.source });
    const { findings, derived, ...image } = await resolveImage(source, manifest, options);
    resolved.push(...findings);
    variables.push(...derived);
    if (source.signature !== undefined && image.signature !== undefined)
      resolved.push(
        ...verdictFindings(source.name, image.repository, source.signature, image.signature),
      );
    images.push(image);
  }
  const files: LockedFile[] = [];
  for (const source of manifest.files) {
    options.emit({ type: 'step', step: 'resolve files', subject: source.source });
    files.push(await resolveFile(source, options));
  }
  await checkQuestions(manifest, files, options.store);
  const { images: objectImages, findings, ...cluster } = await resolveObjects(manifest, options);
  for (const source of objectImages) {
    options.emit({ type: 'step', step: 'resolve image', subject: source.source });
    const { findings: found, derived: _, ...image } = await resolveImage(source, manifest, options);
    resolved.push(...found);
    images.push(image);
  }
  options.emit({ type: 'step', step: 'examine', subject: manifest.name });
  const examined = await examineResolved({ manifest, models, files }, listed, options);
  const { previous, unstatedStartup = new Set() } = options;
  const derived = [
    ...deriveOffline(manifest),
    ...variables,
    ...deriveStartup(manifest, models, unstatedStartup),
  ];
  const lock = sealLock({
    seq: (previous?.seq ?? 0) + 1,
    resolvedAt: momentOf(options.now()),
    manifest,
    models,
    images,
    files,
    ...cluster,
    findings: [...resolved, ...examined, ...findings],
    ...(derived.length === 0 ? {} : { derived }),
  });
  checkDocument(lockKind, lock);
  return lockAfter(previous, lock);
}

type ResolvedImageItem = LockedImage & {
  readonly findings: readonly Finding[];
  readonly derived: readonly DerivedSetting[];
};

async function resolveImage(
  source: ImageSource,
  manifest: Manifest,
  options: Resolving,
): Promise<ResolvedImageItem> {
  const places = [source.source, ...(source.mirrors ?? [])].map((each) => ({
    ...source,
    source: each,
  }));
  const trying = { what: `image ${source.name}`, emit: options.emit };
  return firstOf(places, trying, (place) =>
    withImage(place, options, async (open) => {
      const image = await lockImage(place, open, manifest, options);
      requireStatedDigest(source.source, image);
      const local = localImageOf(place.source);
      // An export is expensive, and is gone after this.
      if (local !== undefined && isStored(local)) await keepBlobs(image, open, options.transfer);
      if (place.source === source.source) return image;
      // The image keeps its name: services and depots know it by that, wherever it was read.
      const repository = namedRepository(source.source) ?? image.repository;
      return { ...image, source: source.source, mirror: place.source, repository };
    }),
  );
}

/** The repository in a reference; undefined for a local image. */
function namedRepository(source: string): string | undefined {
  return localImageOf(source) === undefined ? repositoryName(parseReference(source)) : undefined;
}

/** @throws StowageError `source-mismatch` if a mirror has another image than the digest in the source names */
function requireStatedDigest(source: string, { target }: Pick<LockedImage, 'target'>): void {
  const stated = localImageOf(source) === undefined ? parseReference(source).digest : undefined;
  if (stated === undefined || stated === target.digest) return;
  throw new StowageError('source-mismatch', 'the image is not the one with the stated digest', {
    expected: stated,
    found: target.digest,
    hint: 'correct the mirror in the manifest, or ask its operator to copy the image again',
  });
}

async function lockImage(
  source: ImageSource,
  { registry, reference }: OpenImage,
  { platforms, services }: Manifest,
  options: Resolving,
): Promise<ResolvedImageItem> {
  const found = await registry.resolve(reference, platforms, options.signal, source.foreignLayers);
  for (const bytes of found.manifests.values()) {
    if (bytes.length <= MAX_OCI_MANIFEST_BYTES) await options.store.put(bytes);
  }
  const { store, signal } = options;
  const { name } = source;
  const { repository } = found;
  const running = services.filter((each) => each.image === name);
  const examined: Finding[] = [];
  const derived = new Map<string, DerivedSetting>();
  for (const each of found.images) {
    const bytes = await registry.small(repository, each.config, signal);
    const config = jsonOf(bytes);
    examined.push(...examineImage({ ...each, name, repository, config, services: running }));
    for (const setting of derivedVariables({ config, services: running }))
      derived.set(`${setting.service} ${setting.field}`, setting);
    await store.put(bytes);
  }
  const { attached, blobs, failures } = await findAttached(found, registry, store, signal);
  const bytes = found.manifests.get(found.target.digest) ?? Buffer.alloc(0);
  const signature =
    source.signature === undefined
      ? undefined
      : await verifyImagePublisher(
          source.signature,
          { image: found, bytes, registry },
          verifyOptions(options),
        );
  return {
    name: source.name,
    source: source.source,
    repository: found.repository,
    target: found.target,
    platforms: found.platforms,
    blobs,
    ...(attached.length === 0 ? {} : { attached }),
    ...(signature === undefined ? {} : { signature }),
    findings: [...distinct(examined), ...attachmentFindings(name, repository, failures)],
    derived: [...derived.values()],
  };
}

/** Removes findings that several platforms have in common. */
function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((each) => [JSON.stringify(each), each])).values()];
}

/** A config that is not JSON is treated as empty. */
function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function verifyOptions({ folder, now, signal }: ResolveOptions): VerifyOptions {
  return { folder, now: now(), signal };
}

async function resolveFile(source: FileSource, options: Resolving): Promise<LockedFile> {
  const { store, folder } = options;
  if (source.source.startsWith('https://') && source.digest !== undefined) {
    const { digest } = source;
    const path = lastSegment(source.source);
    const expected = { key: sourceKey(source.source), digest, resume: false };
    const origin = httpsOrigin(source.source, options.sources.http);
    await fetchBlob(options.transfer, expected, origin);
    const size = (await store.size(digest)) ?? 0;
    return {
      name: source.name,
      source: source.source,
      kind: 'file',
      path,
      digest,
      size,
    };
  }
  if (isGitSource(source.source)) return resolveGit(source, options);
  const absolute = resolvePath(folder, source.source);
  const path = parseSafePath(basename(absolute));
  const kept = await keepLocal(store, absolute, options);
  requireDigest(source, kept.digest);
  return { name: source.name, source: source.source, path, ...kept };
}

function isLocalSource({ source }: FileSource): boolean {
  return !source.startsWith('https://') && !isGitSource(source);
}

/** A commit always has the same tree, so the previous lock of it remains valid while its blob is in the store. */
async function resolveGit(source: FileSource, options: Resolving): Promise<LockedFile> {
  const { store, sources, transfer } = options;
  const previous = options.previousEdited === true ? undefined : options.previous;
  const address = sources.git.parse(source.source);
  const path = parseSafePath(address.name);
  const commit = await gitCommit(address, sources.git, transfer);
  const before = previous?.files.find(({ name }) => name === source.name);
  const asked = previous?.manifest.files.find(({ name }) => name === source.name);
  const same =
    before?.git?.url === address.url &&
    before.git.commit === commit &&
    asked?.lfs === source.lfs &&
    asked?.submodules === source.submodules;
  const kept =
    before?.git !== undefined && same && (await store.size(before.digest)) === before.size
      ? { kind: before.kind, digest: before.digest, size: before.size, git: before.git }
      : await keepGit({ url: address.url, commit }, source, sources.git, transfer);
  requireDigest(source, kept.digest);
  return { name: source.name, source: source.source, path, ...kept };
}

function requireDigest(source: FileSource, found: Digest): void {
  if (source.digest !== undefined && source.digest !== found) {
    throw new StowageError(
      'source-mismatch',
      `files ${source.name} do not match the digest in the manifest`,
      {
        expected: source.digest,
        found,
        hint: 'use the correct file, or correct the digest in the manifest',
      },
    );
  }
}

function lastSegment(url: string): string {
  const last = new URL(url).pathname.split('/').at(-1) ?? '';
  return parseSafePath(decoded(last));
}

/** Invalid percent-encoding is kept as it is, so that the check of the name rejects it. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
