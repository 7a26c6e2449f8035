import * as z from 'zod';
import { type AcceptanceTest, acceptanceTest } from './acceptance.ts';
import type { ClusterNeeds } from './cluster-content.ts';
import { follows } from './consequences.ts';
import { always } from './defect.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { type Service, service, size } from './service.ts';

export interface Parameter {
  readonly type: 'string' | 'integer' | 'boolean';
  readonly default?: string | number | boolean;
  readonly description: string;
}

/** Requirements on the hardware and the system of a host. Versions are ranges of semantic versions. */
export interface HostNeeds {
  readonly kernel?: string;
  /** Flags as `/proc/cpuinfo` names them, such as `avx2` or `sve`. */
  readonly cpuFeatures?: readonly string[];
  readonly memory?: number;
  /** A version range for each engine. */
  readonly engine?: Readonly<Partial<Record<'podman' | 'docker', string>>>;
  readonly gpu?: GpuNeeds;
}

export interface GpuNeeds {
  readonly vendor: 'nvidia' | 'amd';
  readonly count: number;
  /** Memory of each GPU, in bytes. */
  readonly memory?: number;
  /** The lowest compute capability, such as `8.0`; NVIDIA only. */
  readonly computeCapability?: string;
  /** The lowest driver version, such as `550.54`. */
  readonly driver?: string;
}

/** A secret that the site provides; its value is never in a bundle. */
export interface SecretNeed {
  readonly description: string;
}

/** Releases that must no longer run at any site. */
export interface Recall {
  readonly release: string;
  /** A range of versions, such as `>=1.2.0 <1.2.4`. */
  readonly versions: string;
  readonly reason: string;
}

/** The part of a manifest about running the release; copied unchanged to the bundle. */
export interface Deployment {
  /** A bundle may contain nothing else: a recall of a few kilobytes. */
  readonly recalls?: readonly Recall[];
  readonly services: readonly Service[];
  readonly acceptance: readonly AcceptanceTest[];
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly secrets: Readonly<Record<string, SecretNeed>>;
  readonly requires: {
    /** Releases that the site must run. */
    readonly releases: readonly ReleaseRange[];
    /** Releases that must not run at the same site. */
    readonly conflicts: readonly ReleaseRange[];
    readonly host?: HostNeeds;
  };
  /** The versions of this release that can be upgraded to this one; any if absent. */
  readonly upgradeFrom?: string;
  readonly cluster?: ClusterNeeds;
}

export interface ReleaseRange {
  readonly name: string;
  /** A range of semantic versions. */
  readonly version: string;
}

const parameter: z.ZodType<Parameter> = exact(
  z
    .strictObject({
      type: z.enum(['string', 'integer', 'boolean']),
      default: z.union([field.text(4096), z.int(), z.boolean()]).exactOptional(),
      description: field.line(500),
    })
    .refine(
      (value) =>
        value.default === undefined ||
        typeof value.default === (value.type === 'integer' ? 'number' : value.type),
      {
        ...always,
        path: ['default'],
        ...follows(['..', 'type']),
        message: 'does not have the type of this parameter',
      },
    ),
);

/** The recalls of a manifest or bundle; absent if there are none. */
export const recalls: z.ZodType<readonly Recall[]> = exact(
  z
    .array(
      z.strictObject({
        release: field.name,
        versions: field.versionRange,
        reason: field.line(500),
      }),
    )
    .min(1)
    .max(10_000),
);

const releaseRange: z.ZodType<ReleaseRange> = exact(
  z.strictObject({
    name: field.name,
    version: field.versionRange,
  }),
);

const dotted = z
  .string()
  .regex(/^[0-9]{1,6}(?:\.[0-9]{1,6}){0,3}$/, 'expected a version such as 550.54');

const host: z.ZodType<HostNeeds> = exact(
  z.strictObject({
    kernel: field.versionRange.exactOptional(),
    cpuFeatures: z
      .array(z.string().regex(/^[a-z0-9_]{1,32}$/, 'expected a flag of /proc/cpuinfo such as avx2'))
      .max(64)
      .exactOptional(),
    memory: size.exactOptional(),
    engine: z.partialRecord(z.enum(['podman', 'docker']), field.versionRange).exactOptional(),
    gpu: z
      .strictObject({
        vendor: z.enum(['nvidia', 'amd']).default('nvidia'),
        count: z.int().min(1).max(64),
        memory: size.exactOptional(),
        computeCapability: dotted.exactOptional(),
        driver: dotted.exactOptional(),
      })
      .exactOptional(),
  }),
);

/** The members of {@link Deployment} in every document that contains it. */
export const deploymentShape: {
  [K in Exclude<keyof Deployment, 'recalls' | 'upgradeFrom' | 'cluster'>]: z.ZodType<Deployment[K]>;
} = {
  services: z.array(service).max(64).default([]),
  acceptance: z.array(acceptanceTest).max(64).default([]),
  parameters: z
    .record(
      z
        .string()
        .regex(/^[a-z][A-Za-z0-9]{0,62}$/, 'expected letters and digits, such as maxTokens'),
      parameter,
    )
    .default({}),
  secrets: z.record(field.name, z.strictObject({ description: field.line(500) })).default({}),
  requires: exact(
    z
      .strictObject({
        releases: z.array(releaseRange).max(64).default([]),
        conflicts: z.array(releaseRange).max(64).default([]),
        host: host.exactOptional(),
      })
      .default({ releases: [], conflicts: [] }),
  ),
};
