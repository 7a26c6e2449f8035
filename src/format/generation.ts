import * as z from 'zod';
import { MAX_INDEX_BYTES } from '../core/limits.ts';
import { type AcceptanceTest, usesRankings } from './acceptance.ts';
import type { ContainerWorkload } from './containers.ts';
import { deploymentShape } from './deployment.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { usesIsolation } from './isolation.ts';
import { type GenerationV1, generationV1Schema } from './v1/generation.ts';
import { newerHints, olderVersion, schemaMember } from './version.ts';

/**
 * A release as rendered by a target. `kind` determines the other members, which only the targets of that kind read, each
 * with a strict schema. `none` has no other member: the release is served and runs nothing.
 */
export interface Workload {
  readonly kind: string;
  readonly [member: string]: unknown;
}

/** The name of a secret in the target ends in a keyed digest of its value: a changed value is a new secret. */
export interface KeptSecret {
  readonly name: string;
  /** Its name in the manifest and in `site.yaml`. */
  readonly secret: string;
}

/** A text file rendered from a template with the site's values; stored as `rendered/<sha256>`. */
export interface RenderedText {
  readonly sha256: string;
  readonly text: string;
}

/** A release in a generation. */
export interface DeployedRelease {
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  /** SHA-512 of the bundle's `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  readonly secrets: readonly KeptSecret[];
  readonly texts: readonly RenderedText[];
  readonly workload: Workload;
  readonly acceptance: readonly AcceptanceTest[];
}

const schemas = ['stowage/generation/v2', 'stowage/generation/v3'] as const;
export type GenerationSchema = (typeof schemas)[number];

/** One applied state of the site. */
export interface Generation {
  /** Version 3 if a workload has `sets`, `podSecurity`, `ulimits` or `ipc`, or an acceptance test ranks documents. */
  readonly schema: GenerationSchema;
  /** 0 for the site before the first change. */
  readonly number: number;
  readonly appliedAt: string;
  readonly releases: readonly DeployedRelease[];
}

/** The workload of a release that runs nothing. */
export const noWorkload: Workload = { kind: 'none' };

/** A name that engines and clusters accept. */
const secretName: z.ZodType<string> = z
  .string()
  .max(200)
  .regex(/^[a-z0-9][a-z0-9-]*$/);

/** Each target checks the workloads of its kind; `none` is checked here. */
const workload: z.ZodType<Workload> = exact(
  z.looseObject({ kind: field.name }).superRefine((value, context) => {
    const keys = Object.keys(value).filter((key) => key !== 'kind');
    if (value.kind === 'none' && keys.length > 0)
      context.addIssue({ code: 'unrecognized_keys', keys, input: value });
  }),
);

const release: z.ZodType<DeployedRelease> = exact(
  z.strictObject({
    name: field.name,
    version: field.version,
    seq: field.sequence,
    bundle: field.hex(128),
    secrets: z.array(z.strictObject({ name: secretName, secret: field.name })).max(256),
    texts: z.array(z.strictObject({ sha256: field.hex(64), text: z.string() })).max(256),
    workload,
    acceptance: deploymentShape.acceptance,
  }),
);

const schema: z.ZodType<Generation> = exact(
  z
    .strictObject({
      schema: z.literal(schemas),
      number: z.int().min(0),
      appliedAt: field.moment,
      releases: z.array(release).max(1000),
    })
    .refine(
      ({ schema: named, releases }) => named === schemas[1] || generationSchema(releases) === named,
      {
        path: ['schema'],
        message: `the releases have fields of ${schemas[1]}`,
      },
    ),
);

export const generationKind: DocumentKind<Generation> = {
  name: 'generation',
  versionIn: schemaMember('generation'),
  older: [olderVersion(generationV1Schema, convertV1)],
  span: schemas.length,
  code: 'state-damaged',
  schema,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'restore the site folder from its backup, or install the release again',
  newerHint: newerHints.site,
};

/** The first version that has every field of these releases. */
export function generationSchema(releases: Generation['releases']): GenerationSchema {
  const later = releases.some(
    ({ workload: each, acceptance }) =>
      'sets' in each ||
      'podSecurity' in each ||
      usesIsolation(each['services']) ||
      usesRankings(acceptance),
  );
  return later ? schemas[1] : schemas[0];
}

/**
 * A generation of version 0.1: its networks and services become a workload. What runs keeps its names, which carry no
 * site's id.
 */
export function convertV1({ schema: _, releases, ...rest }: GenerationV1): Generation {
  return {
    schema: 'stowage/generation/v2',
    ...rest,
    releases: releases.map(({ networks, services, ...release }) => ({
      ...release,
      workload: services.length === 0 ? noWorkload : containers(networks, services),
    })),
  };
}

function containers(
  networks: ContainerWorkload['networks'],
  services: ContainerWorkload['services'],
): ContainerWorkload {
  return { kind: 'containers', networks, services };
}
