import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import { pathCollision } from '../core/safe-path.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';

/** A blob with its media type, as a lock, `bundle.json` and OCI descriptors name it. */
export interface LockedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
}

/** An artifact of an image in its registry, which is packed with the image. */
export interface LockedAttachment extends LockedBlob {
  /** `cosign` has the tag `sha256-HEX.sig`; the subject of a `referrer` is the image. */
  readonly kind: 'cosign' | 'referrer';
  /** The index or manifest that it refers to. */
  readonly subject: Digest;
  readonly artifactType: string;
}

export const mediaType: z.ZodType<string> = z
  .string()
  .regex(/^[a-z0-9.+-]+\/[A-Za-z0-9.+_-]+$/, 'expected a media type')
  .max(255);

export const blob: z.ZodType<LockedBlob> = exact(
  z.strictObject({
    digest: field.digest,
    size: field.bytes,
    mediaType,
  }),
);

export const attachment: z.ZodType<LockedAttachment> = exact(
  z.strictObject({
    digest: field.digest,
    size: field.bytes,
    mediaType,
    kind: z.enum(['cosign', 'referrer']),
    subject: field.digest,
    artifactType: field.line(255),
  }),
);

/** The files of one folder, in any order, without colliding paths. */
export function folder<F extends { readonly path: string }>(file: z.ZodType<F>): z.ZodType<F[]> {
  return z
    .array(file)
    .min(1)
    .max(100_000)
    .superRefine((files, context) => {
      const collision = pathCollision(files.map((each) => each.path));
      if (collision === undefined) return;
      context.addIssue({
        code: 'custom',
        message: `${collision[0]} and ${collision[1]} are one file on some systems`,
      });
    });
}

/** The tags of a model on the Hub. */
export const modelTags: z.ZodType<string[]> = exact(z.array(field.line(256)).max(1000));
