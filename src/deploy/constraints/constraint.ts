import type { Bundle } from '../../format/bundle.ts';
import type { DeployedRelease, Generation } from '../../format/generation.ts';
import type { Constraint } from '../../format/plan.ts';
import type { Site } from '../../format/site.ts';
import type { Engine } from '../../target/target.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { SiteState } from '../site-state.ts';

/** What a rule is asked about. */
export interface Question {
  readonly bundle: Bundle;
  /** The release as it would run here. */
  readonly wanted: DeployedRelease;
  /** What runs now; the release's own predecessor gives up what it has. */
  readonly from: Generation;
  readonly site: SiteFolder;
  readonly settings: Site;
  readonly state: SiteState;
  readonly engine: Engine;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** One rule: what must hold, and what was found. Looks, and changes nothing. */
export type Rule = (question: Question) => Promise<readonly Constraint[]> | readonly Constraint[];
