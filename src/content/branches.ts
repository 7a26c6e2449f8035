import { canonicalJson, type Json } from '../core/json.ts';
import { formatBytes } from '../core/text.ts';
import type { SignatureVerdict } from '../format/upstream.ts';
import type { Change, Named, NamedChange } from './changes.ts';

/** A line of a tree, and the lines below it. */
export interface Branch {
  /** A function if the line may be omitted from a long list. */
  readonly text: string | (() => string);
  /** Bytes, for the total of the lines that a long list omits. */
  readonly size?: number;
  readonly below?: readonly Branch[];
}

/** Files with their sizes. */
export function sizedBranches(
  files: readonly { readonly path: string; readonly size: number }[],
): Branch[] {
  return files.map(({ path, size }) => ({
    text: () => `${formatBytes(size).padStart(10)}  ${path}`,
    size,
  }));
}

/** The result of verifying the publisher's signature, as recorded in the lock. */
export function publisherBranches(verdict: SignatureVerdict | undefined): Branch[] {
  if (verdict === undefined) return [];
  const { result, signer, reason, signedAt, form } = verdict;
  if (result !== 'passed')
    return [{ text: `publisher's signature ${result}: ${reason ?? 'without a reason'}` }];
  const name = signer?.identities?.join(', ') ?? signer?.subject ?? `key ${signer?.key ?? ''}`;
  const when = signedAt === undefined ? '' : `, ${signedAt} by its log`;
  return [
    {
      text: `publisher's signature verified when the bundle was locked: ${name}${when} (${form ?? ''})`,
    },
  ];
}

/** What was changed (~), added (+) and removed (-). */
export function differenceBranches<T, C>(
  { added, removed, changed }: Named<T, C>,
  line: (each: T) => string,
  branch: (each: C) => Branch,
): Branch[] {
  // Changes come first, because a long list is cut at the end.
  return [
    ...changed.map(branch),
    ...added.map((each) => ({ text: `+ ${line(each)}` })),
    ...removed.map((each) => ({ text: `- ${line(each)}` })),
  ];
}

export function namedChangeBranch({ name, changes }: NamedChange): Branch {
  return { text: `~ ${name}`, below: changes.map(changeBranch) };
}

export function changeBranch({ path, from, to }: Change): Branch {
  if (from === undefined) return { text: `+ ${path}: ${valueText(to)}` };
  if (to === undefined) return { text: `- ${path}: ${valueText(from)}` };
  return { text: `~ ${path}: ${valueText(from)} -> ${valueText(to)}` };
}

/** A value on one line; simple strings have no quotes. */
export function valueText(value: Json | undefined): string {
  if (value === undefined) return 'nothing';
  return typeof value === 'string' && /^[\w@:/.+-]+$/.test(value) ? value : canonicalJson(value);
}
