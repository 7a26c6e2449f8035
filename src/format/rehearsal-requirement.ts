import * as z from 'zod';
import * as field from './field.ts';
import { type TargetName, targetNames } from './target-name.ts';

/** That a release was rehearsed: asked for by a site, a trust document or a fleet. */
export interface RehearsalRequirement {
  /** How many days may have passed since the rehearsal. */
  readonly maxAgeDays: number;
  /** The targets of rehearsals that count. Absent: at a site, its own target; in a fleet, every target. */
  readonly targets?: readonly TargetName[];
  /** Absent: a release with charts or objects is refused, because no target rehearses them. True: the rehearsal of its services counts. */
  readonly exceptCharts?: true;
}

export const rehearsalRequirement: z.ZodType<RehearsalRequirement> = field.exact(
  z.strictObject({
    maxAgeDays: z.int().min(1).max(3650),
    targets: z.array(z.enum(targetNames)).min(1).max(targetNames.length).exactOptional(),
    exceptCharts: z.literal(true).exactOptional(),
  }),
);
