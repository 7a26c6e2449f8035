import type { Digest, Sri } from '../core/digest.ts';
import { type Bundle, bundleFiles, totalSize } from '../format/bundle.ts';
import type { Installer } from '../format/installer.ts';
import { columnsOf } from '../format/part.ts';

/** A site to which a bundle travels, and what it stores. */
export interface Receiver {
  readonly site: string;
  /** Such as `linux/amd64`. */
  readonly platform: string;
  readonly blobs: ReadonlySet<Digest>;
  /** Absent if its receipt does not say which it has: all must travel. */
  readonly installers?: ReadonlySet<Sri>;
  /** Free bytes; absent if its receipt does not say. */
  readonly free?: number;
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
  /** Whether one of them runs on the platform of an installer and lacks it. */
  readonly needsInstaller: (installer: Pick<Installer, 'platform' | 'sha512'>) => boolean;
}

/** @param receivers at least one */
export function commonTo(receivers: readonly Receiver[]): Common {
  return {
    hasBlob: (digest) => receivers.every(({ blobs }) => blobs.has(digest)),
    needsInstaller: ({ platform, sha512 }) =>
      receivers.some(
        ({ installers, platform: own }) =>
          installers === undefined || (own === platform && !installers.has(sha512)),
      ),
  };
}

/**
 * What of a bundle need not travel to sites that have this in common: the parts of blobs that all of them store, the
 * installers that none of them needs, and the recovery parts that no part that travels could need. Pure.
 */
export function incrementOf(bundle: Bundle, { hasBlob, needsInstaller }: Common): Increment {
  const omitted = new Set<string>();
  for (const { digest, parts } of bundle.blobs)
    if (hasBlob(digest)) for (const { path } of parts) omitted.add(path);
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
