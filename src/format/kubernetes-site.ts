import * as z from 'zod';
import {
  isRegistryHost,
  isRepositoryName,
  REGISTRY_HOST,
  REPOSITORY_NAME,
} from '../core/repository-name.ts';
import { placePattern } from './address-pattern.ts';
import { isPlace } from './egress.ts';
import * as field from './field.ts';
import { absolutePath, forEditors, partOf } from './for-editors.ts';

/** The location of a secret's value; one line feed at its end is removed. */
export type SecretReference = { readonly file: string } | { readonly env: string };

const absolute = forEditors(
  field.line(4096).refine((path) => path.startsWith('/'), 'expected an absolute path'),
  { pattern: absolutePath },
);

export const secretReference: z.ZodType<SecretReference> = field.exact(
  z.union([
    z.strictObject({ file: absolute }),
    z.strictObject({
      env: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'expected the name of a variable such as API_KEY'),
    }),
  ]),
);

/** How nodes get images: from the depot by its address, from mirrors that their runtime knows, or from the site's registry. */
export const imageWays = ['direct', 'mirror', 'push'] as const;
export type ImageWay = (typeof imageWays)[number];

/** How pods get models and files. */
export const weightWays = ['auto', 'image-volume', 'volume', 'local'] as const;
export type WeightWay = (typeof weightWays)[number];

/** What `${models.NAME.uri}` in objects is: as pods of services get models, or the name in the Hub of the depot. */
export const modelUris = ['auto', 'hub'] as const;

export interface Toleration {
  readonly key?: string;
  readonly operator: 'Equal' | 'Exists';
  readonly value?: string;
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

/** How a claim is filled with the content of a release. */
export interface VolumeFill {
  /** An image of the release with a shell; absent for the image of the service. */
  readonly image?: string;
  /** Whether the content stays on the claim when its release is removed. */
  readonly keep: boolean;
}

/** The cluster of a site with `target: kubernetes`. */
export interface KubernetesSite {
  /** An absolute path; absent for the `KUBECONFIG` variable, or `~/.kube/config`. */
  readonly kubeconfig?: string;
  /** A context of the kubeconfig; absent for its current one. */
  readonly context?: string;
  /** A namespace that exists and belongs to the cluster's owner: every release goes there. */
  readonly namespace?: string;
  /** Without `namespace`: each release gets a namespace of its own, named with this prefix. */
  readonly namespacePrefix: string;
  readonly images: {
    readonly from: ImageWay;
    /** Host and port of the depot or of the site's registry, as nodes reach it. */
    readonly registry: string;
    /** The start of every repository in the site's registry, such as `ai/`. */
    readonly prefix: string;
    /** Where `name:token` is, which nodes pull with; absent if the registry requires none. */
    readonly credentials?: SecretReference;
    /** A pull secret that exists in the namespace. */
    readonly pullSecret?: string;
  };
  readonly weights: WeightWay;
  readonly modelUris: (typeof modelUris)[number];
  /** For `volume`: a claim in the namespace that has the content, or is filled with it. */
  readonly claim?: string;
  /** For `volume` without `claim`: Stowage makes a claim of this class for each release, and fills it. */
  readonly storageClass?: string;
  /** The access mode of the claims that Stowage makes. */
  readonly accessMode: 'ReadWriteMany' | 'ReadWriteOnce';
  /** For `volume`: a Job copies the content to the claim. Without it, the owner of the claim does. */
  readonly fill?: VolumeFill;
  /** For `local`: the node that is this host. */
  readonly node?: string;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly Toleration[];
  readonly runtimeClass?: string;
  readonly priorityClass?: string;
  /** Namespaces whose pods may reach the services, and networks from which clients outside the cluster may. */
  readonly clients: readonly string[];
  /** The resource names of GPUs by their vendor. */
  readonly gpus: { readonly nvidia: string; readonly amd: string };
  readonly service: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  /** Whether new pods start beside the old ones, or the old ones stop first; `auto` decides by free capacity. */
  readonly switch: 'auto' | 'beside' | 'stop-first';
  /** `namespace` where the cluster assigns user ids, as OpenShift does. */
  readonly user: 'manifest' | 'namespace';
  /** Whether charts and objects may have objects that are in no namespace, such as definitions and cluster roles. */
  readonly clusterScoped: boolean;
}

/** RFC 1123 label; names of nodes and resources may have dots and a prefix. */
const dotted: z.ZodType<string> = z
  .string()
  .max(253)
  .regex(
    /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/,
    'expected lower-case letters, digits, hyphens, dots',
  );
const labelKey: z.ZodType<string> = z
  .string()
  .max(317)
  .regex(
    /^(?:[a-z0-9][a-z0-9.-]*\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/,
    'expected a label or resource name such as nvidia.com/gpu',
  );
const labelValue: z.ZodType<string> = z
  .string()
  .max(63)
  .regex(/^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?$/, 'expected the value of a label');

const client = forEditors(
  z
    .string()
    .refine(
      (text) => isPlace(text) || field.name.safeParse(text).success,
      'expected a namespace, an address, or a network such as 10.20.0.0/16',
    ),
  { pattern: `${placePattern}|(?=.{1,63}$)${partOf(field.NAME)}` },
);

const toleration: z.ZodType<Toleration> = field.exact(
  z.strictObject({
    key: labelKey.exactOptional(),
    operator: z.enum(['Equal', 'Exists']).default('Equal'),
    value: labelValue.exactOptional(),
    effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).exactOptional(),
  }),
);

const volumeFill: z.ZodType<VolumeFill> = field.exact(
  z.strictObject({ image: field.name.exactOptional(), keep: z.boolean().default(false) }),
);

const images: z.ZodType<KubernetesSite['images']> = field.exact(
  z
    .strictObject({
      from: z.enum(imageWays).default('direct'),
      registry: forEditors(
        z
          .string()
          .max(255)
          .refine(
            isRegistryHost,
            'expected a host, with a port if it needs one, such as 10.0.0.1:5443',
          ),
        { pattern: partOf(REGISTRY_HOST) },
      ),
      prefix: forEditors(
        z
          .string()
          .max(200)
          .refine(
            (text) => text === '' || (text.endsWith('/') && isRepositoryName(text.slice(0, -1))),
            'expected lower-case repository names that end in /, such as ai/',
          ),
        { pattern: `(?:${partOf(REPOSITORY_NAME)}\\/)?` },
      ).default(''),
      credentials: secretReference.exactOptional(),
      pullSecret: dotted.exactOptional(),
    })
    .refine((value) => value.prefix === '' || value.from === 'push', {
      path: ['prefix'],
      message: 'only images that are pushed have a prefix',
    })
    .refine((value) => value.credentials === undefined || value.pullSecret === undefined, {
      path: ['pullSecret'],
      message: 'expected either credentials or pullSecret',
    }),
);

export const kubernetesSite: z.ZodType<KubernetesSite> = field.exact(
  z
    .strictObject({
      kubeconfig: absolute.exactOptional(),
      context: field.line(253).exactOptional(),
      namespace: field.name.exactOptional(),
      namespacePrefix: z
        .string()
        .max(30)
        .regex(/^(?:[a-z][a-z0-9-]*)?$/, 'expected lower-case letters, digits and hyphens')
        .default('stowage-'),
      images,
      weights: z.enum(weightWays).default('auto'),
      modelUris: z.enum(modelUris).default('auto'),
      claim: dotted.exactOptional(),
      storageClass: dotted.exactOptional(),
      accessMode: z.enum(['ReadWriteMany', 'ReadWriteOnce']).default('ReadWriteMany'),
      fill: volumeFill.exactOptional(),
      node: dotted.exactOptional(),
      nodeSelector: z.record(labelKey, labelValue).default({}),
      tolerations: z.array(toleration).max(64).default([]),
      runtimeClass: dotted.exactOptional(),
      priorityClass: dotted.exactOptional(),
      clients: z.array(client).max(256).default([]),
      gpus: z
        .strictObject({
          nvidia: labelKey.default('nvidia.com/gpu'),
          amd: labelKey.default('amd.com/gpu'),
        })
        .default({ nvidia: 'nvidia.com/gpu', amd: 'amd.com/gpu' }),
      service: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).default('ClusterIP'),
      switch: z.enum(['auto', 'beside', 'stop-first']).default('auto'),
      user: z.enum(['manifest', 'namespace']).default('manifest'),
      clusterScoped: z.boolean().default(true),
    })
    .refine(
      ({ weights, claim, storageClass }) =>
        [claim, storageClass].filter((each) => each !== undefined).length ===
        (weights === 'volume' ? 1 : 0),
      {
        path: ['claim'],
        message: 'weights: volume needs either a claim or a storageClass, and only it has one',
      },
    )
    .refine(({ weights, fill }) => fill === undefined || weights === 'volume', {
      path: ['fill'],
      message: 'expected only with weights: volume',
    })
    .refine(({ fill, claim }) => fill?.keep !== true || claim !== undefined, {
      path: ['fill', 'keep'],
      message: 'a claim that Stowage makes is removed with its release',
    })
    .refine((value) => (value.weights === 'local') === (value.node !== undefined), {
      path: ['node'],
      message: 'weights: local needs the name of the node that is this host, and only it has one',
    }),
);
