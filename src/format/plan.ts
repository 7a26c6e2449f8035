import * as z from 'zod';
import { MAX_INDEX_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { type Generation, generationKind } from './generation.ts';
import { newerHints, schemaMember } from './version.ts';

/** What a step does. Each has an inverse that is itself an action, or none where nothing is left to undo. */
export const actions = [
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

export type Action = (typeof actions)[number];

/** Which generation of the plan an action finds its subject in. */
export type Side = 'from' | 'to';

export interface Operation {
  readonly action: Action;
  readonly side: Side;
  readonly release: string;
  /** The service, image tag, secret, network or folder; empty for a step about the whole release or site. */
  readonly subject: string;
}

export interface Step {
  readonly id: number;
  readonly do: Operation;
  readonly undo?: Operation;
  readonly reason: string;
}

/** Something that must hold before a plan may run. */
export interface Constraint {
  readonly rule: string;
  readonly satisfied: boolean;
  /** What must hold: the same whenever it is asked. */
  readonly needs: string;
  /** What was found just now. */
  readonly found: string;
  /** Who lets it pass although it does not hold. */
  readonly override?: Override;
}

/** A person's word that a constraint may be violated for a while. */
export interface Override {
  readonly rule: string;
  readonly by: string;
  readonly reason: string;
  readonly until: string;
}

/** What nobody can use while the plan is carried out. */
export interface Outage {
  /** `release service`, of services that run now and are stopped. */
  readonly services: readonly string[];
  /** The longest that it may last, in seconds, if loading makes progress: the old ones answer again within it too. */
  readonly seconds: number;
}

export const intents = ['install', 'rollback', 'uninstall'] as const;
export type Intent = (typeof intents)[number];

/** The ordered steps from what runs now to what is wanted. */
export interface Plan {
  readonly schema: 'stowage/plan/v1';
  readonly intent: Intent;
  /** What it is about: a bundle's id, the number of a generation, the name of a release. */
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
    action: z.enum(actions),
    side: z.enum(['from', 'to']),
    release: z.string().max(63),
    subject: z.string().max(512),
  }),
);

export const override: z.ZodType<Override> = exact(
  z.strictObject({
    rule: field.name,
    by: field.line(200),
    reason: field.line(500),
    until: field.moment,
  }),
);

const schema: z.ZodType<Plan> = exact(
  z.strictObject({
    schema: z.literal('stowage/plan/v1'),
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
          reason: z.string().max(500),
        }),
      )
      .max(10_000),
  }),
);

export const planKind: DocumentKind<Plan> = {
  name: 'plan',
  versionIn: schemaMember('plan'),
  code: 'state-damaged',
  schema,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'make the plan again',
  newerHint: newerHints.site,
};
