import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import { listOf } from '../core/json.ts';
import * as field from './field.ts';

/** What a site can do without, in the manifest. */
export interface Optional {
  /** Whether a site has it only if it chooses it. */
  readonly optional?: true;
}

/** What a site can do without, in `bundle.json`. */
export interface OptionalContent extends Optional {
  /** Its blobs that nothing that every site has uses; present with `optional` alone. */
  readonly blobs?: readonly Digest[];
}

export const optional: z.ZodType<true> = field.exact(z.literal(true));

/** The members of {@link OptionalContent}. */
export const optionalContent: {
  readonly optional: z.ZodType<true>;
  readonly blobs: z.ZodType<readonly Digest[]>;
} = { optional, blobs: z.array(field.digest).max(200_000) };

/** The kinds of optional parts, by their section in a manifest. */
export const partKinds = {
  models: 'model',
  images: 'image',
  files: 'files',
  services: 'service',
} as const;

export type PartSection = keyof typeof partKinds;

/** The sections of a manifest with optional parts. */
export const partSections: readonly PartSection[] = ['models', 'images', 'files', 'services'];

/** `KIND/NAME` of an optional part, such as `model/large`, or `NAME` for all parts with that name. */
export const partName: z.ZodType<string> = z
  .string()
  .max(80)
  .regex(
    /^(?:(?:model|image|files|service)\/)?[a-z0-9]+(?:-[a-z0-9]+)*$/,
    'expected a name such as large, or its kind and name such as model/large',
  );

/** The optional parts of a manifest or a bundle, such as `model/large`. */
export function optionalNames(document: object): string[] {
  return partSections.flatMap((section) =>
    listOf((document as Readonly<Record<string, unknown>>)[section]).flatMap((each) =>
      each['optional'] === undefined ? [] : [`${partKinds[section]}/${each['name']}`],
    ),
  );
}

/** Whether a manifest, or a bundle, which may have fields of any type, has parts that a site can do without. */
export function usesOptional(document: object): boolean {
  return partSections.some((section) =>
    listOf((document as Readonly<Record<string, unknown>>)[section]).some((each) =>
      Object.hasOwn(each, 'optional'),
    ),
  );
}
