import * as z from 'zod';
import { currentVersion, type DocumentKind, olderVersion } from '../../src/format/document.ts';

/** A document of a version that no program has: the one before it is in `was`. */
export interface Next<T> {
  readonly was: T;
}

/** A kind as a later program would define it: one version more, of another shape, and a converter to it. */
export function nextVersion<T>(kind: DocumentKind<T>): DocumentKind<Next<T>> {
  const { quick: _, versionIn, older = [], span = 1, ...rest } = kind;
  if (versionIn === undefined) throw new Error(`${kind.name} has no versions`);
  const { member, prefix } = versionIn;
  const named = `${prefix}${currentVersion(kind) + 1}`;
  const schema = z.strictObject({ [member]: z.literal(named), was: kind.schema });
  return {
    ...rest,
    versionIn,
    schema: schema as unknown as z.ZodType<Next<T>>,
    older: [
      ...older,
      ...Array.from({ length: span - 1 }, () => olderVersion(kind.schema, (same) => same)),
      olderVersion(kind.schema, (was) => ({ [member]: named, was })),
    ],
  };
}
