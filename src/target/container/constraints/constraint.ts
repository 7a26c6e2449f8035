import type { ConstraintContext } from '../../target.ts';
import type { ContainerEngine, EngineFacts } from '../engine.ts';

/** What a rule about containers on this host is asked with. */
export interface ContainerConstraintInput extends ConstraintContext {
  readonly facts: EngineFacts;
  readonly engine: Pick<ContainerEngine, 'inspectService'>;
}
