import { momentOf } from '../../../format/field.ts';
import type { Constraint } from '../../../format/plan.ts';
import type { Window } from '../../../format/site.ts';
import { isOpen, localText, nextOpening } from '../window.ts';
import type { ConstraintInput } from './constraint.ts';

/** A change begins in a maintenance window. At a site without windows, it can begin at any time. */
export function maintenanceWindows({ settings, now }: ConstraintInput): Constraint[] {
  const { windows } = settings;
  if (windows.length === 0) return [];
  const open = windows.find((each) => isOpen(each, now));
  const opening = nextOpening(windows, now);
  const zones = [...new Set(windows.map((each) => each.timeZone))].slice(0, 4);
  const clocks = zones.map((zone) => `${localText(now, zone)} in ${zone}`).join(', ');
  const next = opening === undefined ? 'none opens' : `the next opens at ${momentOf(opening)}`;
  return [
    {
      rule: 'window',
      satisfied: open !== undefined,
      needs: `a change begins in a maintenance window: ${windows.map(describe).join('; ')}`,
      found: open === undefined ? `${clocks}; ${next}` : `open now: ${describe(open)}`,
    },
  ];
}

/** No change begins in a suppressed period of the site. */
export function suppressions({ settings, now }: ConstraintInput): Constraint[] {
  const moment = momentOf(now);
  return settings.suppressions.map(({ from, until, reason }) => {
    const within = moment >= from && moment < until;
    return {
      rule: 'suppression',
      satisfied: !within,
      needs: `no change begins from ${from} until ${until}: ${reason}`,
      found: within ? `it is ${moment}` : moment < from ? 'not yet' : 'over',
    };
  });
}

function describe({ days, from, to, timeZone }: Window): string {
  const when = days.length === 7 ? 'daily' : days.join(' ');
  return `${when} ${from} to ${to} ${timeZone}`;
}
