import type { Context } from '../../core/context.ts';
import { MAX_CONTROL_FILE_BYTES } from '../../core/limits.ts';
import { allParts, type Bundle } from '../../format/bundle.ts';
import type { Trust } from '../../format/trust.ts';
import { listMedia } from '../../io/media.ts';
import type { SignerVerdict } from '../../trust/policy.ts';
import { absentParts } from '../absent-parts.ts';
import { readListed, requireSum } from '../bundle-files.ts';
import { discLabel, onDiscs } from '../discs.ts';
import { readIndexes } from '../read-index.ts';

/** A bundle as its control files describe it, and what was checked. */
export interface BundleView {
  /** The bundle's folder, or those of its discs. */
  readonly folders: readonly string[];
  /** SHA-512 of `SHA512SUMS`. */
  readonly id: string;
  readonly bundle: Bundle;
  /** The result of the signature check; absent without a trust document, and then nothing here is verified. */
  readonly verdict?: Verdict;
  /** A control file; undefined where the bundle has none at this path. @throws StowageError `part-missing`, `part-damaged` */
  control(path: string): Promise<Buffer | undefined>;
}

/** Signatures and lists are valid; parts were not read. */
export interface Verdict {
  readonly trust: Trust;
  readonly signers: readonly SignerVerdict[];
  readonly approvers: readonly SignerVerdict[];
}

/**
 * Reads a bundle without its parts. With a trust document, it is checked as in admission; without one, only its lists are
 * compared with each other.
 * @throws StowageError as {@link readIndexes} and, with a trust document, as admission
 */
export async function viewBundle(
  folders: readonly string[],
  { trust, ...context }: Context & { readonly trust?: Trust },
): Promise<BundleView> {
  if (trust === undefined) return lookUnverified(folders);
  // Loaded on demand: most uses check no signatures.
  const { admit } = await import('../admission/admit.ts');
  const admitted = await admit(folders, { ...context, trust, partial: true });
  const { id, bundle, signers, approvers, controlFiles } = admitted;
  return {
    ...{ folders, id, bundle },
    verdict: { trust: admitted.trust, signers, approvers },
    control: async (path) => controlFiles.get(path)?.read(),
  };
}

async function lookUnverified(folders: readonly string[]): Promise<BundleView> {
  const { id, bundle, checksums } = await readIndexes(folders);
  const [first = ''] = folders;
  const control = async (path: string): Promise<Buffer | undefined> => {
    if (!bundle.control.some((each) => each.path === path)) return undefined;
    const bytes = await readListed(first, path, MAX_CONTROL_FILE_BYTES, 'part-missing');
    requireSum(checksums, path, bytes);
    return bytes;
  };
  return { folders, id, bundle, control };
}

/** The parts of a bundle in one disc's folder, by file name; their content was not read. */
export interface PresentDisc {
  readonly disc: string;
  readonly parts: number;
  /** The total size of these parts, in bytes. */
  readonly size: number;
}

/** Some discs of a bundle, or an increment. */
export interface Presence {
  readonly discs: readonly PresentDisc[];
  /** How many parts are not there. */
  readonly absent: number;
  /** The optional parts that are therefore not complete. */
  readonly without: readonly string[];
}

/** What is there of a bundle; undefined for a complete bundle in one folder. */
export async function presentDiscs({
  bundle,
  folders,
}: Pick<BundleView, 'bundle' | 'folders'>): Promise<Presence | undefined> {
  const parts = allParts(bundle);
  const present = new Uint8Array(parts.length);
  const discs: PresentDisc[] = [];
  for (const folder of folders) {
    const files = new Set<string>();
    for (const { path, kind } of await listMedia(folder)) if (kind === 'file') files.add(path);
    let [found, size] = [0, 0];
    for (const [at, part] of parts.entries()) {
      if (!files.has(part.path)) continue;
      present[at] = 1;
      found += 1;
      size += part.size;
    }
    discs.push({ disc: discLabel(folder), parts: found, size });
  }
  const absent = parts.filter((_, at) => present[at] === 0);
  if (absent.length === 0 && !onDiscs(folders)) return undefined;
  return { discs, absent: absent.length, without: absentParts(bundle, absent).parts };
}
