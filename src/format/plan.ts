import * as z from 'zod';
import { MAX_INDEX_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { convertV1 as convertGeneration, type Generation, generationKind } from './generation.ts';
import { type Intent, intents, type Override, override } from './override.ts';
import { type PlanV1, planV1Schema } from './v1/plan.ts';
import { newerHints, olderVersion, schemaMember } from './version.ts';

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

const operation: z.ZodType<Operation> = exact(
  z.strictObject({
    action: field.name,
    side: z.enum(['from', 'to']),
    release: z.string().max(63),
    subject: z.string().max(512),
  }),
);

const schema: z.ZodType<Plan> = exact(
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
