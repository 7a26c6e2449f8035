import { z } from 'zod';
import { MAX_INDEX_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import * as field from './field.ts';
import { type Generation, generationKind } from './generation.ts';

/** What a step does. Each has an inverse that is itself an action, or none where nothing is left to undo. */
export const actions = [
  'place-files',
  'remove-files',
  'load-image',
  'unload-image',
  'stop-service',
  'start-service',
  'gate-service',
  'switch-generation',
] as const;

export type Action = (typeof actions)[number];

/** Which generation of the plan an action finds its subject in. */
export type Side = 'from' | 'to';

export interface Operation {
  readonly action: Action;
  readonly side: Side;
  readonly release: string;
  /** The service, image tag or folder; empty for a step about the whole release or site. */
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
  readonly reason: string;
}

/** The ordered steps from what runs now to what is wanted. */
export interface Plan {
  readonly schema: 'stowage/plan/v1';
  readonly intent: 'install' | 'rollback' | 'uninstall';
  readonly site: string;
  readonly from: Generation;
  readonly to: Generation;
  readonly constraints: readonly Constraint[];
  readonly steps: readonly Step[];
}

const operation: z.ZodType<Operation> = z.strictObject({
  action: z.enum(actions),
  side: z.enum(['from', 'to']),
  release: z.string().max(63),
  subject: z.string().max(512),
});

const schema: z.ZodType<Plan> = z.strictObject({
  schema: z.literal('stowage/plan/v1'),
  intent: z.enum(['install', 'rollback', 'uninstall']),
  site: field.name,
  from: generationKind.schema,
  to: generationKind.schema,
  constraints: z.array(
    z.strictObject({ rule: field.name, satisfied: z.boolean(), reason: z.string().max(2000) }),
  ),
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
});

export const planKind: DocumentKind<Plan> = {
  name: 'plan',
  code: 'state-damaged',
  schema,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'make the plan again',
};
