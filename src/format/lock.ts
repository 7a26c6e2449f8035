import * as z from 'zod';
import { MAX_LOCK_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { type Finding, finding } from './finding.ts';
import {
  file,
  image,
  type LockedFile,
  type LockedImage,
  type LockedModel,
  model,
} from './locked-content.ts';
import { lockedManifest, type Manifest } from './manifest.ts';
import { schemaMember } from './version.ts';

/** A resolved manifest: every tag and branch is replaced by a digest. */
export interface Lock {
  readonly schema: 'stowage/lock/v1';
  /** One more than in the previous lock. */
  readonly seq: number;
  readonly resolvedAt: string;
  readonly manifest: Manifest;
  readonly models: readonly LockedModel[];
  readonly images: readonly LockedImage[];
  readonly files: readonly LockedFile[];
  readonly findings: readonly Finding[];
}

const schema: z.ZodType<Lock> = exact(
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

export const lockKind: DocumentKind<Lock> = {
  name: 'lock',
  versionIn: schemaMember('lock'),
  code: 'lock-invalid',
  schema,
  maxBytes: MAX_LOCK_BYTES,
  hint: 'restore the lock from version control; without a copy, remove it and run stowage lock with a --seq above that of the last bundle',
};
