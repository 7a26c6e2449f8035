import { counted, printableLines } from '../../core/text.ts';
import { type Constraint, IGNORED, type Plan, POWERS } from '../../format/plan.ts';
import { returnsOf } from '../../site/planning/constraints/upgrade-path.ts';
import { formatSeconds } from '../units.ts';

/** The steps of a plan with their reasons, and the services that are interrupted. */
export function planTable(plan: Plan): string {
  const { from, to, steps, outage } = plan;
  const width = Math.max(0, ...steps.map((each) => each.do.action.length));
  const lines = steps.map(({ id, do: { action, release, subject }, reason }) => {
    const what = [release, shortened(subject)].filter((each) => each !== '').join(' ');
    return `  ${String(id).padStart(3)}  ${action.padEnd(width)}  ${what}  (${reason})`;
  });
  const out =
    outage.services.length === 0
      ? 'no service is interrupted'
      : `interrupted for at most ${formatSeconds(outage.seconds)}: ${outage.services.join(', ')}`;
  const head =
    steps.length === 0
      ? `${plan.intent}: nothing to do; generation ${from.number} is already current`
      : to.number === from.number
        ? `${plan.intent}: repair services of generation ${from.number}`
        : from.number === 0
          ? `${plan.intent}: makes generation ${to.number}, the first`
          : `${plan.intent}: generation ${from.number} to generation ${to.number}`;
  const back = returnsOf(plan).map(
    ({ name, from: before, to: after }) => `  ${name} returns from ${before} to ${after}`,
  );
  return printableLines([head, ...back, ...lines, out, ''].join('\n'));
}

// The plan's file has the full digest.
function shortened(subject: string): string {
  return /^[0-9a-f]{64,}$/.test(subject) ? subject.slice(0, 16) : subject;
}

/** The checks of a plan: the failed and overridden ones, or all. What the target ignores, and what charts may do, is always shown. */
export function constraintTable({ constraints }: Plan, all: boolean): string {
  const isNote = ({ rule }: Constraint): boolean => rule === IGNORED || rule === POWERS;
  const shown = constraints.filter((each) => all || !each.satisfied || isNote(each));
  const lines = shown.map((each) => {
    if (each.rule === POWERS)
      return [`  note        ${each.needs}:`, ...each.found.split('; ')].join('\n                ');
    if (each.rule === IGNORED) return `  note        ${each.needs}: ${each.found}`;
    const mark = each.satisfied ? 'passed' : each.override === undefined ? 'FAILED' : 'OVERRIDDEN';
    const by =
      each.override === undefined
        ? ''
        : `; overridden by ${each.override.by} until ${each.override.until}: ${each.override.reason}`;
    return `  ${mark.padEnd(10)}  ${each.rule}: ${each.needs}; found: ${each.found}${by}`;
  });
  return printableLines(lines.map((each) => `${each}\n`).join(''));
}

/** The line that states that a plan cannot be applied; empty if it can. */
export function planVerdict({ constraints }: Plan): string {
  const failed = constraints.filter((each) => !each.satisfied && each.override === undefined);
  return failed.length === 0
    ? ''
    : `cannot be applied: ${counted(failed.length, 'check')} failed\n`;
}
