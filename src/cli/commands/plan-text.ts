import { printableLines } from '../../core/printable.ts';
import type { Plan } from '../../format/plan.ts';
import { formatSeconds } from '../units.ts';

/** A plan's steps with their reasons, and what cannot be used meanwhile. */
export function planTable(plan: Plan): string {
  const { from, to, steps, outage } = plan;
  const width = Math.max(0, ...steps.map((each) => each.do.action.length));
  const lines = steps.map(({ id, do: { action, release, subject }, reason }) => {
    const what = [release, shortened(subject)].filter((each) => each !== '').join(' ');
    return `  ${String(id).padStart(3)}  ${action.padEnd(width)}  ${what}  (${reason})`;
  });
  const out =
    outage.services.length === 0
      ? 'nothing that runs is interrupted'
      : `interrupted for ${formatSeconds(outage.seconds)} at most: ${outage.services.join(', ')}`;
  const head =
    steps.length === 0
      ? `${plan.intent}: nothing to do, generation ${from.number} is what was asked for`
      : `${plan.intent}: ${generationInWords(from.number)} to generation ${to.number}`;
  return printableLines([head, ...lines, out, ''].join('\n'));
}

function generationInWords(number: number): string {
  return number === 0 ? 'from nothing installed' : `generation ${number}`;
}

// The plan's file has the whole digest; here it says which bundle is meant.
function shortened(subject: string): string {
  return /^[0-9a-f]{64,}$/.test(subject) ? subject.slice(0, 16) : subject;
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
  return printableLines(lines.map((each) => `${each}\n`).join(''));
}
