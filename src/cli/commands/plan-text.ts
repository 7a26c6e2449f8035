import type { Plan } from '../../format/plan.ts';
import { formatSeconds, harmless } from '../units.ts';

/** A plan's steps with their reasons, and what cannot be used meanwhile. */
export function planTable(plan: Plan): string {
  const { from, to, steps, outage } = plan;
  const width = Math.max(0, ...steps.map((each) => each.do.action.length));
  const lines = steps.map(({ id, do: { action, release, subject }, reason }) => {
    const what = [release, subject].filter((each) => each !== '').join(' ');
    return `  ${String(id).padStart(3)}  ${action.padEnd(width)}  ${what}  (${reason})`;
  });
  const out =
    outage.services.length === 0
      ? 'nothing that runs is interrupted'
      : `interrupted for ${formatSeconds(outage.seconds)} at most: ${outage.services.join(', ')}`;
  const head =
    steps.length === 0
      ? `${plan.intent}: nothing to do, generation ${from.number} is what was asked for`
      : `${plan.intent}: generation ${from.number} to generation ${to.number}`;
  return harmless([head, ...lines, out, ''].join('\n'));
}

/** What must hold before a plan may run: what does not, or everything. */
export function constraintTable({ constraints }: Plan, all: boolean): string {
  const shown = constraints.filter((each) => all || !each.satisfied);
  const lines = shown.map((each) => {
    const mark = each.satisfied ? 'holds' : each.override === undefined ? 'FAILS' : 'LET PASS';
    const by =
      each.override === undefined
        ? ''
        : `; let pass by ${each.override.by} until ${each.override.until}: ${each.override.reason}`;
    return `  ${mark.padEnd(8)}  ${each.rule}: ${each.needs}; found: ${each.found}${by}`;
  });
  return harmless(lines.map((each) => `${each}\n`).join(''));
}
