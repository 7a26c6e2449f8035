import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import type { Json } from '../core/json.ts';
import {
  MAX_OBJECT_ITEMS,
  type ObjectEndpoint,
  objectEndpoint,
  type ReadyWhen,
  readyWhen,
} from './cluster-content.ts';
import * as field from './field.ts';
import { attachment, blob, type LockedAttachment, type LockedBlob } from './locked-content.ts';
import { MAX_POWERS } from './rendered-objects.ts';

/** A blob without a media type. */
export interface Sized {
  readonly digest: Digest;
  readonly size: number;
}

/** Objects as they were rendered, before they were signed, and how a site applies them. */
interface Rendered {
  readonly name: string;
  readonly source: string;
  /** A blob with a `RenderedObjects` document. */
  readonly objects: Sized;
  /** The program and its version, such as `helm v4.2.3`. */
  readonly renderedBy: string;
  /** What the objects may do beyond their namespace, one line each, sorted. */
  readonly powers: readonly string[];
  readonly readyWhen?: readonly ReadyWhen[];
  readonly adopt?: true;
  readonly endpoint?: ObjectEndpoint;
}

/** A local file that objects are rendered from. */
export interface RenderInputFile {
  /** Relative to the manifest. */
  readonly path: string;
  readonly digest: Digest;
}

interface LockedRendering extends Rendered {
  /** Files of values; for objects, all files. Sorted by path; absent if there are none. */
  readonly inputs?: readonly RenderInputFile[];
}

/** The media types of a chart in a registry (helm.sh/docs/topics/registries). */
export const chartTypes = {
  config: 'application/vnd.cncf.helm.config.v1+json',
  content: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
  /** Its signature file. */
  provenance: 'application/vnd.cncf.helm.chart.provenance.v1.prov',
} as const;

/** The chart itself. */
interface ChartIdentity {
  /** The chart's own name and version. */
  readonly chart: string;
  readonly version: string;
  readonly appVersion?: string;
  /** The `.tgz` as `helm pull` writes it. */
  readonly archive: Sized;
}

export interface LockedChart extends LockedRendering, ChartIdentity {
  /** Its `Chart.yaml`: the config of a generated manifest. Absent for a copied one. */
  readonly config?: Readonly<Record<string, Json>>;
  /** For a chart from a registry: its repository, its manifest and the other blobs, stored byte for byte. */
  readonly copied?: {
    /** `registry/repository`. */
    readonly repository: string;
    readonly manifest: LockedBlob;
    readonly blobs: readonly LockedBlob[];
  };
  /** Where the archive is downloaded, for a chart from an https repository. */
  readonly url?: string;
}

export interface LockedObjects extends LockedRendering {}

export interface BundleChart extends Rendered, ChartIdentity {
  /** The chart as an OCI artifact. */
  readonly manifest: Digest;
  /** The signature file of the chart, if its registry has one. */
  readonly provenance?: Sized;
  /** The artifact with the rendered objects, whose subject is the chart. */
  readonly attached: readonly LockedAttachment[];
}

export interface BundleObjects extends Rendered {
  /** An artifact with the rendered objects as its one layer. */
  readonly manifest: Digest;
}

const MAX_INPUT_FILES = 10_000;

const sized: z.ZodType<Sized> = field.exact(
  z.strictObject({ digest: field.digest, size: field.bytes }),
);

const renderedShape = {
  name: field.name,
  source: field.line(2048),
  objects: sized,
  renderedBy: field.line(128),
  powers: z.array(field.line(1024)).max(MAX_POWERS),
  readyWhen: readyWhen.exactOptional(),
  adopt: z.literal(true).exactOptional(),
  endpoint: objectEndpoint.exactOptional(),
};

const lockedShape = {
  ...renderedShape,
  inputs: z
    .array(z.strictObject({ path: field.line(4096), digest: field.digest }))
    .min(1)
    .max(MAX_INPUT_FILES)
    .exactOptional(),
};

const chartShape = {
  chart: z
    .string()
    .max(250)
    .regex(/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/, 'expected the name of a chart'),
  version: z
    .string()
    .max(128)
    .regex(/^[0-9A-Za-z][0-9A-Za-z.+-]*$/, 'expected the version of a chart'),
  appVersion: field.line(128).exactOptional(),
  archive: sized,
};

const lockedChart: z.ZodType<LockedChart> = field.exact(
  z.strictObject({
    ...lockedShape,
    ...chartShape,
    config: (
      z.record(z.string(), z.json()) as unknown as z.ZodType<Record<string, Json>>
    ).exactOptional(),
    copied: z
      .strictObject({
        repository: field.line(512),
        manifest: blob,
        blobs: z.array(blob).min(1).max(100),
      })
      .exactOptional(),
    url: field.line(2048).exactOptional(),
  }),
);

const lockedObjects: z.ZodType<LockedObjects> = field.exact(z.strictObject(lockedShape));

const bundledShape = { ...renderedShape, manifest: field.digest };

const bundledChart: z.ZodType<BundleChart> = field.exact(
  z.strictObject({
    ...bundledShape,
    ...chartShape,
    provenance: sized.exactOptional(),
    attached: z.array(attachment).length(1),
  }),
);

const bundledObjects: z.ZodType<BundleObjects> = field.exact(z.strictObject(bundledShape));

/** Charts and objects in a lock. */
export interface LockedCluster {
  readonly charts?: readonly LockedChart[];
  readonly objects?: readonly LockedObjects[];
}

/** Charts and objects in `bundle.json`. */
export interface BundleCluster {
  readonly charts?: readonly BundleChart[];
  readonly objects?: readonly BundleObjects[];
}

export const lockedCluster: {
  [K in keyof Required<LockedCluster>]: z.ZodType<Required<LockedCluster>[K]>;
} = {
  charts: z.array(lockedChart).min(1).max(MAX_OBJECT_ITEMS),
  objects: z.array(lockedObjects).min(1).max(MAX_OBJECT_ITEMS),
};

export const bundledCluster: {
  [K in keyof Required<BundleCluster>]: z.ZodType<Required<BundleCluster>[K]>;
} = {
  charts: z.array(bundledChart).min(1).max(MAX_OBJECT_ITEMS),
  objects: z.array(bundledObjects).min(1).max(MAX_OBJECT_ITEMS),
};
