import * as z from 'zod';
import { fieldsOf, type Json } from '../core/json.ts';
import { MAX_INDEX_BYTES } from '../core/limits.ts';
import { usesApiKey } from './api-key.ts';
import type { ContainerWorkload } from './containers.ts';
import { type AcceptanceTest, deploymentShape, usesRankings } from './deployment.ts';
import { type DocumentKind, newerHints, olderVersion, schemaMember } from './document.ts';
import * as field from './field.ts';
import { usesIsolation } from './isolation.ts';
import { partName } from './optional.ts';
import { type Intent, intents, type Override, override } from './override.ts';
import { type GenerationV1, generationV1Schema, type PlanV1, planV1Schema } from './v1/plan.ts';

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
  /** The optional parts of the bundle that it has, such as `model/large`, sorted; absent for a bundle without any. */
  readonly with?: readonly string[];
  readonly secrets: readonly KeptSecret[];
  readonly texts: readonly RenderedText[];
  readonly workload: Workload;
  readonly acceptance: readonly AcceptanceTest[];
}

const generationSchemas = ['stowage/generation/v2', 'stowage/generation/v3'] as const;
export type GenerationSchema = (typeof generationSchemas)[number];

/** One applied state of the site. */
export interface Generation {
  /**
   * Version 3 if a workload has `sets`, `podSecurity`, `ulimits`, `ipc` or `egress`, or an API key, or an acceptance test ranks
   * documents, or a bundle has optional parts.
   */
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
const workload: z.ZodType<Workload> = field.exact(
  z.looseObject({ kind: field.name }).superRefine((value, context) => {
    const keys = Object.keys(value).filter((key) => key !== 'kind');
    if (value.kind === 'none' && keys.length > 0)
      context.addIssue({ code: 'unrecognized_keys', keys, input: value });
  }),
);

const release: z.ZodType<DeployedRelease> = field.exact(
  z.strictObject({
    name: field.name,
    version: field.version,
    seq: field.sequence,
    bundle: field.hex(128),
    with: z.array(partName).max(1000).exactOptional(),
    secrets: z.array(z.strictObject({ name: secretName, secret: field.name })).max(256),
    texts: z.array(z.strictObject({ sha256: field.hex(64), text: z.string() })).max(256),
    workload,
    acceptance: deploymentShape.acceptance,
  }),
);

const generationBody: z.ZodType<Generation> = field.exact(
  z
    .strictObject({
      schema: z.literal(generationSchemas),
      number: z.int().min(0),
      appliedAt: field.moment,
      releases: z.array(release).max(1000),
    })
    .refine(
      ({ schema: named, releases }) =>
        named === generationSchemas[1] || generationSchema(releases) === named,
      {
        path: ['schema'],
        message: `the releases have fields of ${generationSchemas[1]}`,
      },
    ),
);

export const generationKind: DocumentKind<Generation> = {
  name: 'generation',
  versionIn: schemaMember('generation'),
  older: [olderVersion(generationV1Schema, convertGeneration)],
  span: generationSchemas.length,
  code: 'state-damaged',
  schema: generationBody,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'restore the site folder from its backup, or install the release again',
  newerHint: newerHints.site,
};

/** What a generation is, without what its releases run, which may be megabytes. */
export interface GenerationSummary extends Pick<Generation, 'number' | 'appliedAt'> {
  readonly releases: readonly ReleaseSummary[];
}

export type ReleaseSummary = Pick<DeployedRelease, 'name' | 'version' | 'seq' | 'bundle'>;

const summary = z.strictObject({
  number: z.int().min(0),
  appliedAt: field.moment,
  releases: z
    .array(
      z.object({
        ...{ name: field.name, version: field.version },
        ...{ seq: field.sequence, bundle: field.hex(128) },
      }),
    )
    .max(1000),
});

/** The summary of a parsed generation, whose workloads are not looked at; undefined for one of another version, or a damaged one. */
export function generationSummary(value: Json): GenerationSummary | undefined {
  const { schema, ...rest } = fieldsOf(value);
  if (!generationSchemas.some((each) => each === schema)) return undefined;
  return summary.safeParse(rest).data;
}

/** The first version that has every field of these releases. */
export function generationSchema(releases: Generation['releases']): GenerationSchema {
  const later = releases.some(
    ({ workload: each, acceptance, with: parts }) =>
      parts !== undefined ||
      'sets' in each ||
      'podSecurity' in each ||
      usesIsolation(each['services']) ||
      usesApiKey(each['services']) ||
      usesRankings(acceptance),
  );
  return later ? generationSchemas[1] : generationSchemas[0];
}

/**
 * A generation of version 0.1: its networks and services become a workload. What runs keeps its names, which carry no
 * site's id.
 */
export function convertGeneration({ schema: _, releases, ...rest }: GenerationV1): Generation {
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

/** The actions of the site itself, for any target; every other action belongs to the target. */
export const siteActions = [
  'place-files',
  'remove-files',
  'place-secret',
  'remove-secret',
  'gate-service',
  'gate-release',
  'switch-generation',
] as const;

export type SiteAction = (typeof siteActions)[number];

/** The generation of the plan that has the subject of an action. */
export type Side = 'from' | 'to';

/** An operation of a step. */
export interface Operation {
  /** A {@link SiteAction}, or an action of the target. */
  readonly action: string;
  readonly side: Side;
  readonly release: string;
  /** The subject, such as a service or a secret; empty for the whole release or site. */
  readonly subject: string;
}

export interface Step {
  readonly id: number;
  readonly do: Operation;
  readonly undo?: Operation;
  /** The service that the step starts, or stops (`side` is `from`). */
  readonly service?: string;
  readonly reason: string;
}

/** The rule of what a target ignores of a manifest. Always satisfied, and always shown. */
export const IGNORED = 'ignored';

/** The rule of what of a release a site does without. Always satisfied, and always shown. */
export const LEFT_OUT = 'left-out';

/** The rule of what charts may do beyond their namespace, separated by semicolons. Always satisfied, and always shown. */
export const POWERS = 'powers';

/** A check that must pass before a plan can be applied. */
export interface Constraint {
  readonly rule: string;
  readonly satisfied: boolean;
  /** What is required: always the same for one plan. */
  readonly needs: string;
  /** What was found when the plan was made. */
  readonly found: string;
  /** The override, if the check failed. */
  readonly override?: Override;
}

/** The services that are unavailable while the plan is applied. */
export interface Outage {
  /** `release service`, for running services that are stopped. */
  readonly services: readonly string[];
  /** The maximum duration in seconds if loading makes progress; includes a rollback. */
  readonly seconds: number;
}

const schemas = ['stowage/plan/v2', 'stowage/plan/v3'] as const;

/** The ordered steps from the current to the new generation. */
export interface Plan {
  /** Version 3 if one of its generations is of version 3. */
  readonly schema: (typeof schemas)[number];
  readonly intent: Intent;
  /** A bundle's id, the number of a generation, or the name of a release. */
  readonly subject: string;
  readonly site: string;
  readonly madeAt: string;
  readonly from: Generation;
  readonly to: Generation;
  readonly constraints: readonly Constraint[];
  readonly outage: Outage;
  readonly steps: readonly Step[];
}

const operation: z.ZodType<Operation> = field.exact(
  z.strictObject({
    action: field.name,
    side: z.enum(['from', 'to']),
    release: z.string().max(63),
    subject: z.string().max(512),
  }),
);

const schema: z.ZodType<Plan> = field.exact(
  z.strictObject({
    schema: z.literal(schemas),
    intent: z.enum(intents),
    subject: z.string().max(128),
    site: field.name,
    madeAt: field.moment,
    from: generationKind.schema,
    to: generationKind.schema,
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
          service: field.name.exactOptional(),
          reason: z.string().max(500),
        }),
      )
      .max(10_000),
  }),
);

export const planKind: DocumentKind<Plan> = {
  name: 'plan',
  versionIn: schemaMember('plan'),
  older: [olderVersion(planV1Schema, convertV1)],
  span: schemas.length,
  code: 'state-damaged',
  schema,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'make the plan again with stowage plan --output FILE',
  newerHint: newerHints.site,
};

/** The first version of a plan that has both generations. */
export function planSchema(from: Generation, to: Generation): Plan['schema'] {
  return [from, to].some(({ schema: each }) => each === 'stowage/generation/v3')
    ? schemas[1]
    : schemas[0];
}

/** A plan of version 0.1: the steps that start and stop services now say so of themselves. */
function convertV1({ schema: _, from, to, steps, ...rest }: PlanV1): Plan {
  return {
    schema: 'stowage/plan/v2',
    ...rest,
    from: convertGeneration(from),
    to: convertGeneration(to),
    steps: steps.map((step) => ({
      ...step,
      ...(/^(?:start|stop)-service$/.test(step.do.action) ? { service: step.do.subject } : {}),
    })),
  };
}
