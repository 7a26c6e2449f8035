import type { z } from 'zod';
import { StowageError } from '../core/error.ts';

/** Where documents of one kind name their version, and how. */
export interface VersionMember {
  readonly member: 'schema' | 'apiVersion';
  /** What stands before the number, such as `stowage/bundle/v`. */
  readonly prefix: string;
  /** The first version that names itself; a document without the member is of version 1 when this is 2. */
  readonly namedSince: 1 | 2;
}

/** `schema: stowage/<kind>/v1`, of documents that programs write. */
export function schemaMember(kind: string, namedSince: 1 | 2 = 1): VersionMember {
  return { member: 'schema', prefix: `stowage/${kind}/v`, namedSince };
}

/** `apiVersion: stowage/v1`, of documents that people write. */
export const apiVersionMember: VersionMember = {
  member: 'apiVersion',
  prefix: 'stowage/v',
  namedSince: 1,
};

/** A version that was followed by another. */
export interface OlderVersion {
  readonly schema: z.ZodType<unknown>;
  /** Makes of a document of this version, which the schema accepted, one of the next. */
  readonly convert: (document: unknown) => unknown;
}

/** An entry of {@link Versions.older}. `convert` must be pure: it is called whenever such a document is read. */
export function olderVersion<Old, Next>(
  schema: z.ZodType<Old>,
  convert: (document: Old) => Next,
): OlderVersion {
  return { schema, convert: (document) => convert(document as Old) };
}

/** The versions of one kind of document. */
export interface Versions {
  /** Absent for documents that other programs define, which have no version of ours. */
  readonly versionIn?: VersionMember;
  /** The versions before the current one, v1 first; none when absent. */
  readonly older?: readonly OlderVersion[];
  /**
   * How many versions the current schema reads; one when absent. A document names the first of them that has all its fields, so
   * that older programs read whatever they understand. When a later version gets a schema of its own, each becomes an entry
   * of `older`.
   */
  readonly span?: number;
}

/** The newest version that this program reads and writes. */
export function currentVersion({ older = [], span = 1 }: Versions): number {
  return older.length + span;
}

/** The version that a document claims; undefined when it claims none of its kind. */
export function versionOf({ versionIn }: Versions, value: unknown): number | undefined {
  if (versionIn === undefined) return 1;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { member, prefix, namedSince } = versionIn;
  if (!Object.hasOwn(value, member)) return namedSince === 2 ? 1 : undefined;
  const named: unknown = (value as Readonly<Record<string, unknown>>)[member];
  if (typeof named !== 'string' || !named.startsWith(prefix)) return undefined;
  const digits = named.slice(prefix.length);
  return /^[1-9][0-9]{0,8}$/.test(digits) ? Number(digits) : undefined;
}

/** The error for a document of a version that this program does not know. */
export function newerFormat(
  kind: Versions & { readonly name: string; readonly newerHint?: string },
  version: number,
): StowageError {
  const prefix = kind.versionIn?.prefix ?? 'v';
  const current = currentVersion(kind);
  return new StowageError(
    'format-newer',
    `${kind.name} was written by a newer version of stowage`,
    {
      expected: current === 1 ? `${prefix}1` : `${prefix}1 to ${prefix}${current}`,
      found: `${prefix}${version}`,
      hint: kind.newerHint ?? 'use the version of stowage that wrote it, or a later one',
    },
  );
}

/** Hints for `format-newer`, by where the document is. */
export const newerHints = {
  bundle: 'use the installer in that bundle: stowage-<os>-<arch> in its folder',
  site: 'use bin/stowage in the folder of this site, or the installer in the bundle that was installed last',
  written:
    'use a version of stowage that reads this format, or write the file in the format that is expected',
} as const;
