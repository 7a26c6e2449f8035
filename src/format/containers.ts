import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import { MAX_INDEX_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { type RenderedEgress, renderedEgress } from './egress.ts';
import * as field from './field.ts';
import { type Isolation, isolationShape } from './isolation.ts';
import { type Adapter, adapter, type Health, health } from './service.ts';

/** The workload of a release whose services are containers of podman or docker on one host. */
export type ContainerWorkload = {
  readonly kind: 'containers';
  readonly networks: readonly RenderedNetwork[];
  /** In an order in which each follows its dependencies. */
  readonly services: readonly RenderedService[];
};

/** A service with all values substituted: everything that an engine needs to run it. */
export interface RenderedService extends Isolation {
  readonly release: string;
  readonly name: string;
  /** The id of the site that owns its container; absent for services that version 0.1 applied. */
  readonly site?: string;
  /** The name of its container and of its unit. */
  readonly unit: string;
  readonly image: RenderedImage;
  readonly entrypoint?: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Services of the same release that must be ready before this one starts. */
  readonly dependsOn: readonly string[];
  readonly mounts: readonly RenderedMount[];
  /** LoRA adapters that it serves, mounted at `/adapters/<model>`; absent if there are none. */
  readonly adapters?: readonly Adapter[];
  readonly secrets: readonly RenderedSecret[];
  readonly ports: readonly RenderedPort[];
  readonly network: 'bridge' | 'host' | 'none';
  /** For `bridge`: the networks that it joins, each by its name in the engine; its peers reach it by its name. */
  readonly networks: readonly string[];
  /**
   * Where it may open connections to through its first network, which leads outside. Absent if it has no such network, and for
   * services that were rendered before connections were restricted.
   */
  readonly egress?: readonly RenderedEgress[];
  /** Absent for the user in the image's config. */
  readonly user?: string;
  readonly readOnlyRoot: boolean;
  readonly capabilities: readonly string[];
  readonly pids: number;
  readonly memory?: number;
  readonly sharedMemory?: number;
  readonly cpus?: number;
  readonly gpus?: number | 'all';
  readonly health?: Health;
}

export interface RenderedImage {
  /** The depot's repository: `<release>/<image>`. */
  readonly repository: string;
  /** The manifest for this host's platform. */
  readonly manifest: Digest;
  /** The digest of its config; its hex is the image's id in an engine. */
  readonly config: Digest;
  /** The name of the image in the engine. */
  readonly tag: string;
}

export type RenderedMount =
  /** A folder or a file of the site, read-only. */
  | { readonly source: string; readonly path: string }
  | { readonly memory: number; readonly path: string };

/** A secret in the engine, mounted as a file. */
export interface RenderedSecret {
  readonly name: string;
  readonly path: string;
}

/** A network of the engine that only this release uses. */
export interface RenderedNetwork {
  readonly name: string;
  readonly release: string;
  /** As in {@link RenderedService}. */
  readonly site?: string;
  /** Whether it has no connection to the outside of the host, in either direction. */
  readonly internal: boolean;
}

export interface RenderedPort {
  readonly name: string;
  readonly address: string;
  readonly host: number;
  readonly container: number;
}

const mount: z.ZodType<RenderedMount> = field.exact(
  z.union([
    z.strictObject({ source: z.string().startsWith('/'), path: field.containerPath }),
    z.strictObject({ memory: field.bytes, path: field.containerPath }),
  ]),
);

/** A name that podman and docker both accept. */
const engineName: z.ZodType<string> = z
  .string()
  .max(200)
  .regex(/^[a-z0-9][a-z0-9-]*$/);

const isolation = isolationShape(field.bytes);

const service: z.ZodType<RenderedService> = field.exact(
  z.strictObject({
    release: field.name,
    name: field.name,
    site: field.hex(8).exactOptional(),
    unit: z.string().max(200),
    image: z.strictObject({
      repository: z.string().max(255),
      manifest: field.digest,
      config: field.digest,
      tag: z.string().max(512),
    }),
    entrypoint: z.string().exactOptional(),
    args: z.array(z.string()),
    env: z.record(z.string(), z.string()),
    dependsOn: z.array(field.name),
    mounts: z.array(mount),
    adapters: z.array(adapter).min(1).max(64).exactOptional(),
    secrets: z.array(z.strictObject({ name: engineName, path: field.containerPath })),
    ports: z.array(
      z.strictObject({
        name: field.name,
        address: z.string(),
        host: field.port,
        container: field.port,
      }),
    ),
    network: z.enum(['bridge', 'host', 'none']),
    networks: z.array(engineName).max(8),
    egress: z.array(renderedEgress).max(64).exactOptional(),
    user: z.string().exactOptional(),
    readOnlyRoot: z.boolean(),
    capabilities: z.array(z.string()),
    pids: z.int().min(1),
    memory: field.bytes.exactOptional(),
    sharedMemory: field.bytes.exactOptional(),
    cpus: z.number().positive().exactOptional(),
    gpus: z.union([z.int(), z.literal('all')]).exactOptional(),
    health: health.exactOptional(),
    ulimits: isolation.ulimits.exactOptional(),
    ipc: isolation.ipc.exactOptional(),
  }),
);

const schema: z.ZodType<ContainerWorkload> = field.exact(
  z.strictObject({
    kind: z.literal('containers'),
    networks: z
      .array(
        z.strictObject({
          name: engineName,
          release: field.name,
          site: field.hex(8).exactOptional(),
          internal: z.boolean(),
        }),
      )
      .max(8),
    services: z.array(service).min(1),
  }),
);

/** Part of a generation, so it has no version of its own. */
export const containerWorkloadKind: DocumentKind<ContainerWorkload> = {
  name: 'container workload',
  code: 'state-damaged',
  schema,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'restore the site folder from its backup, or install the release again',
};
