import * as z from 'zod';
import * as field from '../field.ts';
import { type Finding, finding } from '../finding.ts';
import {
  file,
  image,
  type LockedFile,
  type LockedImage,
  type LockedModel,
  model,
} from '../locked-content.ts';
import { lockedManifest, type Manifest } from '../manifest.ts';

/** A lock as version 0.1 wrote it: without a digest of itself. */
export interface LockV1 {
  readonly schema: 'stowage/lock/v1';
  readonly seq: number;
  readonly resolvedAt: string;
  readonly manifest: Manifest;
  readonly models: readonly LockedModel[];
  readonly images: readonly LockedImage[];
  readonly files: readonly LockedFile[];
  readonly findings: readonly Finding[];
}

export const lockV1Schema: z.ZodType<LockV1> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/lock/v1'),
    seq: field.sequence,
    resolvedAt: field.moment,
    manifest: lockedManifest,
    models: z.array(model),
    images: z.array(image),
    files: z.array(file),
    findings: z.array(finding).max(100_000),
  }),
);
