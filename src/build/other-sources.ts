import type { OnBytes } from '../core/context.ts';
import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { counted, printable } from '../core/text.ts';
import type { Lock } from '../format/lock.ts';
import { type LockedImage, type LockedModel, sourceRead } from '../format/locked-content.ts';
import type { ModelSource } from '../format/manifest.ts';
import { isStored, localImageOf } from '../format/source.ts';
import { openImage } from '../source/local-images.ts';
import { modelSourceOf } from '../source/model-sources.ts';
import type { Registry } from '../source/oci.ts';
import type { FileOwner, FoundModel, ModelSourceKind } from '../source/origin.ts';
import { parseReference, repositoryName } from '../source/reference.ts';
import { fetchBlob } from './fetch.ts';
import { withLayers } from './layer-files.ts';
import { lockFiles } from './lock-files.ts';
import { keepBlobs, withImage } from './open-image.ts';
import { expectedBlob, type Sources } from './origins.ts';
import type { Transfer } from './transfer.ts';

/** A blob of an item, by which it is recognized at another source. */
export interface WantedBlob {
  readonly digest: Digest;
  readonly size: number;
  /** The path of the file in the model. */
  readonly path?: string;
}

/** A source of an item of a lock, other than the one that it was locked from. */
export interface OtherSource {
  readonly source: string;
  /** Copies a blob into the store. @throws StowageError `source-mismatch` for other content, other `source-*`, `file-*` */
  keep(wanted: WantedBlob, onBytes: OnBytes): Promise<void>;
}

interface OtherContext {
  readonly sources: Sources;
  /** The folder of the manifest. */
  readonly folder: string;
  readonly transfer: Transfer;
}

/** The other sources of each model and image of a lock, by its name, in the order of the manifest. Each is asked on first use. */
export function otherSources(
  { manifest, models, images }: Lock,
  context: OtherContext,
): ReadonlyMap<string, readonly OtherSource[]> {
  const found = new Map<string, readonly OtherSource[]>();
  for (const model of models) {
    const wanted = manifest.models.find(({ name }) => name === model.name);
    if (wanted?.mirrors === undefined) continue;
    const others = without(sourceRead(model), wanted);
    found.set(
      model.name,
      others.map((source) => modelAt({ ...wanted, source }, model, context)),
    );
  }
  for (const image of images) {
    const wanted = manifest.images.find(({ name }) => name === image.name);
    if (wanted?.mirrors === undefined) continue;
    const others = without(sourceRead(image), wanted);
    found.set(
      image.name,
      others.map((source) => imageAt(source, image, context)),
    );
  }
  return found;
}

function without(
  read: string,
  { source, mirrors = [] }: { readonly source: string; readonly mirrors?: readonly string[] },
): string[] {
  return [source, ...mirrors].filter((each) => each !== read);
}

function modelAt(
  wanted: ModelSource,
  model: LockedModel,
  { sources, folder, transfer }: OtherContext,
): OtherSource {
  const { source } = wanted;
  const asked = once(async (): Promise<Opened> => {
    const kind = modelSourceOf(source, { ...sources, folder });
    const found = await kind.resolve(wanted, transfer.signal);
    const repository = found.repository ?? model.repository;
    return { kind, found, owner: { source, repository, commit: found.commit ?? '' } };
  });
  const unwrapped = once(async () => unwrap(await asked(), model, transfer));
  return {
    source,
    keep: async ({ digest, size, path }, onBytes) => {
      const { kind, found, owner } = await asked();
      const file =
        found.files.find((each) => each.digest === digest) ??
        found.files.find((each) => each.path === path);
      if (file === undefined && (found.layers ?? []).length > 0) {
        await unwrapped();
        if ((await transfer.store.size(digest)) !== size) throw other(source, path, digest);
        onBytes(size);
        return;
      }
      if (file === undefined) throw lacks(source, path);
      if (file.size !== size || (file.digest ?? digest) !== digest)
        throw other(source, path, digest, file.digest ?? counted(file.size, 'byte'));
      const origin = await kind.file(owner, file);
      await fetchBlob(
        transfer,
        expectedBlob({ digest, size }, `model ${model.name}: ${path}`),
        origin,
        onBytes,
      );
    },
  };
}

interface Opened {
  readonly kind: ModelSourceKind;
  readonly found: FoundModel;
  readonly owner: FileOwner;
}

/** Takes the files of a model that the store lacks out of the archives of a source. */
async function unwrap(
  { kind, found, owner }: Opened,
  model: LockedModel,
  transfer: Transfer,
): Promise<void> {
  const missing = new Set<string>();
  for (const { path, digest, size } of model.files)
    if ((await transfer.store.size(digest)) !== size) missing.add(path);
  const layers = found.layers ?? [];
  await withLayers(
    layers,
    ({ digest }) => kind.file(owner, { path: `layer ${digest}`, digest }),
    { transfer },
    async (open) => {
      const chosen = open.files.filter(({ path }) => missing.has(path));
      await lockFiles({ kind, owner, chosen, open }, transfer);
    },
  );
}

function imageAt(source: string, image: LockedImage, context: OtherContext): OtherSource {
  const { sources, folder, transfer } = context;
  const local = localImageOf(source);
  const manifests = new Set([
    image.target.digest,
    ...image.platforms.map((each) => each.manifest),
    ...(image.attached ?? []).map((each) => each.digest),
  ]);
  const opened = once(async (): Promise<{ registry: Registry; repository: string }> => {
    if (local === undefined)
      return { registry: sources.registry, repository: repositoryName(parseReference(source)) };
    const { registry } = await openImage(local, folder, image.name);
    return { registry, repository: image.repository };
  });
  const exported = once(() =>
    withImage({ name: image.name, source }, context, (open) => keepBlobs(image, open, transfer)),
  );
  return {
    source,
    keep: async ({ digest, size }, onBytes) => {
      if (local !== undefined && isStored(local)) {
        await exported();
        if ((await transfer.store.size(digest)) !== size) throw other(source, undefined, digest);
        return;
      }
      const { registry, repository } = await opened();
      const origin =
        local === undefined && manifests.has(digest)
          ? registry.manifestOrigin(repository, digest)
          : registry.blob(repository, digest);
      await fetchBlob(
        transfer,
        expectedBlob({ digest, size }, `image ${image.name}`),
        origin,
        onBytes,
      );
    },
  };
}

/** The same promise for every call. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => {
    running ??= work();
    return running;
  };
}

function other(
  source: string,
  path: string | undefined,
  expected: string,
  found?: string,
): StowageError {
  return new StowageError(
    'source-mismatch',
    `${printable(source)} has other content${path === undefined ? '' : ` in ${printable(path)}`}`,
    {
      expected,
      found: found ?? 'other bytes',
      hint: 'remove this mirror from the manifest, or ask its operator why it differs',
    },
  );
}

function lacks(source: string, path = 'the file'): StowageError {
  return new StowageError('source-not-found', `${printable(source)} has no ${printable(path)}`, {
    expected: 'every file in the lock',
    found: 'none of that name or digest',
    hint: 'remove this mirror from the manifest, or ask its operator to complete it',
  });
}
