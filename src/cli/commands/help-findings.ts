import { nearest } from '../../core/text.ts';
import { type Explanation, explanations } from '../../examine/explain.ts';
import { isAllowable, type Rule, ruleNames, severityOf } from '../../format/finding.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { definitions, textColumns } from '../wrap.ts';

interface RuleEntry extends Explanation {
  readonly rule: Rule;
  readonly severity: string;
}

/** `stowage help findings [RULE...]`: all rules for examining content, or the given ones. */
export function helpFindings(names: readonly string[], context: CommandContext): CommandResult {
  const entries = (names.length === 0 ? ruleNames : names.map(ruleOf)).map(
    (rule): RuleEntry => ({ rule, severity: severityInWords(rule), ...explanations[rule] }),
  );
  const columns = textColumns(context.terminal.stdout.columns);
  return {
    json: { findings: entries },
    text: `${entries.map((each) => inFull(each, columns)).join('\n')}\n`,
  };
}

/** The rules that `stowage help findings` explains. */
export function findingNames(): readonly string[] {
  return ruleNames;
}

function ruleOf(text: string): Rule {
  const name = text.replace(/^\[(.*)\]$/, '$1');
  const rule = ruleNames.find((each) => each === name);
  if (rule !== undefined) return rule;
  const near = nearest(name, ruleNames);
  throw usage(
    'unknown rule',
    'a rule of examination, such as pickle',
    text,
    near === undefined ? 'stowage help findings lists every rule' : `did you mean ${near}?`,
  );
}

function severityInWords(rule: Rule): string {
  const severity = severityOf(rule);
  if (severity !== 'refusal') return severity;
  return isAllowable(rule) ? 'refused unless the manifest allows it' : 'refused';
}

function inFull({ rule, severity, why, remedy }: RuleEntry, columns: number): string {
  return [
    `${rule}: ${severity}`,
    ...definitions(
      [
        ['  why it matters', why],
        ['  what to do', remedy],
      ],
      columns,
    ),
  ].join('\n');
}
