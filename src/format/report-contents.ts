import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import { type Recall, recalls } from './deployment.ts';
import * as field from './field.ts';
import { MAX_POWERS } from './rendered-objects.ts';

/** Rendered objects, with what they may do. */
export interface ReportedObjects {
  readonly name: string;
  readonly source: string;
  readonly digest: Digest;
  readonly size: number;
  readonly renderedBy: string;
  readonly powers: readonly string[];
}

/** A chart: digest and size are those of its rendered objects. */
export interface ReportedChart extends ReportedObjects {
  readonly chart: string;
  readonly version: string;
  readonly archive: { readonly digest: Digest; readonly size: number };
}

/** The contents of a bundle, from `bundle.json`. */
export interface ReportContents {
  readonly models: readonly {
    readonly name: string;
    readonly source: string;
    readonly repository: string;
    readonly commit: string;
    readonly license?: string;
    readonly files: readonly { path: string; size: number; digest: Digest }[];
  }[];
  readonly images: readonly {
    readonly name: string;
    readonly source: string;
    readonly repository: string;
    readonly digest: Digest;
    readonly platforms: readonly { platform: string; manifest: Digest; config: Digest }[];
  }[];
  readonly files: readonly {
    readonly name: string;
    readonly source: string;
    readonly kind: 'file' | 'tree';
    readonly path: string;
    readonly size: number;
    readonly digest: Digest;
  }[];
  readonly charts?: readonly ReportedChart[];
  readonly objects?: readonly ReportedObjects[];
  /** Releases that the bundle recalls. */
  readonly recalls?: readonly Recall[];
}

const objectsShape = {
  name: field.name,
  source: field.line(2048),
  digest: field.digest,
  size: field.bytes,
  renderedBy: field.line(128),
  powers: z.array(field.line(1024)).max(MAX_POWERS),
};

export const contents: z.ZodType<ReportContents> = field.exact(
  z.strictObject({
    models: z.array(
      z.strictObject({
        name: field.name,
        source: field.line(512),
        repository: field.line(256),
        commit: field.commit,
        license: field.line(256).exactOptional(),
        files: z.array(
          z.strictObject({ path: field.safePath, size: field.bytes, digest: field.digest }),
        ),
      }),
    ),
    images: z.array(
      z.strictObject({
        name: field.name,
        source: field.line(512),
        repository: field.line(512),
        digest: field.digest,
        platforms: z.array(
          z.strictObject({
            platform: field.line(64),
            manifest: field.digest,
            config: field.digest,
          }),
        ),
      }),
    ),
    files: z.array(
      z.strictObject({
        name: field.name,
        source: field.line(2048),
        kind: z.enum(['file', 'tree']),
        path: field.safePath,
        size: field.bytes,
        digest: field.digest,
      }),
    ),
    charts: z
      .array(
        z.strictObject({
          ...objectsShape,
          chart: field.line(250),
          version: field.line(128),
          archive: z.strictObject({ digest: field.digest, size: field.bytes }),
        }),
      )
      .min(1)
      .exactOptional(),
    objects: z.array(z.strictObject(objectsShape)).min(1).exactOptional(),
    recalls: recalls.exactOptional(),
  }),
);
