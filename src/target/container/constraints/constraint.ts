import type { ConstraintContext } from '../../target.ts';
import type { ContainerEngine, EngineFacts } from '../engine.ts';

/** The input of a rule for containers on this host. */
export interface ContainerConstraintInput extends ConstraintContext {
  readonly facts: EngineFacts;
  readonly engine: Pick<ContainerEngine, 'inspectService' | 'whyUnrestricted'>;
}
