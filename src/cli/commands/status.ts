import { counted } from '../../core/amount.ts';
import { printableLines } from '../../core/printable.ts';
import { type PartialImport, partialImports } from '../../site/importing/partial-import.ts';
import { consistentReleases } from '../../site/release/consistent.ts';
import { refusedWarning } from '../../site/release/release.ts';
import type { SiteFolder } from '../../site/site-folder.ts';
import { type SiteStatus, siteStatus } from '../../site/status.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { generationLines } from './history-lines.ts';
import { incomingJson, incomingLines } from './incoming-lines.ts';
import { withLedgerFault } from './ledger-fault.ts';
import { openRunningSite, warnOfOtherSite, withdrawnLines } from './site.ts';
import { checkResult, defectLines, problemsOf } from './site-check.ts';

export interface StatusOptions {
  readonly check?: boolean;
  readonly root?: string;
}

/** The state of a site; with `--check`, its problems only, with an exit status for monitoring. */
export async function status(
  options: StatusOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openRunningSite(options.root, context);
  await warnOfOtherSite(opened, options.root, context);
  const { site, settingsDefect } = opened;
  const found = await siteStatus(opened);
  const incoming = await partialImports(site);
  if (options.check === true)
    return checkResult(found, problemsOf(found, incoming, settingsDefect));
  const imported = await waiting(site, found, context);
  const { kept: _, mark: __, failed, ledgerDamage, ...rest } = found;
  const result = {
    json: {
      ...{ ...rest, failed, imported, incoming: incoming.map(incomingJson) },
      ...(settingsDefect === undefined ? {} : { siteDefects: defectLines(settingsDefect) }),
    },
    text:
      describe(found) +
      printableLines(
        [
          ...imported.map((each) => describeImported(each, failed[each.bundle])),
          ...incoming.map(describeIncoming),
        ].join(''),
      ),
  };
  return withLedgerFault(result, ledgerDamage);
}

/** A release that is imported but not part of the current generation. */
interface Imported {
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  readonly bundle: string;
}

/** Imported releases that are not installed. If one cannot be used, the rest of the status is still shown. */
async function waiting(
  site: SiteFolder,
  { generation }: SiteStatus,
  { emit }: CommandContext,
): Promise<Imported[]> {
  const current = new Set(generation.releases.map((each) => each.bundle));
  const { releases, refused } = await consistentReleases(site);
  for (const each of refused) emit(refusedWarning(each));
  return releases
    .filter(({ id }) => !current.has(id))
    .map(({ id, bundle: { name, version, seq } }) => ({ name, version, seq, bundle: id }));
}

function describeImported(
  { name, version, seq, bundle }: Imported,
  failure: string | undefined,
): string {
  const line = `  imported, not installed: ${name} ${version}, sequence ${seq}, bundle ${bundle.slice(0, 16)}\n`;
  return failure === undefined
    ? line
    : `${line}    its installation was ${failure}; to remove it: stowage forget ${name}@${version}\n`;
}

function describeIncoming(incoming: PartialImport): string {
  const { name, version } = incoming.bundle;
  return `${[`  incomplete import: ${name} ${version}`, ...incomingLines(incoming).map((line) => `  ${line}`)].join('\n')}\n`;
}

function describe(status: SiteStatus): string {
  const { generation } = status;
  const lines = [
    generation.number === 0
      ? `site ${status.site}: nothing is installed`
      : `site ${status.site}: generation ${generation.number}, applied ${generation.appliedAt}`,
    ...generation.releases.flatMap((release) => [
      `  ${release.name} ${release.version}, sequence ${release.seq}, bundle ${release.bundle.slice(0, 16)}`,
      ...status.services
        .filter((each) => each.release === release.name)
        .flatMap(({ service, state, drift, readiness, stoppedAt }) => {
          const ports = service.addresses.map(({ url }) => url).join(', ');
          const moment = state.state === 'running' ? state.startedAt : state.finishedAt;
          const since = moment === undefined ? '' : `since ${moment}`;
          // Stopping a service removes its container.
          const isGone = stoppedAt !== undefined && state.state === 'absent';
          const running = [isGone ? 'stopped' : state.state, since]
            .filter((each) => each !== '')
            .join(' ');
          const words = [running, state.detail, ports].filter((each) => each !== '');
          return [
            `    ${service.name}: ${words.join(', ')}`,
            ...(stoppedAt === undefined
              ? []
              : [
                  `      stopped on purpose at ${stoppedAt}; start it with "stowage start ${release.name} ${service.name}"`,
                ]),
            ...(readiness === undefined || readiness.ready
              ? []
              : [`      NOT READY: ${readiness.found}, checked with ${readiness.check}`]),
            ...drift.map(
              ({ field, expected, found }) =>
                `      DRIFT: ${field}: expected ${expected}, found ${found}`,
            ),
          ];
        }),
    ]),
    ...(status.kept.length > 1
      ? generationLines(status.kept, generation.number, status.mark).map((each) => `  ${each}`)
      : []),
    ...withdrawnLines(status).map((each) => `  ${each}`),
    ...(status.damage === undefined
      ? []
      : [
          `  DAMAGED: ${counted(status.damage.files.length, 'stored file')}, verified at ${status.damage.at}; next: stowage store verify --repair MEDIUM`,
        ]),
    ...status.overrides.map(
      ({ rule, by, reason, until }) => `  OVERRIDDEN: ${rule} until ${until}: ${reason}, by ${by}`,
    ),
    ...(status.busy === undefined
      ? []
      : [
          `  another command is running at this site (process ${status.busy}): services may change`,
        ]),
    ...(status.interrupted
      ? ['  a command was interrupted; the next install, rollback or uninstall completes it']
      : []),
  ];
  return printableLines(`${lines.join('\n')}\n`);
}
