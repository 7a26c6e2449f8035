import { StowageError } from '../../core/error.ts';
import type { ImageField } from '../../format/cluster-content.ts';
import {
  type Filled,
  type ObjectPath,
  type RenderedObject,
  rewrite,
  walk,
} from '../../format/rendered-objects.ts';
import { parseReference, referenceName } from '../../source/reference.ts';
import { hiddenReferences, type ImagePlace, imagesIn } from './object-images.ts';
import { named } from './render.ts';

/** A reference in an object that no image of the bundle has. */
export interface UncarriedReference {
  readonly reference: string;
  readonly object: string;
  readonly from: string;
  readonly path: string;
}

/** The references of all images that objects run, in full form, each once and sorted. @throws StowageError `manifest-invalid` */
export function referencesOf(
  objects: readonly RenderedObject[],
  declared: readonly ImageField[],
): string[] {
  const all = objects.flatMap(({ object, from }) =>
    imagesIn(object, declared).map(({ reference }) => fullReference(reference, object, from)),
  );
  return [...new Set(all)].toSorted();
}

/**
 * A name for each of these references and of those in the manifest: that of the image in the manifest with the same reference, otherwise one made of the last
 * part of the repository.
 * @param taken the names of everything in the bundle
 */
export function nameImages(
  references: readonly string[],
  images: readonly { readonly name: string; readonly source: string }[],
  taken: ReadonlySet<string>,
): Map<string, string> {
  const names = new Map<string, string>();
  for (const { name, source } of images) names.set(referenceName(parseReference(source)), name);
  const used = new Set([...taken, ...names.values()]);
  const found = new Map(names);
  for (const reference of references) {
    const existing = names.get(reference);
    const name = existing ?? freeName(parseReference(reference).repository, used);
    used.add(name);
    found.set(reference, name);
  }
  return found;
}

function freeName(repository: string, used: ReadonlySet<string>): string {
  const last = repository.split('/').at(-1) ?? '';
  const base =
    last
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, 56) || 'image';
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!used.has(name)) return name;
  }
}

export interface Placed {
  readonly objects: readonly RenderedObject[];
  readonly uncarried: readonly UncarriedReference[];
}

/**
 * Writes placeholders for the images: `${images.NAME}` for a whole reference, also inside of other texts, and
 * `${images.NAME.repository}`, `.name` and `.version` for the fields that operators join.
 * @param names of {@link nameImages}
 */
export function placeImages(
  objects: readonly RenderedObject[],
  names: ReadonlyMap<string, string>,
  declared: readonly ImageField[],
): Placed {
  const uncarried: UncarriedReference[] = [];
  const placed = objects.map((rendered): RenderedObject => {
    const { object, from, filled } = rendered;
    const places = imagesIn(object, declared);
    const texts = new Map<string, { path: ObjectPath; text: string }>();
    for (const place of places) {
      const name = names.get(fullReference(place.reference, object, from));
      if (name === undefined) continue;
      for (const { path, part } of place.parts)
        texts.set(JSON.stringify(path), {
          path,
          text: part === 'reference' ? `\${images.${name}}` : `\${images.${name}.${part}}`,
        });
    }
    for (const { path, text, found } of hiddenIn(object, places)) {
      let replaced = text;
      for (const reference of found) {
        const name = names.get(referenceName(parseReference(reference)));
        if (name !== undefined) replaced = replaced.replaceAll(reference, `\${images.${name}}`);
        else uncarried.push({ reference, object: named(object), from, path: path.join('.') });
      }
      if (replaced !== text) texts.set(JSON.stringify(path), { path, text: replaced });
    }
    const others = filled.filter(({ path }) => !texts.has(JSON.stringify(path)));
    const added = [...texts.values()].map(({ path }): Filled => ({ path, as: 'text' }));
    return { ...rendered, object: withTexts(object, texts), filled: [...others, ...added] };
  });
  return { objects: placed, uncarried };
}

function hiddenIn(
  object: RenderedObject['object'],
  places: readonly ImagePlace[],
): { path: ObjectPath; text: string; found: readonly string[] }[] {
  const texts = new Map<string, string>();
  walk(object, [], (value, path) => {
    if (typeof value === 'string') texts.set(JSON.stringify(path), value);
  });
  return hiddenReferences(object, places).map(({ path, references }) => ({
    path,
    text: texts.get(JSON.stringify(path)) ?? '',
    found: references,
  }));
}

function withTexts(
  object: RenderedObject['object'],
  texts: ReadonlyMap<string, { readonly text: string }>,
): RenderedObject['object'] {
  const copy = rewrite(object, (value, path) => texts.get(JSON.stringify(path))?.text ?? value);
  return copy as RenderedObject['object'];
}

function fullReference(reference: string, object: RenderedObject['object'], from: string): string {
  try {
    return referenceName(parseReference(reference));
  } catch (cause) {
    throw new StowageError('chart-unsupported', `an image in ${from} cannot be locked`, {
      expected: 'a reference such as registry.example/team/server:1.0',
      found: `${JSON.stringify(reference)} in ${named(object)}`,
      hint: 'set the image by a value of the chart; it must not depend on the site',
      cause,
    });
  }
}
