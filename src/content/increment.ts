import type { Digest, Sri } from '../core/digest.ts';
import { type Bundle, type BundleBlob, bundleFiles, totalSize } from '../format/bundle.ts';
import type { Installer } from '../format/installer.ts';
import { columnsOf, type Part } from '../format/part.ts';

/** A site to which a bundle travels, and what it stores. */
export interface Receiver {
  readonly site: string;
  /** Such as `linux/amd64`. */
  readonly platform: string;
  readonly blobs: ReadonlySet<Digest>;
  /** The SHA-512 of each part of the files of models that it stores. */
  readonly parts: ReadonlySet<Sri>;
  /** Absent if its receipt does not say which it has: all must travel. */
  readonly installers?: ReadonlySet<Sri>;
  /** Free bytes; absent if its receipt does not say. */
  readonly free?: number;
  /** The part sizes of the bundles that it stores of each product, in bytes; absent if that is not known. */
  readonly partSizes?: ReadonlyMap<string, ReadonlySet<number>>;
  /** `name version` of bundles that it stores and of which the contents are not known here. */
  readonly unknown: readonly string[];
}

/** The files of a bundle that need not travel to some sites. */
export interface Increment {
  /** Paths of the parts and installers that stay behind. */
  readonly omitted: ReadonlySet<string>;
  /** Bytes of the listed files that travel. */
  readonly bytes: number;
  /** Bytes of all listed files. */
  readonly total: number;
}

/** What some sites have in common. */
export interface Common {
  /** Whether all of them store a blob. */
  readonly hasBlob: (digest: Digest) => boolean;
  /** Whether all of them store these bytes as a part of a file of a model, at any offset of any such file. */
  readonly hasPart: (sha512: Sri) => boolean;
  /** Whether all of them store parts of files of models. */
  readonly hasParts: boolean;
  /** Whether one of them runs on the platform of an installer and lacks it. */
  readonly needsInstaller: (installer: Pick<Installer, 'platform' | 'sha512'>) => boolean;
}

/** @param receivers at least one */
export function commonTo(receivers: readonly Receiver[]): Common {
  return {
    hasBlob: (digest) => receivers.every(({ blobs }) => blobs.has(digest)),
    hasPart: (sha512) => receivers.every(({ parts }) => parts.has(sha512)),
    hasParts: receivers.every(({ parts }) => parts.size > 0),
    needsInstaller: ({ platform, sha512 }) =>
      receivers.some(
        ({ installers, platform: own }) =>
          installers === undefined || (own === platform && !installers.has(sha512)),
      ),
  };
}

/** The files of models of a bundle or lock: parts of these may come from another file. Layers of images are compared as a whole. */
export function weightsOf({ models }: WithModels): Set<Digest> {
  return new Set(models.flatMap(({ files }) => files.map(({ digest }) => digest)));
}

interface WithModels {
  readonly models: readonly { readonly files: readonly { readonly digest: Digest }[] }[];
}

/** The parts of the files of models of a bundle, each with its blob. */
export function* partsOfWeights(bundle: Bundle): Iterable<readonly [Part, BundleBlob]> {
  const weights = weightsOf(bundle);
  for (const blob of bundle.blobs)
    if (weights.has(blob.digest)) for (const part of blob.parts) yield [part, blob];
}

/** What these bundles have. */
export function holdingsOf(bundles: readonly Bundle[]): Pick<Receiver, 'blobs' | 'parts'> {
  const parts = new Set<Sri>();
  for (const bundle of bundles)
    for (const [{ sha512 }] of partsOfWeights(bundle)) parts.add(sha512);
  return {
    blobs: new Set(bundles.flatMap(({ blobs }) => blobs.map(({ digest }) => digest))),
    parts,
  };
}

/** A receiver that stores a bundle too. */
export function withBundle(receiver: Receiver, bundle: Bundle): Receiver {
  const { blobs, parts } = holdingsOf([bundle]);
  return {
    ...receiver,
    blobs: new Set([...receiver.blobs, ...blobs]),
    parts: new Set([...receiver.parts, ...parts]),
  };
}

/**
 * What need not travel if these blobs are left out too.
 * @param common of the receiving sites; absent for any site, which may need every installer
 */
export function leavingOut(blobs: ReadonlySet<Digest>, common?: Common): Common {
  return {
    hasBlob: (digest) => blobs.has(digest) || common?.hasBlob(digest) === true,
    hasPart: (sha512) => common?.hasPart(sha512) === true,
    hasParts: common?.hasParts === true,
    needsInstaller: (installer) => common?.needsInstaller(installer) ?? true,
  };
}

/**
 * What of a bundle need not travel to sites that have this in common: the parts of blobs that all of them store, the parts of models
 * that all of them have in another file, the
 * installers that none of them needs, and the recovery parts that no part that travels could need. Pure.
 */
export function incrementOf(bundle: Bundle, common: Common): Increment {
  const { hasBlob, hasPart, needsInstaller } = common;
  const omitted = new Set<string>();
  for (const { digest, parts } of bundle.blobs)
    if (hasBlob(digest)) for (const { path } of parts) omitted.add(path);
  for (const [{ path, sha512 }] of partsOfWeights(bundle)) if (hasPart(sha512)) omitted.add(path);
  for (const each of bundle.installers ?? []) if (!needsInstaller(each)) omitted.add(each.path);
  for (const path of uselessRecovery(bundle, omitted)) omitted.add(path);
  const files = bundleFiles(bundle);
  return {
    omitted,
    bytes: totalSize(files.filter(({ path }) => !omitted.has(path))),
    total: totalSize(files),
  };
}

/** Recovery parts at offsets at which every column has nothing but omitted parts. */
function uselessRecovery({ blobs, parity }: Bundle, omitted: ReadonlySet<string>): string[] {
  if (parity === undefined) return [];
  const { columns, rows, stripe } = parity;
  const useful = new Set<number>();
  for (const column of columnsOf(
    columns,
    blobs.flatMap(({ parts }) => parts),
  )) {
    for (const { part, start } of column.parts) {
      if (omitted.has(part.path) || part.size === 0) continue;
      const last = Math.floor((start + part.size - 1) / stripe);
      for (let at = Math.floor(start / stripe); at <= last; at++) useful.add(at);
    }
  }
  return rows.flatMap((row) => row.flatMap(({ path }, index) => (useful.has(index) ? [] : [path])));
}
