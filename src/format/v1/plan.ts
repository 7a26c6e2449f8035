import * as z from 'zod';
import { exact } from '../exact.ts';
import * as field from '../field.ts';
import { type Intent, intents, type Override, override } from '../override.ts';
import { type GenerationV1, generationV1Schema } from './generation.ts';

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

const operation: z.ZodType<OperationV1> = exact(
  z.strictObject({
    action: z.enum(actions),
    side: z.enum(['from', 'to']),
    release: z.string().max(63),
    subject: z.string().max(512),
  }),
);

export const planV1Schema: z.ZodType<PlanV1> = exact(
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
