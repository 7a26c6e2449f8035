import * as z from 'zod';
import { type Digest, digestOf } from '../core/digest.ts';
import { canonicalBytes, type Json } from '../core/json.ts';
import { MAX_LOCK_BYTES } from '../core/limits.ts';
import { usesApiKey } from './api-key.ts';
import { usesCluster } from './cluster-content.ts';
import { usesRankings } from './deployment.ts';
import { type DerivedSetting, derivedSettings } from './derived.ts';
import { type DocumentKind, olderVersion, schemaMember } from './document.ts';
import * as field from './field.ts';
import { type Finding, finding } from './finding.ts';
import { usesIsolation } from './isolation.ts';
import {
  file,
  image,
  isNewerModel,
  type LockedFile,
  type LockedImage,
  type LockedModel,
  model,
} from './locked-content.ts';
import { hasNewerSources, lockedManifest, type Manifest } from './manifest.ts';
import { usesOptional } from './optional.ts';
import { type LockedCluster, lockedCluster } from './rendered-content.ts';

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

const schemas = ['stowage/lock/v2', 'stowage/lock/v3'] as const;

/** A resolved manifest: every tag and branch is replaced by a digest. */
export interface Lock extends LockedCluster {
  /**
   * Version 3 if a model is not of a Hub or has a license in the manifest, if an image is not in a registry, if an acceptance test
   * ranks documents, if a service has one of the fields of `isolation.ts`, if something is optional, or if there are charts,
   * objects, `cluster`, `evaluations`, `knownEgress` or `derived`.
   */
  readonly schema: (typeof schemas)[number];
  /** SHA-256 of the canonical JSON of the other fields: a lock that was edited does not match it. */
  readonly digest: Digest;
  /** One more than in the previous lock. */
  readonly seq: number;
  readonly resolvedAt: string;
  readonly manifest: Manifest;
  readonly models: readonly LockedModel[];
  readonly images: readonly LockedImage[];
  readonly files: readonly LockedFile[];
  readonly findings: readonly Finding[];
  /** Settings of services that the manifest leaves open. */
  readonly derived?: readonly DerivedSetting[];
}

/** A lock with these fields and its digest. */
export function sealLock(fields: Omit<Lock, 'schema' | 'digest'>): Lock {
  const unsealed = { ...fields, schema: schemaOf(fields) };
  return { ...unsealed, digest: digestOfLock(unsealed) };
}

/** The first version that has all fields of a lock. */
function schemaOf(fields: Omit<Lock, 'schema' | 'digest'>): Lock['schema'] {
  const { manifest, models } = fields;
  const newer =
    hasNewerSources(manifest) ||
    models.some(isNewerModel) ||
    usesRankings(manifest.acceptance) ||
    usesIsolation(manifest.services) ||
    usesApiKey(manifest.services) ||
    usesOptional(manifest) ||
    manifest.evaluations !== undefined ||
    manifest.knownEgress !== undefined ||
    fields.derived !== undefined;
  return newer || usesCluster(manifest) || usesCluster(fields) ? schemas[1] : schemas[0];
}

/** The digest that a lock with these fields has. */
export function digestOfLock(lock: Omit<Lock, 'digest'> & Partial<Lock>): Digest {
  const { digest: _, ...fields } = lock;
  return digestOf(canonicalBytes(fields as unknown as Json));
}

const fields = z.strictObject({
  schema: z.literal(schemas),
  digest: field.digest,
  seq: field.sequence,
  resolvedAt: field.moment,
  manifest: lockedManifest,
  models: z.array(model),
  images: z.array(image),
  files: z.array(file),
  charts: lockedCluster.charts.exactOptional(),
  objects: lockedCluster.objects.exactOptional(),
  findings: z.array(finding).max(100_000),
  derived: derivedSettings.exactOptional(),
});

const schema: z.ZodType<Lock> = field.exact(
  fields.superRefine((lock, context) => {
    const needed = schemaOf(lock);
    if (schemas.indexOf(lock.schema) < schemas.indexOf(needed))
      context.addIssue({ code: 'custom', message: `it has fields of ${needed}` });
    if (digestOfLock(lock) === lock.digest) return;
    const message = 'the lock was changed after stowage lock wrote it';
    context.addIssue({ code: 'custom', path: ['digest'], message });
  }),
);

export const lockKind: DocumentKind<Lock> = {
  name: 'lock',
  versionIn: schemaMember('lock'),
  code: 'lock-invalid',
  schema,
  older: [olderVersion(lockV1Schema, sealLock)],
  span: schemas.length,
  maxBytes: MAX_LOCK_BYTES,
  hint: 'restore the lock from version control; without a copy, remove it and run stowage lock with a --seq above that of the last bundle',
};

/** A lock whose digest may be wrong: its sequence tells the next one, and nothing else of it can be relied on. */
export const editedLockKind: DocumentKind<Lock> = { ...lockKind, schema: field.exact(fields) };
