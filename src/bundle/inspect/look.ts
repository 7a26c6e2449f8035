import type { Context } from '../../core/event.ts';
import { MAX_CONTROL_FILE_BYTES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Trust } from '../../format/trust.ts';
import type { SignerVerdict } from '../../trust/policy.ts';
import { readListed, requireSum } from '../bundle-files.ts';
import { discNumber } from '../discs.ts';
import { readIndexes } from '../read-index.ts';

/** A bundle as its small files show it, with what was checked of them. */
export interface Looked {
  /** Where it lies: one folder, or those of its discs. */
  readonly folders: readonly string[];
  /** SHA-512 of `SHA512SUMS`. */
  readonly id: string;
  readonly bundle: Bundle;
  /** What the signatures came to; absent where nobody said whose count, and then nothing here is vouched for. */
  readonly verdict?: Verdict;
  /** A small file that the list names; undefined where it names none. @throws StowageError `part-missing`, `part-damaged` */
  control(path: string): Promise<Buffer | undefined>;
}

/** Signatures and lists held; parts were not read. */
export interface Verdict {
  readonly trust: Trust;
  readonly signers: readonly SignerVerdict[];
  readonly approvers: readonly SignerVerdict[];
}

/**
 * Looks at a bundle without reading its parts: with a trust document as admission does, and without one as far as its
 * lists agree.
 * @throws StowageError as {@link readIndexes} and, with a trust document, as admission
 */
export async function look(
  folders: readonly string[],
  { trust, ...context }: Context & { readonly trust?: Trust },
): Promise<Looked> {
  if (trust === undefined) return lookUnverified(folders);
  // What judges signatures is loaded when it is asked for.
  const { admit } = await import('../admission/admit.ts');
  const partial = folders.length > 1 || discNumber(folders[0] ?? '') !== undefined;
  const admitted = await admit(folders, { ...context, trust, partial });
  const { id, bundle, signers, approvers, controlFiles } = admitted;
  return {
    ...{ folders, id, bundle },
    verdict: { trust: admitted.trust, signers, approvers },
    control: async (path) => controlFiles.get(path),
  };
}

async function lookUnverified(folders: readonly string[]): Promise<Looked> {
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
