import * as z from 'zod';
import { MAX_INDEX_BYTES } from '../core/limits.ts';
import {
  type ObjectEndpoint,
  objectEndpoint,
  type ReadyWhen,
  readyWhen,
} from './cluster-content.ts';
import type { DocumentKind } from './document.ts';
import * as field from './field.ts';
import { type Hook, hook, MAX_OBJECTS } from './rendered-objects.ts';
import { type Adapter, adapter, type Health, health } from './service.ts';

/** An object of the Kubernetes API, as it is applied. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [member: string]: unknown;
}

/** The workload of a release whose services are Deployments of a cluster. */
export type KubernetesWorkload = {
  readonly kind: 'kubernetes';
  /** The id of the site that owns its objects. */
  readonly site: string;
  readonly release: string;
  readonly namespace: string;
  /** Whether the site makes the namespace and removes it. */
  readonly ownsNamespace: boolean;
  /** Policies, budgets, volumes and the services that peers use: their names depend on their content. */
  readonly objects: readonly KubernetesObject[];
  /** In an order in which each follows its dependencies. */
  readonly services: readonly KubernetesService[];
  /** The pull secret among the secrets of the release, whose value is `name:token`, and the registry that it is for. */
  readonly pullSecret?: { readonly name: string; readonly registry: string };
  /** How the content of the release gets to the claim that its pods mount; absent if that is not Stowage's work. */
  readonly fill?: KubernetesFill;
  /** The charts and objects of the release, in the order in which they are applied; absent if it has none. */
  readonly sets?: readonly KubernetesSet[];
  /** The Pod Security Standard of the namespace, if the site makes it; `restricted` if absent. */
  readonly podSecurity?: 'baseline' | 'privileged';
};

/** The objects of a chart or of `objects:`, with the values of the site. */
export interface KubernetesSet {
  readonly name: string;
  /** In the order in which they are applied. A namespaced object without a namespace is in that of the release. */
  readonly objects: readonly KubernetesObject[];
  /** Objects that are made at a moment of the set's life. */
  readonly hooks?: readonly KubernetesHook[];
  readonly readyWhen?: readonly ReadyWhen[];
  /** Whether existing objects are adopted, and restored when the release is uninstalled. */
  readonly adopt?: true;
  /** What answers the acceptance prompts that name this set. */
  readonly endpoint?: ObjectEndpoint;
  /** What the objects may do beyond their namespace, one line each. */
  readonly powers: readonly string[];
}

export interface KubernetesHook extends Hook {
  readonly object: KubernetesObject;
}

/** A volume with the content of a release, as a Job makes it. */
export interface KubernetesFill {
  readonly claim: string;
  /** The folder of the release in it. */
  readonly folder: string;
  /** What is copied, in bytes. */
  readonly bytes: number;
  /** Copies the content, and removes content of the release that no generation needs. */
  readonly job: KubernetesObject;
  /** Removes the content of the release; absent where the claim is removed, or its content stays. */
  readonly clear?: KubernetesObject;
}

/** A service as a Deployment, named after its content, and the Service that its clients use. */
export interface KubernetesService {
  readonly name: string;
  readonly dependsOn: readonly string[];
  readonly health?: Health;
  readonly adapters?: readonly Adapter[];
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  readonly deployment: KubernetesObject;
  /** Its selector names the pods of `deployment`; absent without ports. */
  readonly service?: KubernetesObject;
  /** Services of the release, by the names under which its pods reach them, and the Services in `objects` that they are. */
  readonly peers: Readonly<Record<string, string>>;
}

const object: z.ZodType<KubernetesObject> = field.exact(
  z.looseObject({
    apiVersion: z.string().max(253),
    kind: z.string().max(63),
    metadata: z.strictObject({
      name: z.string().max(253),
      namespace: z.string().max(63).exactOptional(),
      labels: z.record(z.string(), z.string()).exactOptional(),
      annotations: z.record(z.string(), z.string()).exactOptional(),
    }),
  }),
);

const service: z.ZodType<KubernetesService> = field.exact(
  z.strictObject({
    name: field.name,
    dependsOn: z.array(field.name),
    health: health.exactOptional(),
    adapters: z.array(adapter).min(1).max(64).exactOptional(),
    ports: z.array(z.strictObject({ name: field.name, port: field.port })),
    deployment: object,
    service: object.exactOptional(),
    peers: z.record(field.name, z.string().max(63)),
  }),
);

const fill: z.ZodType<KubernetesFill> = field.exact(
  z.strictObject({
    claim: z.string().max(253),
    folder: z.string().max(255),
    bytes: field.bytes,
    job: object,
    clear: object.exactOptional(),
  }),
);

/** Its metadata may have members that Stowage does not write, such as finalizers. */
const setObject = z.looseObject({
  apiVersion: z.string().max(253),
  kind: z.string().max(63),
  metadata: z.looseObject({
    name: z.string().max(253),
    namespace: z.string().max(63).exactOptional(),
    labels: z.record(z.string(), z.string()).exactOptional(),
    annotations: z.record(z.string(), z.string()).exactOptional(),
  }),
}) as unknown as z.ZodType<KubernetesObject>;

const set: z.ZodType<KubernetesSet> = field.exact(
  z.strictObject({
    name: field.name,
    objects: z.array(setObject).max(MAX_OBJECTS),
    hooks: z
      .array(z.strictObject({ ...hook, object: setObject }))
      .min(1)
      .max(MAX_OBJECTS)
      .exactOptional(),
    readyWhen: readyWhen.exactOptional(),
    adopt: z.literal(true).exactOptional(),
    endpoint: objectEndpoint.exactOptional(),
    powers: z.array(field.line(1024)),
  }),
);

const schema: z.ZodType<KubernetesWorkload> = field.exact(
  z
    .strictObject({
      kind: z.literal('kubernetes'),
      site: field.hex(8),
      release: field.name,
      namespace: z.string().max(63),
      ownsNamespace: z.boolean(),
      objects: z.array(object).max(1000),
      services: z.array(service),
      pullSecret: z
        .strictObject({ name: z.string().max(253), registry: z.string().max(255) })
        .exactOptional(),
      fill: fill.exactOptional(),
      sets: z.array(set).min(1).max(1000).exactOptional(),
      podSecurity: z.enum(['baseline', 'privileged']).exactOptional(),
    })
    .refine(({ services, sets }) => services.length > 0 || sets !== undefined, {
      path: ['services'],
      message: 'expected a service, or a set of objects',
    }),
);

/** Part of a generation, so it has no version of its own. */
export const kubernetesWorkloadKind: DocumentKind<KubernetesWorkload> = {
  name: 'Kubernetes workload',
  code: 'state-damaged',
  schema,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'restore the site folder from its backup, or install the release again',
};
