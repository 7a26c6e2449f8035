import * as z from 'zod';
import * as field from './field.ts';

export const intents = ['install', 'rollback', 'uninstall'] as const;
export type Intent = (typeof intents)[number];

/** The commands for the services of a generation, which stays as it is. */
export const serviceCommands = ['start', 'stop', 'restart'] as const;
export type ServiceCommand = (typeof serviceCommands)[number];

/** A person's temporary override of a failed check. */
export interface Override {
  readonly rule: string;
  readonly by: string;
  readonly reason: string;
  readonly until: string;
}

export const override: z.ZodType<Override> = field.exact(
  z.strictObject({
    rule: field.name,
    by: field.line(200),
    reason: field.line(500),
    until: field.moment,
  }),
);
