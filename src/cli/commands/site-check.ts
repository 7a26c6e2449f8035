import { type ExitStatus, exitStatus, type StowageError } from '../../core/error.ts';
import { counted, printableLines } from '../../core/text.ts';
import type { PartialImport } from '../../site/importing/partial-import.ts';
import type { LedgerDamage } from '../../site/ledger/site-ledger.ts';
import type { ServiceStatus } from '../../site/service-status.ts';
import type { SiteStatus } from '../../site/status.ts';
import type { CommandResult } from '../command.ts';
import { errorJson } from '../render.ts';

/** What is wrong with a ledger, as one line. */
export function faultInWords({ message, expected = '', found = '' }: StowageError): string {
  return `${message}: expected ${expected}, found ${found}`;
}

/** A result that was read from a ledger, with what is wrong with it: its exit status is then that of the fault. */
export function withLedgerFault(
  { json, text }: CommandResult,
  damage: LedgerDamage | undefined,
): CommandResult {
  if (damage === undefined) return { json, text };
  const { fault, confirmed } = damage;
  const sure =
    confirmed === 0
      ? 'no receipt confirms any entry: all may be forged'
      : `a receipt confirms the first ${counted(confirmed, 'entry', 'entries')}; later ones may be forged`;
  return {
    json: { ...(json as object), confirmed, ...errorJson(fault) },
    text: `${text}LEDGER DAMAGED: ${faultInWords(fault)}\n  ${sure}\n  ${fault.hint}\n`,
    exitStatus: fault.exitStatus,
  };
}

/** A defect of a site, for monitoring. */
export interface Problem {
  /** `failing`: a service does not work or must not run; `attention`: everything else. */
  readonly severity: 'failing' | 'attention';
  /** A release and its service, a release, or the site. */
  readonly subject: string;
  readonly found: string;
}

/** What to do about the plan of a killed command. */
export const INTERRUPTED =
  'a command was interrupted; run it again, or any command that changes the site: it first completes or undoes it';

/** Each defect of a `site.yaml` that cannot be used. */
export function defectLines({ defects, found, message }: StowageError): readonly string[] {
  return defects.length > 0 ? defects : [found ?? message];
}

/**
 * Every problem of a site, the worst first.
 * @param settingsDefect why `site.yaml` cannot be used
 */
export function problemsOf(
  status: SiteStatus,
  incoming: readonly PartialImport[],
  settingsDefect?: StowageError,
): readonly Problem[] {
  const { generation, services, recalled, untrusted, interrupted, ledgerDamage, damage, busy } =
    status;
  const problems: Problem[] = [
    ...(ledgerDamage === undefined
      ? []
      : [problem('failing', status.site, faultInWords(ledgerDamage.fault))]),
    ...(damage?.files ?? []).map(({ path, what, verdict, release = status.site }) =>
      problem(
        'failing',
        release,
        `stored file ${verdict} at ${damage?.at}: ${what} (${path}) [blob-damaged]; run stowage store verify --repair MEDIUM`,
      ),
    ),
    ...services.flatMap(serviceProblems),
    ...recalled.map(({ name, version, reason, remedy }) =>
      problem('failing', `${name} ${version}`, `recalled: ${reason}; ${remedy}`),
    ),
    ...untrusted.map(({ name, version, reason, remedy }) =>
      problem('failing', `${name} ${version}`, `${reason} [signer-revoked]; ${remedy}`),
    ),
    ...(settingsDefect === undefined ? [] : defectLines(settingsDefect)).map((each) =>
      problem('attention', status.site, `no change is possible: ${each}`),
    ),
    ...(busy === undefined
      ? []
      : [problem('attention', status.site, `another command is running (process ${busy})`)]),
    ...(interrupted ? [problem('attention', status.site, INTERRUPTED)] : []),
    ...incoming.map(({ bundle }) =>
      problem(
        'attention',
        `${bundle.name} ${bundle.version}`,
        'its import is incomplete; run stowage import with the remaining media, or stowage gc --incomplete',
      ),
    ),
    ...(generation.releases.length === 0
      ? [problem('attention', status.site, 'nothing is installed')]
      : []),
  ];
  return problems.toSorted((a, b) => rank(a) - rank(b));
}

function serviceProblems(status: ServiceStatus): Problem[] {
  const { release, service, state, drift, readiness, stoppedAt } = status;
  const subject = `${release} ${service.name}`;
  return [
    ...(stoppedAt === undefined
      ? stateProblems(status, subject)
      : [
          problem(
            'attention',
            subject,
            `stopped on purpose at ${stoppedAt}${state.state === 'absent' ? '' : `; it is ${state.state}`}`,
          ),
        ]),
    ...(readiness === undefined || readiness.ready
      ? []
      : [problem('failing', subject, `not ready: ${readiness.found} from ${readiness.check}`)]),
    ...drift.map(({ field, expected, found }) =>
      problem(
        'attention',
        subject,
        `changed since it was installed: ${field}: expected ${expected}, found ${found}`,
      ),
    ),
  ];
}

function stateProblems({ state: { state, detail } }: ServiceStatus, subject: string): Problem[] {
  if (state === 'running') return [];
  return [problem('failing', subject, [state, detail].filter(Boolean).join(': '))];
}

function problem(severity: Problem['severity'], subject: string, found: string): Problem {
  return { severity, subject, found };
}

function rank({ severity }: Problem): number {
  return severity === 'failing' ? 0 : 1;
}

/** The result of `status --check`: one line per problem, and an exit status by the worst. */
export function checkResult(status: SiteStatus, problems: readonly Problem[]): CommandResult {
  const [worst] = problems;
  const { services, generation } = status;
  const text =
    worst === undefined
      ? `ok: ${counted(services.length, 'service')} of ${counted(generation.releases.length, 'release')}, as installed\n`
      : problems
          .map(({ severity, subject, found }) => `${severity}: ${subject}: ${found}\n`)
          .join('');
  const found: ExitStatus | undefined = worst && exitStatus[worst.severity];
  return {
    json: { site: status.site, root: status.root, status: worst?.severity ?? 'ok', problems },
    text: printableLines(text),
    ...(found === undefined ? {} : { exitStatus: found }),
  };
}
