import { StowageError } from '../core/error.ts';
import type { Rule } from '../format/finding.ts';
import { explanations } from './explain.ts';

/** Content violates a rule: thrown while a file is read, and turned into a finding by the caller, which knows the name of the file. */
export class RuleBroken extends StowageError {
  readonly rule: Rule;

  constructor(rule: Rule, detail: string) {
    super('content-refused', detail, { found: rule, hint: explanations[rule].remedy });
    this.rule = rule;
  }
}
