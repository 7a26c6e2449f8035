import { StowageError } from '../core/error.ts';
import type { Rule } from '../format/finding.ts';
import { explanations } from './explain.ts';

/** Content breaks a rule: thrown while a file is read, and made into a finding where the file's name is known. */
export class RuleBroken extends StowageError {
  readonly rule: Rule;

  constructor(rule: Rule, detail: string) {
    super('content-refused', detail, { found: rule, hint: explanations[rule].remedy });
    this.rule = rule;
  }
}
