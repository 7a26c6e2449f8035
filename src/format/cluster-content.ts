import * as z from 'zod';
import type { Json } from '../core/json.ts';
import * as field from './field.ts';
import { type Allowance, allowance } from './finding.ts';

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

/** A Service of the cluster, in the namespace of the release, that answers prompts. */
export interface ObjectEndpoint {
  readonly service: string;
  readonly port: number;
}

/** How the objects of a chart or of files are rendered and applied. */
export interface ObjectSettings {
  /** Objects that are left out. */
  readonly without?: readonly ObjectName[];
  readonly imagePaths?: readonly ImageField[];
  readonly readyWhen?: readonly ReadyWhen[];
  /** Whether objects that exist at the site, such as those of a `helm install`, are adopted. */
  readonly adopt?: true;
  /** Where acceptance prompts that name this item reach the model that it serves. */
  readonly endpoint?: ObjectEndpoint;
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

const kind = z.string().regex(/^[A-Z][A-Za-z0-9]{0,62}$/, 'expected a kind such as Deployment');
const group = z
  .string()
  .max(253)
  .regex(/^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)?$/, 'expected an API group such as apps');

export const readyWhen: z.ZodType<ReadyWhen[]> = field.exact(
  z
    .array(
      z.strictObject({
        kind,
        group: group.exactOptional(),
        condition: z.string().min(1).max(316),
        status: z.string().min(1).max(64).default('True'),
      }),
    )
    .min(1)
    .max(256),
);

export const objectEndpoint: z.ZodType<ObjectEndpoint> = field.exact(
  z.strictObject({
    service: z
      .string()
      .max(63)
      .regex(/^[a-z]([-a-z0-9]*[a-z0-9])?$/, 'expected the name of a Service'),
    port: z.int().min(1).max(65_535),
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
  readyWhen: readyWhen.exactOptional(),
  adopt: z.literal(true).exactOptional(),
  endpoint: objectEndpoint.exactOptional(),
  allow: z.array(allowance).min(1).max(256).exactOptional(),
};

const chartSource: z.ZodType<ChartSource> = field.exact(
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

const objectsSource: z.ZodType<ObjectsSource> = field.exact(
  z.strictObject({ name: field.name, source: field.line(2048), ...settingsShape }),
);

export const clusterNeeds: z.ZodType<ClusterNeeds> = field.exact(
  z.strictObject({
    kubeVersion: z
      .string()
      .regex(/^1\.[0-9]{1,3}\.[0-9]{1,3}$/, 'expected a version such as 1.34.0')
      .exactOptional(),
    apiVersions: z.array(z.string().min(1).max(316)).min(1).max(1000).exactOptional(),
    podSecurity: z.enum(['baseline', 'privileged']).exactOptional(),
  }),
);

/** The members of a manifest that only releases for clusters have. */
export interface ClusterManifest {
  readonly charts?: readonly ChartSource[];
  readonly objects?: readonly ObjectsSource[];
}

/** The most charts, and the most entries of `objects`, of a release. */
export const MAX_OBJECT_ITEMS = 64;

export const clusterManifestShape: {
  [K in keyof Required<ClusterManifest>]: z.ZodType<Required<ClusterManifest>[K]>;
} = {
  charts: z.array(chartSource).min(1).max(MAX_OBJECT_ITEMS),
  objects: z.array(objectsSource).min(1).max(MAX_OBJECT_ITEMS),
};

const members = ['charts', 'objects', 'cluster'] as const;

/** Whether a document, whose members may have any type, has one that versions before charts and objects do not have. */
export function usesCluster(document: object): boolean {
  return members.some((name) => Object.hasOwn(document, name));
}
