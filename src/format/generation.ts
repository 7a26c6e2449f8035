import { z } from 'zod';
import type { Digest } from '../core/digest.ts';
import { MAX_INDEX_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import * as field from './field.ts';
import { type AcceptancePrompt, deploymentShape } from './manifest.ts';
import { type Health, health } from './service.ts';

/** A service with every value filled in: all that a target needs to run it. */
export interface RenderedService {
  readonly release: string;
  readonly name: string;
  /** What containers and units are called: `stowage-<release>-<service>`. */
  readonly unit: string;
  readonly image: RenderedImage;
  readonly entrypoint?: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly RenderedMount[];
  readonly ports: readonly RenderedPort[];
  readonly network: 'bridge' | 'host' | 'none';
  readonly user?: string;
  readonly readOnlyRoot: boolean;
  readonly capabilities: readonly string[];
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
  /** Its config, whose hex is the image's id in an engine. */
  readonly config: Digest;
  /** The name that the image goes by in the engine. */
  readonly tag: string;
}

export type RenderedMount =
  /** A folder or a file of the site, read-only. */
  | { readonly source: string; readonly path: string }
  | { readonly memory: number; readonly path: string };

export interface RenderedPort {
  readonly name: string;
  readonly address: string;
  readonly host: number;
  readonly container: number;
}

/** A release as a generation runs it. */
export interface DeployedRelease {
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  /** SHA-512 of the bundle's `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  readonly services: readonly RenderedService[];
  readonly acceptance: readonly AcceptancePrompt[];
}

/** One applied state of the site. */
export interface Generation {
  readonly schema: 'stowage/generation/v1';
  /** 0 is the site before anything was applied. */
  readonly number: number;
  readonly appliedAt: string;
  readonly releases: readonly DeployedRelease[];
}

const mount: z.ZodType<RenderedMount> = z.union([
  z.strictObject({ source: z.string().startsWith('/'), path: field.containerPath }),
  z.strictObject({ memory: field.bytes, path: field.containerPath }),
]);

const rendered: z.ZodType<RenderedService> = z.strictObject({
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
  mounts: z.array(mount),
  ports: z.array(
    z.strictObject({
      name: field.name,
      address: z.string(),
      host: field.port,
      container: field.port,
    }),
  ),
  network: z.enum(['bridge', 'host', 'none']),
  user: z.string().exactOptional(),
  readOnlyRoot: z.boolean(),
  capabilities: z.array(z.string()),
  memory: field.bytes.exactOptional(),
  sharedMemory: field.bytes.exactOptional(),
  cpus: z.number().positive().exactOptional(),
  gpus: z.union([z.int(), z.literal('all')]).exactOptional(),
  health: health.exactOptional(),
});

const release: z.ZodType<DeployedRelease> = z.strictObject({
  name: field.name,
  version: field.version,
  seq: field.sequence,
  bundle: field.hex(128),
  services: z.array(rendered),
  acceptance: deploymentShape.acceptance,
});

const schema: z.ZodType<Generation> = z.strictObject({
  schema: z.literal('stowage/generation/v1'),
  number: z.int().min(0),
  appliedAt: field.moment,
  releases: z.array(release).max(1000),
});

export const generationKind: DocumentKind<Generation> = {
  name: 'generation',
  code: 'state-damaged',
  schema,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'restore the site folder from its backup, or install the release again',
};
