import * as z from 'zod';
import type { Json } from '../core/canonical-json.ts';
import type { Digest } from '../core/digest.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { type Allowance, allowance } from './finding.ts';
import { blob, type LockedBlob } from './locked-content.ts';

/** An object of the Kubernetes API by its kind and name, without its namespace. */
export interface ObjectName {
  readonly kind: string;
  readonly name: string;
}

/** A field of a custom resource that is, or contains, the reference of an image. */
export interface ImageField {
  readonly kind: string;
  /** The group of its API; any if absent. */
  readonly group?: string;
  /** Names separated by dots; `*` for each member or element. */
  readonly path: string;
}

/** The condition in `status.conditions` with which a custom resource is ready. */
export interface ReadyWhen {
  readonly kind: string;
  /** The group of its API; any if absent. */
  readonly group?: string;
  readonly condition: string;
  readonly status: string;
}

/** How the objects of a chart or of files are rendered and applied. */
export interface ObjectSettings {
  /** Objects that are left out. */
  readonly without?: readonly ObjectName[];
  readonly imagePaths?: readonly ImageField[];
  readonly readyWhen?: readonly ReadyWhen[];
  /** Whether objects that exist at the site, such as those of a `helm install`, are taken over. */
  readonly adopt?: true;
  /** As for a model. */
  readonly allow?: readonly Allowance[];
}

/** A Helm chart, in the manifest. */
export interface ChartSource extends ObjectSettings {
  readonly name: string;
  /** `oci://registry/path/chart@version`, `https://repository#chart@version`, or a path to a folder or an archive. */
  readonly source: string;
  /** The name of the Helm release; that of the chart in this manifest if absent. */
  readonly release?: string;
  /** Files with values, relative to the manifest, each over those before it. */
  readonly valuesFiles?: readonly string[];
  /** Values over those of all files. A text may contain `${parameters.NAME}`. */
  readonly values?: Readonly<Record<string, Json>>;
}

/** Plain objects, in the manifest. */
export interface ObjectsSource extends ObjectSettings {
  readonly name: string;
  /** A path to a YAML file, a folder of them, or a kustomization. */
  readonly source: string;
}

/** What a cluster must be for the charts and objects of a release. */
export interface ClusterNeeds {
  /** The version of Kubernetes that charts are rendered for, such as `1.34.0`; a site must have it or a later one. */
  readonly kubeVersion?: string;
  /** Further APIs that charts are rendered with, such as `monitoring.coreos.com/v1`; a site must have them. */
  readonly apiVersions?: readonly string[];
  /** The Pod Security Standard of the release's namespace; `restricted` if absent. */
  readonly podSecurity?: 'baseline' | 'privileged';
}

/** Objects as they were rendered, before they were signed. */
export interface Rendered {
  /** A blob with a `RenderedObjects` document. */
  readonly objects: { readonly digest: Digest; readonly size: number };
  /** The program and its version, such as `helm v4.2.3`. */
  readonly renderedBy: string;
  /** What the objects may do beyond their namespace, one line each, sorted. */
  readonly powers: readonly string[];
}

export interface LockedChart extends Rendered {
  readonly name: string;
  readonly source: string;
  /** The chart's own name and version. */
  readonly chart: string;
  readonly version: string;
  readonly appVersion?: string;
  readonly archive: { readonly digest: Digest; readonly size: number };
  /** For a chart from a registry: its manifest and the other blobs, stored byte for byte; else the manifest is generated. */
  readonly copied?: { readonly manifest: LockedBlob; readonly blobs: readonly LockedBlob[] };
}

export interface LockedObjects extends Rendered {
  readonly name: string;
  readonly source: string;
}

/** What a site needs to apply objects. */
interface Applied extends Rendered {
  readonly readyWhen?: readonly ReadyWhen[];
  readonly adopt?: true;
}

export interface BundleChart extends Applied {
  readonly name: string;
  readonly source: string;
  readonly chart: string;
  readonly version: string;
  readonly appVersion?: string;
  /** The chart as an OCI artifact. Its rendered objects are a referrer of it. */
  readonly manifest: Digest;
  readonly archive: { readonly digest: Digest; readonly size: number };
}

export interface BundleObjects extends Applied {
  readonly name: string;
  readonly source: string;
  /** An artifact with the rendered objects as its one layer. */
  readonly manifest: Digest;
}

export const MAX_POWERS = 20_000;

const kind = z.string().regex(/^[A-Z][A-Za-z0-9]{0,62}$/, 'expected a kind such as Deployment');
const group = z
  .string()
  .max(253)
  .regex(/^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)?$/, 'expected an API group such as apps');

const readyWhen: z.ZodType<ReadyWhen> = exact(
  z.strictObject({
    kind,
    group: group.exactOptional(),
    condition: z.string().min(1).max(316),
    status: z.string().min(1).max(64).default('True'),
  }),
);

const settingsShape = {
  without: z
    .array(z.strictObject({ kind, name: z.string().min(1).max(253) }))
    .min(1)
    .max(1000)
    .exactOptional(),
  imagePaths: z
    .array(
      z.strictObject({
        kind,
        group: group.exactOptional(),
        path: z
          .string()
          .max(1024)
          .regex(/^[^.]+(?:\.[^.]+)*$/, 'expected names separated by dots'),
      }),
    )
    .min(1)
    .max(256)
    .exactOptional(),
  readyWhen: z.array(readyWhen).min(1).max(256).exactOptional(),
  adopt: z.literal(true).exactOptional(),
  allow: z.array(allowance).min(1).max(256).exactOptional(),
};

export const chartSource: z.ZodType<ChartSource> = exact(
  z.strictObject({
    name: field.name,
    source: field.line(2048),
    release: field.name.exactOptional(),
    valuesFiles: z.array(field.line(4096)).min(1).max(64).exactOptional(),
    values: (
      z.record(z.string(), z.json()) as unknown as z.ZodType<Record<string, Json>>
    ).exactOptional(),
    ...settingsShape,
  }),
);

export const objectsSource: z.ZodType<ObjectsSource> = exact(
  z.strictObject({ name: field.name, source: field.line(2048), ...settingsShape }),
);

export const clusterNeeds: z.ZodType<ClusterNeeds> = exact(
  z.strictObject({
    kubeVersion: z
      .string()
      .regex(/^1\.[0-9]{1,3}\.[0-9]{1,3}$/, 'expected a version such as 1.34.0')
      .exactOptional(),
    apiVersions: z.array(z.string().min(1).max(316)).min(1).max(1000).exactOptional(),
    podSecurity: z.enum(['baseline', 'privileged']).exactOptional(),
  }),
);

const sized = z.strictObject({ digest: field.digest, size: field.bytes });

const renderedShape = {
  objects: sized,
  renderedBy: field.line(128),
  powers: z.array(field.line(1024)).max(MAX_POWERS),
};

const chartShape = {
  name: field.name,
  source: field.line(2048),
  chart: z
    .string()
    .max(250)
    .regex(/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/),
  version: field.line(128),
  appVersion: field.line(128).exactOptional(),
  archive: sized,
};

export const lockedChart: z.ZodType<LockedChart> = exact(
  z.strictObject({
    ...chartShape,
    ...renderedShape,
    copied: z
      .strictObject({ manifest: blob, blobs: z.array(blob).min(1).max(100) })
      .exactOptional(),
  }),
);

export const lockedObjects: z.ZodType<LockedObjects> = exact(
  z.strictObject({ name: field.name, source: field.line(2048), ...renderedShape }),
);

const appliedShape = {
  ...renderedShape,
  readyWhen: settingsShape.readyWhen,
  adopt: settingsShape.adopt,
};

export const bundledChart: z.ZodType<BundleChart> = exact(
  z.strictObject({ ...chartShape, ...appliedShape, manifest: field.digest }),
);

export const bundledObjects: z.ZodType<BundleObjects> = exact(
  z.strictObject({
    name: field.name,
    source: field.line(2048),
    ...appliedShape,
    manifest: field.digest,
  }),
);
