import { isIP } from 'node:net';
import { z } from 'zod';
import { MAX_SITE_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import * as field from './field.ts';

export type ParameterValue = string | number | boolean;

/** One disconnected place, described by `site.yaml`. */
export interface Site {
  readonly apiVersion: 'stowage/v1';
  readonly name: string;
  readonly target: 'podman';
  /** The host address on which services publish their ports. */
  readonly address: string;
  /** The channels whose releases may enter. */
  readonly channels: readonly string[];
  /** Whether a bundle needs a signature of the trust document's role `approval` as well. */
  readonly requireApproval: boolean;
  /** Values for the parameters of each release. */
  readonly parameters: Readonly<Record<string, Readonly<Record<string, ParameterValue>>>>;
}

const schema: z.ZodType<Site> = z.strictObject({
  apiVersion: z.literal('stowage/v1'),
  name: field.name,
  target: z.enum(['podman']).default('podman'),
  address: z
    .string()
    .refine((value) => isIP(value) === 4, 'expected an IPv4 address of this host')
    .default('127.0.0.1'),
  channels: z.array(field.name).min(1).max(64).default(['stable']),
  requireApproval: z.boolean().default(false),
  parameters: z
    .record(field.name, z.record(z.string(), z.union([field.text(4096), z.int(), z.boolean()])))
    .default({}),
});

export const siteKind: DocumentKind<Site> = {
  name: 'site.yaml',
  code: 'site-invalid',
  schema,
  maxBytes: MAX_SITE_BYTES,
  hint: 'mend each line named above; manifests/README.md explains every field',
};
