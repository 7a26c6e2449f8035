import * as z from 'zod';
import type { RenderedMount, RenderedNetwork, RenderedService } from '../containers.ts';
import { type AcceptanceTest, deploymentShape } from '../deployment.ts';
import * as field from '../field.ts';
import { type Intent, intents, type Override, override } from '../override.ts';
import { adapter, health } from '../service.ts';

/** A generation as version 0.1 wrote it: every release ran containers, whose names carried no site. */
export interface GenerationV1 {
  readonly schema: 'stowage/generation/v1';
  readonly number: number;
  readonly appliedAt: string;
  readonly releases: readonly ReleaseV1[];
}

interface ReleaseV1 {
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  readonly bundle: string;
  readonly networks: readonly Omit<RenderedNetwork, 'site'>[];
  readonly secrets: readonly { readonly name: string; readonly secret: string }[];
  readonly texts: readonly { readonly sha256: string; readonly text: string }[];
  readonly services: readonly ServiceV1[];
  readonly acceptance: readonly AcceptanceTest[];
}

type ServiceV1 = Omit<RenderedService, 'site' | 'ulimits' | 'ipc' | 'egress'>;

const mount: z.ZodType<RenderedMount> = field.exact(
  z.union([
    z.strictObject({ source: z.string().startsWith('/'), path: field.containerPath }),
    z.strictObject({ memory: field.bytes, path: field.containerPath }),
  ]),
);

/** A name that podman and docker both take. */
const engineName: z.ZodType<string> = z
  .string()
  .max(200)
  .regex(/^[a-z0-9][a-z0-9-]*$/);

const rendered: z.ZodType<ServiceV1> = field.exact(
  z.strictObject({
    release: field.name,
    name: field.name,
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
    user: z.string().exactOptional(),
    readOnlyRoot: z.boolean(),
    capabilities: z.array(z.string()),
    pids: z.int().min(1),
    memory: field.bytes.exactOptional(),
    sharedMemory: field.bytes.exactOptional(),
    cpus: z.number().positive().exactOptional(),
    gpus: z.union([z.int(), z.literal('all')]).exactOptional(),
    health: health.exactOptional(),
  }),
);

const release: z.ZodType<ReleaseV1> = field.exact(
  z.strictObject({
    name: field.name,
    version: field.version,
    seq: field.sequence,
    bundle: field.hex(128),
    networks: z
      .array(z.strictObject({ name: engineName, release: field.name, internal: z.boolean() }))
      .max(8),
    secrets: z.array(z.strictObject({ name: engineName, secret: field.name })).max(256),
    texts: z.array(z.strictObject({ sha256: field.hex(64), text: z.string() })).max(256),
    services: z.array(rendered),
    acceptance: deploymentShape.acceptance,
  }),
);

export const generationV1Schema: z.ZodType<GenerationV1> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/generation/v1'),
    number: z.int().min(0),
    appliedAt: field.moment,
    releases: z.array(release).max(1000),
  }),
);

/** A plan as version 0.1 wrote it: every action was one of the site or of a container engine. */
export interface PlanV1 {
  readonly schema: 'stowage/plan/v1';
  readonly intent: Intent;
  readonly subject: string;
  readonly site: string;
  readonly madeAt: string;
  readonly from: GenerationV1;
  readonly to: GenerationV1;
  readonly constraints: readonly {
    readonly rule: string;
    readonly satisfied: boolean;
    readonly needs: string;
    readonly found: string;
    readonly override?: Override;
  }[];
  readonly outage: { readonly services: readonly string[]; readonly seconds: number };
  readonly steps: readonly {
    readonly id: number;
    readonly do: OperationV1;
    readonly undo?: OperationV1;
    readonly reason: string;
  }[];
}

interface OperationV1 {
  readonly action: (typeof actions)[number];
  readonly side: 'from' | 'to';
  readonly release: string;
  readonly subject: string;
}

const actions = [
  'place-files',
  'remove-files',
  'place-secret',
  'remove-secret',
  'create-network',
  'remove-network',
  'load-image',
  'unload-image',
  'stop-service',
  'start-service',
  'gate-service',
  'gate-release',
  'switch-generation',
] as const;

const operation: z.ZodType<OperationV1> = field.exact(
  z.strictObject({
    action: z.enum(actions),
    side: z.enum(['from', 'to']),
    release: z.string().max(63),
    subject: z.string().max(512),
  }),
);

export const planV1Schema: z.ZodType<PlanV1> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/plan/v1'),
    intent: z.enum(intents),
    subject: z.string().max(128),
    site: field.name,
    madeAt: field.moment,
    from: generationV1Schema,
    to: generationV1Schema,
    constraints: z.array(
      z.strictObject({
        rule: field.name,
        satisfied: z.boolean(),
        needs: z.string().max(2000),
        found: z.string().max(2000),
        override: override.exactOptional(),
      }),
    ),
    outage: z.strictObject({
      services: z.array(z.string().max(200)).max(1000),
      seconds: z.int().min(0),
    }),
    steps: z
      .array(
        z.strictObject({
          id: z.int().min(1),
          do: operation,
          undo: operation.exactOptional(),
          reason: z.string().max(500),
        }),
      )
      .max(10_000),
  }),
);
