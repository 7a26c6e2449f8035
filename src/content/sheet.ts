import { type Digest, digestHex } from '../core/digest.ts';

/** A text, a number of bytes, or the hex digits of a digest or commit, which a page shows in groups. */
export type Cell = string | number | { readonly hex: string };

/** A name and its value; a fact without a value is omitted. */
export type Fact = readonly [name: string, value: Cell | undefined];

/** The description of an item on a page, without markup. Its texts are untrusted. */
export interface Sheet {
  /** Before the name in the heading, such as `Model`. */
  readonly label?: string;
  readonly name: string;
  readonly facts: readonly Fact[];
  readonly table?: Table;
  /** A sentence instead of a table. */
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
