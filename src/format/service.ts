import * as z from 'zod';
import { fieldsOf, listOf } from '../core/json.ts';
import { GIB, KIB, MIB } from '../core/limits.ts';
import { adapterDefect } from './adapter-settings.ts';
import { apiKeyDefect } from './api-key.ts';
import { always, type Cause, follows } from './defect.ts';
import * as field from './field.ts';
import { isolationShape, type ServiceIsolation, serviceEgress } from './isolation.ts';
import { type Optional, optional } from './optional.ts';
import {
  nodesDefects,
  type ProgramShape,
  type Scaling,
  scalingDefects,
  scalingShape,
} from './placement.ts';

/** How a server reports that it is ready; the paths are in `server-kind.ts`. */
export const serverKinds = [
  'vllm',
  'llama.cpp',
  'nim',
  'sglang',
  'triton',
  'ollama',
  'tgi',
  'http',
  'command',
] as const;
export type ServerKind = (typeof serverKinds)[number];

/** A number of bytes, or a string such as `16GiB` that is converted to one. */
export type Size = number;

export type Mount =
  /** A model's folder, read-only. */
  | { readonly model: string; readonly path: string }
  /** A file or a tree from `files`, read-only. */
  | { readonly files: string; readonly path: string }
  /** A single text file from `files`, read-only, in which `${parameters.NAME}` is replaced by the site's value. */
  | { readonly template: string; readonly path: string }
  /** A writable folder in memory, empty at each start. */
  | { readonly memory: Size; readonly path: string };

export interface Port {
  readonly name: string;
  readonly container: number;
  /** The host's port, or a template such as `${parameters.port}`. */
  readonly host: number | string;
}

export interface Health {
  readonly server: ServerKind;
  /** The name of the port to query; for every kind but `command`. */
  readonly port?: string;
  /** For `command`: a program and its arguments, run inside the container; exit status 0 means ready. */
  readonly command?: readonly string[];
  /** The readiness path, for `http`, or if it differs from the server's default. */
  readonly path?: string;
  /** The model id that `/v1/models` must list. */
  readonly model?: string;
  /** The secret of the service that its server requires of clients, as `Authorization: Bearer`. */
  readonly apiKey?: string;
  /** How long loading may take without progress, in seconds. */
  readonly startupSeconds: number;
  /** How long loading may take in total, in seconds. */
  readonly startupLimitSeconds: number;
  /** How long it must stay ready before the generation is kept, in seconds. */
  readonly soakSeconds: number;
}

/** A secret of the release, mounted into a service as a file. */
export interface SecretMount {
  readonly secret: string;
  readonly path: string;
}

/** A LoRA adapter for a model of the same service. */
export interface Adapter {
  readonly model: string;
  /** The model id that clients use for it. */
  readonly name: string;
}

/** A service is typed, not a script: the same document renders to any target. */
export interface Service extends Scaling, ServiceIsolation, Optional {
  readonly name: string;
  readonly image: string;
  readonly entrypoint?: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Services of the same release that must be ready before this one starts. */
  readonly dependsOn: readonly string[];
  readonly mounts: readonly Mount[];
  readonly adapters: readonly Adapter[];
  readonly secrets: readonly SecretMount[];
  readonly ports: readonly Port[];
  readonly network: 'bridge' | 'host' | 'none';
  /** `uid` or `uid:gid`; `image` for the user in the image's config. */
  readonly user: string;
  readonly readOnlyRoot: boolean;
  readonly capabilities: readonly string[];
  /** The maximum number of processes and threads. */
  readonly pids: number;
  readonly memory?: Size;
  readonly sharedMemory?: Size;
  readonly cpus?: number;
  readonly gpus?: number | 'all';
  readonly health?: Health;
}

/** A message for a value of another form; one that is missing is reported as such. */
const unlessMissing =
  (message: string) =>
  ({ input }: { readonly input?: unknown }): string | undefined =>
    input === undefined ? undefined : message;

const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: KIB, MiB: MIB, GiB: GIB };

const SIZE =
  'expected a number of bytes, or a whole number with B, KiB, MiB or GiB, such as 512MiB';

export const size: z.ZodType<Size> = field.exact(
  z.union(
    [
      field.bytes,
      z
        .string()
        .regex(/^[1-9][0-9]{0,9}(?:B|KiB|MiB|GiB)$/, SIZE)
        .transform((text) => {
          const unit = text.replace(/^[0-9]+/, '');
          return Number.parseInt(text, 10) * (UNITS[unit] ?? 1);
        }),
    ],
    { error: unlessMissing(SIZE) },
  ),
);

/** Text in which `${parameters.NAME}` is replaced by a site's value. */
const template = field.text(32_768);

const mount: z.ZodType<Mount> = field.exact(
  z.union([
    z.strictObject({ model: field.name, path: field.containerPath }),
    z.strictObject({ files: field.name, path: field.containerPath }),
    z.strictObject({ template: field.name, path: field.containerPath }),
    z.strictObject({ memory: size, path: field.containerPath }),
  ]),
);

const HOST_PORT = 'expected a port from 1 to 65535, or ${parameters.NAME}';

const hostPort = z.union(
  [field.port, z.string().regex(/^\$\{parameters\.[a-z][A-Za-z0-9]*\}$/, HOST_PORT)],
  { error: unlessMissing(HOST_PORT) },
);

export const health: z.ZodType<Health> = field.exact(
  z
    .strictObject({
      server: z.enum(serverKinds),
      port: field.name.exactOptional(),
      command: z.array(field.text(4096)).min(1).max(64).exactOptional(),
      path: z
        .string()
        .regex(/^\/[A-Za-z0-9._/-]*$/, 'expected a path such as /health')
        .max(256)
        .exactOptional(),
      model: field.line(256).exactOptional(),
      apiKey: field.name.exactOptional(),
      startupSeconds: z.int().min(1).max(86_400).default(600),
      startupLimitSeconds: z.int().min(1).max(604_800).default(86_400),
      soakSeconds: z.int().min(0).max(86_400).default(0),
    })
    .refine((value) => (value.server === 'command') === (value.command !== undefined), {
      ...always,
      path: ['command'],
      ...follows(['..', 'server']),
      message: 'only a server of kind command has a command, and it must have one',
    })
    .refine((value) => (value.server === 'command') === (value.port === undefined), {
      ...always,
      path: ['port'],
      ...follows(['..', 'server']),
      message: 'expected the name of a port; only a server of kind command has none',
    })
    .refine((value) => value.server !== 'http' || value.path !== undefined, {
      ...always,
      path: ['path'],
      ...follows(['..', 'server']),
      message: 'expected a path: a server of kind http has no default path',
    }),
);

/** Names are used in arguments as NAME=PATH, and in comma-separated lists. */
export const adapter: z.ZodType<Adapter> = field.exact(
  z.strictObject({
    model: field.name,
    name: z
      .string()
      .max(256)
      .regex(/^[A-Za-z0-9][A-Za-z0-9._/:-]*$/, 'expected a model id such as sql-expert'),
  }),
);

const program: ProgramShape = {
  entrypoint: field.line(1024),
  args: z.array(template).max(256),
  env: z.record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected a variable name such as LOG_LEVEL'),
    template,
  ),
};

const scaling = scalingShape(size, program);
const isolation = isolationShape(size);

export const service: z.ZodType<Service> = field.exact(
  z
    .strictObject({
      name: field.name,
      image: field.name,
      entrypoint: program.entrypoint.exactOptional(),
      args: program.args.default([]),
      env: program.env.default({}),
      dependsOn: z.array(field.name).max(64).default([]),
      mounts: z.array(mount).max(64).default([]),
      adapters: z.array(adapter).max(64).default([]),
      secrets: z
        .array(z.strictObject({ secret: field.name, path: field.containerPath }))
        .max(32)
        .default([]),
      ports: z
        .array(z.strictObject({ name: field.name, container: field.port, host: hostPort }))
        .max(32)
        .default([]),
      network: z.enum(['bridge', 'host', 'none']).default('bridge'),
      user: z
        .string()
        .regex(
          /^(?:image|[0-9]{1,10}(?::[0-9]{1,10})?)$/,
          'expected numbers such as 10001:10001, or image for the user in the image',
        )
        .default('10001:10001'),
      readOnlyRoot: z.boolean().default(true),
      capabilities: z
        .array(z.string().regex(/^CAP_[A-Z_]+$/, 'expected a capability such as CAP_IPC_LOCK'))
        .max(40)
        .default([]),
      pids: z.int().min(1).max(4_194_304).default(4096),
      memory: size.exactOptional(),
      sharedMemory: size.exactOptional(),
      cpus: z.number().positive().max(4096).exactOptional(),
      gpus: z
        .union([z.int().min(1).max(64), z.literal('all')], 'expected a number from 1 to 64, or all')
        .exactOptional(),
      health: health.exactOptional(),
      replicas: scaling.replicas.exactOptional(),
      disruption: scaling.disruption.exactOptional(),
      spread: scaling.spread.exactOptional(),
      requests: scaling.requests.exactOptional(),
      nodes: scaling.nodes.exactOptional(),
      ulimits: isolation.ulimits.exactOptional(),
      ipc: isolation.ipc.exactOptional(),
      egress: serviceEgress.exactOptional(),
      optional: optional.exactOptional(),
    })
    .superRefine(checkService, always),
);

/** Its fields may have any type: the schema reports those that are wrong. */
function checkService(value: object, context: Pick<z.core.$RefinementCtx, 'addIssue'>): void {
  const defect = (path: (string | number)[], message: string, ...causes: Cause[]): void => {
    context.addIssue({ code: 'custom', input: value, path, message, ...follows(...causes) });
  };
  const service = fieldsOf(value);
  const ports = listOf(service['ports']);
  const names = new Set(ports.map((each) => each['name']));
  if (names.size !== ports.length) defect(['ports'], 'two ports have the same name');
  const { port } = fieldsOf(service['health']);
  if (typeof port === 'string' && !names.has(port))
    defect(['health', 'port'], 'names no port of this service', ['..', '..', 'ports', '*', 'name']);
  const paths = new Set<unknown>();
  for (const section of ['mounts', 'secrets']) {
    listOf(service[section]).forEach(({ path }, index) => {
      if (typeof path === 'string' && paths.has(path))
        defect([section, index, 'path'], 'two mounts have the same path');
      paths.add(path);
    });
  }
  const adapters = adapterDefect(service);
  if (adapters !== undefined) defect(['adapters'], adapters, ['..', 'health', 'server']);
  const apiKey = apiKeyDefect(service);
  if (apiKey !== undefined)
    defect(['health', 'apiKey'], apiKey, ['..', 'server'], ['..', '..', 'secrets', '*', 'secret']);
  if (service['network'] === 'none' && ports.length > 0)
    defect(['ports'], 'a service without a network has no ports');
  if (service['egress'] !== undefined && ['host', 'none'].includes(String(service['network'])))
    defect(
      ['egress'],
      service['network'] === 'none'
        ? 'a service without a network opens no connections'
        : 'a service with the network of the host can open any connection: nothing restricts it',
      ['..', 'network'],
    );
  if (service['ipc'] === 'host' && service['sharedMemory'] !== undefined)
    defect(['sharedMemory'], 'ipc host uses the shared memory of the host: remove one of them', [
      ...['..', 'ipc'],
    ]);
  for (const { path, message } of scalingDefects(service)) defect(path, message);
  for (const { path, message } of nodesDefects(service)) defect(path, message);
}

/**
 * Sorts services so that each follows its dependencies; otherwise keeps their order.
 * @returns undefined if dependencies form a cycle
 */
export function inOrder<T extends Pick<Service, 'name' | 'dependsOn'>>(
  services: readonly T[],
): T[] | undefined {
  const order: T[] = [];
  const placed = new Set<string>();
  let rest = [...services];
  while (rest.length > 0) {
    const next = rest.find((each) => each.dependsOn.every((name) => placed.has(name)));
    if (next === undefined) return undefined;
    order.push(next);
    placed.add(next.name);
    rest = rest.filter((each) => each !== next);
  }
  return order;
}
