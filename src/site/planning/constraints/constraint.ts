import type { Constraint } from '../../../format/plan.ts';
import type { Site } from '../../../format/site.ts';
import type { ConstraintContext, Target } from '../../../target/target.ts';
import type { SiteState } from '../../ledger/site-state.ts';
import type { SiteFolder } from '../../site-folder.ts';

/** The input of a rule. */
export interface ConstraintInput {
  /** Also the input of the target's constraints. */
  readonly context: ConstraintContext;
  readonly site: SiteFolder;
  readonly settings: Site;
  readonly state: SiteState;
  readonly target: Target;
  /** The variables of this process, for secrets that `site.yaml` finds there. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: Date;
}

/** A rule reports what must hold and what it found. It changes nothing. */
export type Rule = (
  input: ConstraintInput,
) => Promise<readonly Constraint[]> | readonly Constraint[];
