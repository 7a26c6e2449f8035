import {
  type OptionalPart,
  optionalParts,
  partNames,
  partsNotIn,
  withParts,
} from '../content/optional.ts';
import type { Bundle } from '../format/bundle.ts';

/** The optional parts of a bundle that are not complete where some files are absent. */
export interface AbsentParts {
  /** With the services that use them. */
  readonly parts: readonly string[];
  /** Whether nothing else is absent, so that a site without these optional parts needs no more. */
  readonly alone: boolean;
}

/** @param absent files of the bundle */
export function absentParts(
  bundle: Bundle,
  absent: readonly { readonly path: string }[],
): AbsentParts {
  const paths = new Set(absent.map(({ path }) => path));
  const gone = new Set(
    bundle.blobs
      .filter(({ parts }) => parts.some(({ path }) => paths.has(path)))
      .map(({ digest }) => digest),
  );
  const lacks = ({ blobs }: OptionalPart): boolean => blobs.some((each) => gone.has(each));
  const all = optionalParts(bundle);
  const whole = new Set(all.flatMap((each) => (lacks(each) ? [] : [each.name])));
  const unneeded = new Set(all.filter(lacks).flatMap(({ blobs }) => blobs));
  const recovery = new Set(bundle.parity?.rows.flat().map(({ path }) => path));
  const optional = new Set(
    bundle.blobs.flatMap(({ digest, parts }) =>
      unneeded.has(digest) ? parts.map(({ path }) => path) : [],
    ),
  );
  const alone = [...paths].every((path) => optional.has(path) || recovery.has(path));
  return { parts: partsNotIn(bundle, partNames(withParts(bundle, whole))), alone };
}
