import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';

/** The used fields of a Container Device Interface specification, as vendors' tools write it. */
export interface DeviceSpecification {
  /** `vendor/class`, such as `nvidia.com/gpu`. */
  readonly kind: string;
  readonly devices: readonly { readonly name: string }[];
}

const schema: z.ZodType<DeviceSpecification> = exact(
  z.object({
    kind: z.string().max(256),
    devices: z.array(z.object({ name: z.string().max(256) })).max(4096),
  }),
);

export const deviceSpecificationKind: DocumentKind<DeviceSpecification> = {
  name: 'device specification',
  code: 'host-unfit',
  schema,
  maxBytes: 8 * MIB,
  hint: "have the vendor's tool write it again, such as nvidia-ctk cdi generate",
};
