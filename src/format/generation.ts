import * as z from 'zod';
import { MAX_INDEX_BYTES } from '../core/limits.ts';
import type { ContainerWorkload } from './containers.ts';
import { type AcceptancePrompt, deploymentShape } from './deployment.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { type GenerationV1, generationV1Schema } from './v1/generation.ts';
import { newerHints, olderVersion, schemaMember } from './version.ts';

/**
 * What a target made of a release. `kind` says what the other members are; only the targets that run that kind read
 * them, each against a strict schema. `none` has no other member: the release is served and runs nothing.
 */
export interface Workload {
  readonly kind: string;
  readonly [member: string]: unknown;
}

/** A secret's name in the target ends in a keyed digest of its value: another value is another secret. */
export interface KeptSecret {
  readonly name: string;
  /** Its name in the manifest and in `site.yaml`. */
  readonly secret: string;
}

/** A text file made of a template and the site's values; laid out as `rendered/<sha256>`. */
export interface RenderedText {
  readonly sha256: string;
  readonly text: string;
}

/** A release as a generation runs it. */
export interface DeployedRelease {
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  /** SHA-512 of the bundle's `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  readonly secrets: readonly KeptSecret[];
  readonly texts: readonly RenderedText[];
  readonly workload: Workload;
  readonly acceptance: readonly AcceptancePrompt[];
}

/** One applied state of the site. */
export interface Generation {
  readonly schema: 'stowage/generation/v2';
  /** 0 is the site before anything was applied. */
  readonly number: number;
  readonly appliedAt: string;
  readonly releases: readonly DeployedRelease[];
}

/** The workload of a release that runs nothing. */
export const noWorkload: Workload = { kind: 'none' };

/** A name that engines and clusters take. */
const secretName: z.ZodType<string> = z
  .string()
  .max(200)
  .regex(/^[a-z0-9][a-z0-9-]*$/);

/** What the target reads is checked by the target; `none` is read by all. */
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
  z.strictObject({
    schema: z.literal('stowage/generation/v2'),
    number: z.int().min(0),
    appliedAt: field.moment,
    releases: z.array(release).max(1000),
  }),
);

export const generationKind: DocumentKind<Generation> = {
  name: 'generation',
  versionIn: schemaMember('generation'),
  older: [olderVersion(generationV1Schema, convertV1)],
  code: 'state-damaged',
  schema,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'restore the site folder from its backup, or install the release again',
  newerHint: newerHints.site,
};

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
