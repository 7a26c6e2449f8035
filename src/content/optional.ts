import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import type { Fields } from '../core/json.ts';
import { nearest } from '../core/text.ts';
import type { Bundle } from '../format/bundle.ts';
import type { Evaluation } from '../format/evaluation.ts';
import {
  type OptionalContent,
  type PartSection,
  partKinds,
  partSections,
} from '../format/optional.ts';
import { evaluationUses, usesOf } from '../format/optional-references.ts';
import type { Service } from '../format/service.ts';

/** A part of a release that a site can do without. */
export interface OptionalPart {
  /** Its kind and name, such as `model/large`. */
  readonly name: string;
  /** Its blobs that nothing that every site has uses; other optional parts may use them too. */
  readonly blobs: readonly Digest[];
  /** The optional parts that it uses. */
  readonly uses: readonly string[];
}

/** The names of optional parts, each with its kind, such as `model/large`. */
export type PartNames = ReadonlySet<string>;

interface Named extends OptionalContent {
  readonly name: string;
}

/** A manifest, or a bundle. */
interface Parts {
  readonly name: string;
  readonly version: string;
  readonly models: readonly Named[];
  readonly images: readonly Named[];
  readonly files: readonly Named[];
  readonly services: readonly Service[];
  readonly evaluations?: readonly Evaluation[];
}

/** The optional parts of a bundle, in the order of its documents. */
export function optionalParts(bundle: Parts): OptionalPart[] {
  const known = new Set(
    partSections.flatMap((section) =>
      bundle[section].flatMap((each) => (each.optional ? [nameOf(section, each.name)] : [])),
    ),
  );
  return partSections.flatMap((section) =>
    [...bundle[section]].flatMap((each: Named | Service): OptionalPart[] => {
      if (each.optional === undefined) return [];
      const uses = section === 'services' ? usedBy(each as Service, bundle) : [];
      return [
        {
          name: nameOf(section, each.name),
          blobs: 'blobs' in each ? (each.blobs ?? []) : [],
          uses: uses.filter((name) => known.has(name)),
        },
      ];
    }),
  );
}

/** The names of all optional parts of a bundle, in the order of its documents. */
export function partNames(bundle: Parts): PartNames {
  return new Set(optionalParts(bundle).map(({ name }) => name));
}

/** What a service uses, and what the evaluations that ask it use. */
function usedBy(service: Service, { evaluations = [] }: Parts): string[] {
  const own = evaluations.filter((each) => each.service === service.name);
  const uses = [
    ...usesOf(service as unknown as Fields),
    ...own.flatMap((each) => evaluationUses(each as unknown as Fields)),
  ];
  return uses.map(({ section, name }) => nameOf(section, String(name)));
}

function nameOf(section: PartSection, name: string): string {
  return `${partKinds[section]}/${name}`;
}

/** A name that is that of no optional part. */
export interface UnknownPart {
  readonly name: string;
  /** What is wrong with it, in words. */
  readonly reason: string;
}

export interface ChosenParts {
  /** The named parts, and what these use. */
  readonly parts: PartNames;
  readonly unknown: readonly UnknownPart[];
}

/**
 * The optional parts that names choose, and those that these use.
 * @param names as in `site.yaml`: `KIND/NAME`, or `NAME` for all parts with that name; `all` for every part
 */
export function chooseParts(bundle: Parts, names: readonly string[] | 'all'): ChosenParts {
  if (names === 'all') return { parts: partNames(bundle), unknown: [] };
  const named = partsNamed(bundle, names);
  return { ...named, parts: withUses(optionalParts(bundle), named.parts) };
}

/**
 * The optional parts that are left out with those that names choose: they, the services that use one of them, and what
 * only these services use.
 * @param names as in {@link chooseParts}
 * @throws StowageError `part-unknown` as {@link requireKnownParts}
 */
export function partsWithout(bundle: Parts, names: readonly string[]): PartNames {
  const parts = optionalParts(bundle);
  const named = partsNamed(bundle, names);
  requireKnownParts(bundle, named);
  const out = new Set(named.parts);
  grow(parts, out, ({ uses }) => uses.some((each) => out.has(each)));
  const users = (name: string): OptionalPart[] => parts.filter(({ uses }) => uses.includes(name));
  grow(parts, out, ({ name }) => {
    const using = users(name);
    return using.length > 0 && using.every((each) => out.has(each.name));
  });
  return out;
}

/** Adds parts to a set until none is left that belongs to it. */
function grow(
  parts: readonly OptionalPart[],
  set: Set<string>,
  belongs: (part: OptionalPart) => boolean,
): void {
  for (let before = -1; before !== set.size; ) {
    before = set.size;
    for (const part of parts) if (belongs(part)) set.add(part.name);
  }
}

function withUses(parts: readonly OptionalPart[], chosen: PartNames): PartNames {
  const all = new Set(chosen);
  grow(parts, all, ({ name }) =>
    parts.some((user) => all.has(user.name) && user.uses.includes(name)),
  );
  return all;
}

function partsNamed(bundle: Parts, names: readonly string[]): ChosenParts {
  const optional = [...partNames(bundle)];
  const all = partSections.flatMap((section) =>
    bundle[section].map((each) => nameOf(section, each.name)),
  );
  const matching = (name: string, among: readonly string[]): string[] =>
    among.filter((each) => each === name || each.endsWith(`/${name}`));
  const unknown = names.flatMap((name): UnknownPart[] => {
    if (matching(name, optional).length > 0) return [];
    const [required] = matching(name, all);
    if (required !== undefined)
      return [{ name, reason: `${required} is not optional: every site has it` }];
    const near = nearest(name, [...optional, ...optional.map((each) => each.replace(/^.*\//, ''))]);
    const meant = near === undefined ? '' : `; did you mean ${near}?`;
    return [{ name, reason: `${bundle.name} has no optional part ${name}${meant}` }];
  });
  return { parts: new Set(names.flatMap((name) => matching(name, optional))), unknown };
}

/** @throws StowageError `part-unknown` for names that are those of no optional part */
export function requireKnownParts(document: Parts, { unknown }: ChosenParts): void {
  const [first] = unknown;
  if (first === undefined) return;
  throw new StowageError('part-unknown', first.reason, {
    expected: `optional parts of ${document.name} ${document.version}: ${optionalInWords(document)}`,
    found: unknown.map(({ name }) => name).join(', '),
    hint: 'correct the names; stowage inspect BUNDLE lists the optional parts',
  });
}

/** The names of all optional parts of a bundle, in words. */
export function optionalInWords(document: Parts): string {
  return [...partNames(document)].join(', ') || 'none: it has no optional parts';
}

/** That something is without optional parts, as every page, table and message says it. @param names at least one */
export function withoutInWords(names: readonly string[]): string {
  return `without optional parts: ${names.join(', ')}`;
}

/** The names of the optional parts of a bundle that are not in a set, in the order of its documents. */
export function partsNotIn(bundle: Parts, parts: PartNames): string[] {
  return [...partNames(bundle)].filter((name) => !parts.has(name));
}

/** The blobs that only optional parts that are not in a set use. */
export function blobsWithout(bundle: Parts, parts: PartNames): ReadonlySet<Digest> {
  const optional = optionalParts(bundle);
  const kept = new Set(optional.flatMap(({ name, blobs }) => (parts.has(name) ? blobs : [])));
  return new Set(
    optional.flatMap(({ name, blobs }) =>
      parts.has(name) ? [] : blobs.filter((digest) => !kept.has(digest)),
    ),
  );
}

/** The blobs that only these optional parts use. */
export function blobsOfParts(bundle: Parts, parts: PartNames): ReadonlySet<Digest> {
  return blobsWithout(bundle, new Set(partsNotIn(bundle, parts)));
}

/**
 * A bundle as it is for a site that has these optional parts alone: without the others, their blobs, what is asked of absent
 * services, and secrets that only these use. A part that uses an absent one is absent too. Without optional parts, the bundle itself.
 * Recovery parts are calculated from all blobs: a bundle without some of them has none.
 */
export function withParts(bundle: Bundle, parts: PartNames): Bundle {
  const optional = optionalParts(bundle);
  const absent = new Set(partsNotIn(bundle, parts));
  grow(optional, absent, ({ uses }) => uses.some((each) => absent.has(each)));
  if (absent.size === 0) return bundle;
  const present = new Set(optional.flatMap(({ name }) => (absent.has(name) ? [] : [name])));
  const without = blobsWithout(bundle, present);
  const isIn =
    (section: PartSection) =>
    ({ name }: { readonly name: string }): boolean =>
      !absent.has(nameOf(section, name));
  const services = bundle.services.filter(isIn('services'));
  const gone = new Set(
    bundle.services.flatMap(({ name }) => (absent.has(nameOf('services', name)) ? [name] : [])),
  );
  const { parity: _, ...rest } = bundle;
  const evaluations = bundle.evaluations?.filter(({ service }) => !gone.has(service)) ?? [];
  const derived = bundle.derived?.filter(({ service }) => !gone.has(service)) ?? [];
  const { evaluations: _e, derived: _d, ...plain } = rest;
  return {
    ...plain,
    models: bundle.models.filter(isIn('models')),
    images: bundle.images.filter(isIn('images')),
    files: bundle.files.filter(isIn('files')),
    services,
    acceptance: bundle.acceptance.filter(({ service }) => !gone.has(service)),
    ...(evaluations.length === 0 ? {} : { evaluations }),
    ...(derived.length === 0 ? {} : { derived }),
    secrets: secretsWithout(bundle, services),
    blobs: bundle.blobs.filter(({ digest }) => !without.has(digest)),
  };
}

/** The secrets of a bundle without those that only absent services use. */
function secretsWithout(bundle: Bundle, present: readonly Service[]): Bundle['secrets'] {
  const usedIn = (services: readonly Service[]): Set<string> =>
    new Set(services.flatMap((each) => each.secrets.map(({ secret }) => secret)));
  const [before, after] = [usedIn(bundle.services), usedIn(present)];
  return Object.fromEntries(
    Object.entries(bundle.secrets).filter(([name]) => !before.has(name) || after.has(name)),
  );
}
