import { counted } from '../../core/text.ts';
import { momentOf } from '../../format/field.ts';
import type { Rehearsal } from '../../format/rehearsal.ts';
import type { RehearsalRequirement } from '../../format/rehearsal-requirement.ts';
import { type AttachedRehearsal, attachedInWords } from './attached-rehearsal.ts';

/** One of the two conditions of a {@link RehearsalRequirement}. */
export interface RehearsalCheck {
  readonly code: 'rehearsal-missing' | 'rehearsal-late';
  readonly satisfied: boolean;
  /** The same for one requirement, whatever was found. */
  readonly needs: string;
  readonly found: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** How far clocks may differ, as for the times of signatures. */
const MAX_AHEAD_MS: number = DAY_MS;

/** What a person can do about a rehearsal that is missing or late, by the code of the check. */
export const rehearsalHints = {
  'rehearsal-missing':
    'ask the release engineer to lock the release again, rehearse it, and attach the rehearsal before signing; a bundle with the same sequence and other files would be refused. Charts and objects cannot be rehearsed: who requires the rehearsal decides by exceptCharts whether releases with them are installed',
  'rehearsal-late':
    'check the clock of this machine; if it is right, ask the release engineer to lock the release again, rehearse it, and attach the rehearsal before signing',
} as const;

/**
 * Whether a bundle has a rehearsal that passed, and whether it is young enough.
 * @param now the later of the clock and the newest signed time that is known
 */
export function judgeRehearsal(
  attached: AttachedRehearsal,
  { maxAgeDays, targets, exceptCharts }: RehearsalRequirement,
  now: Date,
): readonly [passed: RehearsalCheck, young: RehearsalCheck] {
  const on = targets === undefined ? '' : ` on ${targets.join(' or ')}`;
  const except = exceptCharts === true ? ' of all but its charts and objects' : '';
  const { rehearsal } = attached;
  const fault =
    rehearsal === undefined
      ? attached.missing
      : (reasonAgainst(rehearsal, targets) ?? reasonOfCharts(attached, exceptCharts));
  return [
    {
      code: 'rehearsal-missing',
      satisfied: fault === undefined,
      needs: `a rehearsal${except} that passed${on}`,
      found: fault ?? attachedInWords(attached) ?? '',
    },
    {
      code: 'rehearsal-late',
      satisfied: rehearsal !== undefined && isYoung(rehearsal, maxAgeDays, now),
      needs: `a rehearsal from the last ${counted(maxAgeDays, 'day')}`,
      found: rehearsal === undefined ? 'no rehearsal' : ageInWords(rehearsal, now),
    },
  ];
}

function reasonAgainst(
  rehearsal: Rehearsal,
  targets: RehearsalRequirement['targets'],
): string | undefined {
  const { passed, failures, target } = rehearsal;
  if (!passed || failures.length > 0) return `it did not pass: ${failures[0] ?? 'no reason given'}`;
  if (targets?.some((each) => each === target) === false) return `it was rehearsed on ${target}`;
  return undefined;
}

function reasonOfCharts(
  { unrehearsed }: Extract<AttachedRehearsal, { rehearsal: Rehearsal }>,
  exceptCharts: RehearsalRequirement['exceptCharts'],
): string | undefined {
  if (unrehearsed === undefined || exceptCharts === true) return undefined;
  return `its services passed, but charts and objects are not rehearsed: ${unrehearsed}`;
}

/** One that claims to be from the future is not young: a clock was wrong, or somebody made it last longer. */
function isYoung({ at }: Rehearsal, maxAgeDays: number, now: Date): boolean {
  const age = now.getTime() - Date.parse(at);
  return age <= maxAgeDays * DAY_MS && age >= -MAX_AHEAD_MS;
}

function ageInWords({ at }: Rehearsal, now: Date): string {
  return `rehearsed at ${at}; it is ${momentOf(now)} now`;
}
