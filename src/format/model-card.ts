import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';

/** The fields read from a model card's front matter; others are ignored. */
export interface ModelCard {
  readonly license?: string | readonly string[] | null | undefined;
  readonly license_name?: string | null | undefined;
  readonly license_link?: string | null | undefined;
}

const schema: z.ZodType<ModelCard> = exact(
  z.object({
    license: z.union([z.string().max(256), z.array(z.string().max(256)).max(32)]).nullish(),
    license_name: z.string().max(256).nullish(),
    license_link: z.string().max(2048).nullish(),
  }),
);

export const modelCardKind: DocumentKind<ModelCard> = {
  name: 'model card',
  code: 'source-malformed',
  schema,
  maxBytes: MIB,
  hint: 'read the card on the Hub',
};
