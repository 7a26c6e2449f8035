import type { Digest } from '../core/digest.ts';
import { digestHex } from '../core/digest.ts';

/** A text, a number of bytes, or digits of a digest or commit, which a page shows in groups. */
export type Cell = string | number | { readonly hex: string };

/** A name and its value; a fact without a value is left out. */
export type Fact = readonly [name: string, value: Cell | undefined];

/** What a page says of an item, without its markup. All texts are from elsewhere. */
export interface Sheet {
  /** Before the name in the heading, such as `Model`. */
  readonly label?: string;
  readonly name: string;
  readonly facts: readonly Fact[];
  readonly table?: Table;
  /** A sentence in place of a table. */
  readonly remark?: string;
  readonly parts?: readonly Sheet[];
}

export interface Table {
  readonly headers: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export function sha256(digest: Digest): Cell {
  return { hex: digestHex(digest) };
}
