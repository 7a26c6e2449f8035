import { z } from 'zod';
import { GIB, KIB, MIB } from '../core/limits.ts';
import * as field from './field.ts';

/** How a server says that it is ready; the paths are in `deploy/server-kind.ts`. */
export const serverKinds = ['vllm', 'llama.cpp', 'nim', 'http'] as const;
export type ServerKind = (typeof serverKinds)[number];

/** A number of bytes, or a text such as `16GiB` that becomes one. */
export type Size = number;

export type Mount =
  /** A model's folder, read-only. */
  | { readonly model: string; readonly path: string }
  /** A file or a tree from `files`, read-only. */
  | { readonly files: string; readonly path: string }
  /** Memory that is writable and forgotten. */
  | { readonly memory: Size; readonly path: string };

export interface Port {
  readonly name: string;
  readonly container: number;
  /** The host's port, or a template such as `${parameters.port}`. */
  readonly host: number | string;
}

export interface Health {
  readonly server: ServerKind;
  /** The name of the port that is asked. */
  readonly port: string;
  /** The readiness path, for `http`, or where it differs from the server's own. */
  readonly path?: string;
  /** The model id that `/v1/models` must list. */
  readonly model?: string;
  /** How long loading may take, in seconds. */
  readonly startupSeconds: number;
}

/** A service is typed, not a script: the same document renders to any target. */
export interface Service {
  readonly name: string;
  readonly image: string;
  readonly entrypoint?: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly ports: readonly Port[];
  readonly network: 'bridge' | 'host' | 'none';
  readonly user?: string;
  readonly readOnlyRoot: boolean;
  readonly capabilities: readonly string[];
  readonly memory?: Size;
  readonly sharedMemory?: Size;
  readonly cpus?: number;
  readonly gpus?: number | 'all';
  readonly health?: Health;
}

const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: KIB, MiB: MIB, GiB: GIB };

export const size: z.ZodType<Size> = z.union([
  field.bytes,
  z
    .string()
    .regex(/^[1-9][0-9]{0,9}(?:B|KiB|MiB|GiB)$/, 'expected a size such as 512MiB or 16GiB')
    .transform((text) => {
      const unit = text.replace(/^[0-9]+/, '');
      return Number.parseInt(text, 10) * (UNITS[unit] ?? 1);
    }),
]);

/** Text in which `${parameters.NAME}` stands for a site's value. */
const template = field.text(32_768);

const mount: z.ZodType<Mount> = z.union([
  z.strictObject({ model: field.name, path: field.containerPath }),
  z.strictObject({ files: field.name, path: field.containerPath }),
  z.strictObject({ memory: size, path: field.containerPath }),
]);

const hostPort = z.union([
  field.port,
  z
    .string()
    .regex(/^\$\{parameters\.[a-z][A-Za-z0-9]*\}$/, 'expected a port or ${parameters.NAME}'),
]);

export const health: z.ZodType<Health> = z
  .strictObject({
    server: z.enum(serverKinds),
    port: field.name,
    path: z
      .string()
      .regex(/^\/[A-Za-z0-9._/-]*$/, 'expected a path such as /health')
      .max(256)
      .exactOptional(),
    model: field.line(256).exactOptional(),
    startupSeconds: z.int().min(1).max(86_400).default(600),
  })
  .refine((value) => value.server !== 'http' || value.path !== undefined, {
    path: ['path'],
    message: 'expected a path: a server of kind http has none of its own',
  });

export const service: z.ZodType<Service> = z
  .strictObject({
    name: field.name,
    image: field.name,
    entrypoint: field.line(1024).exactOptional(),
    args: z.array(template).max(256).default([]),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), template).default({}),
    mounts: z.array(mount).max(64).default([]),
    ports: z
      .array(z.strictObject({ name: field.name, container: field.port, host: hostPort }))
      .max(32)
      .default([]),
    network: z.enum(['bridge', 'host', 'none']).default('bridge'),
    user: z
      .string()
      .regex(/^[0-9]{1,10}(?::[0-9]{1,10})?$/, 'expected numbers, such as 10001:10001')
      .exactOptional(),
    readOnlyRoot: z.boolean().default(true),
    capabilities: z
      .array(z.string().regex(/^CAP_[A-Z_]+$/, 'expected a capability such as CAP_IPC_LOCK'))
      .max(40)
      .default([]),
    memory: size.exactOptional(),
    sharedMemory: size.exactOptional(),
    cpus: z.number().positive().max(4096).exactOptional(),
    gpus: z.union([z.int().min(1).max(64), z.literal('all')]).exactOptional(),
    health: health.exactOptional(),
  })
  .superRefine((value, context) => {
    const ports = new Set(value.ports.map((each) => each.name));
    if (ports.size !== value.ports.length) {
      context.addIssue({ code: 'custom', path: ['ports'], message: 'two ports have one name' });
    }
    if (value.health !== undefined && !ports.has(value.health.port)) {
      context.addIssue({
        code: 'custom',
        path: ['health', 'port'],
        message: 'names no port of this service',
      });
    }
    const paths = value.mounts.map((each) => each.path);
    if (new Set(paths).size !== paths.length) {
      context.addIssue({ code: 'custom', path: ['mounts'], message: 'two mounts have one path' });
    }
    if (value.network === 'none' && value.ports.length > 0) {
      context.addIssue({
        code: 'custom',
        path: ['ports'],
        message: 'a service without a network has no ports',
      });
    }
  });
