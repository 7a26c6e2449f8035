import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './field.ts';

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

/** The used fields of a Container Device Interface specification, as vendors' tools write it. */
export interface DeviceSpecification {
  /** `vendor/class`, such as `nvidia.com/gpu`. */
  readonly kind: string;
  readonly devices: readonly { readonly name: string }[];
}

const deviceSchema: z.ZodType<DeviceSpecification> = exact(
  z.object({
    kind: z.string().max(256),
    devices: z.array(z.object({ name: z.string().max(256) })).max(4096),
  }),
);

export const deviceSpecificationKind: DocumentKind<DeviceSpecification> = {
  name: 'device specification',
  code: 'host-unfit',
  schema: deviceSchema,
  maxBytes: 8 * MIB,
  hint: "have the vendor's tool write it again, such as nvidia-ctk cdi generate",
};
