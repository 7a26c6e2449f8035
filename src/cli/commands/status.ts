import { isNotice } from '../../content/items.ts';
import { withoutInWords } from '../../content/optional.ts';
import { printableLines } from '../../core/text.ts';
import { type PartialImport, partialImports } from '../../site/importing/partial-import.ts';
import { consistentReleases } from '../../site/release/consistent.ts';
import { partsNotHeld, refusedWarning } from '../../site/release/release.ts';
import type { SiteFolder } from '../../site/site-folder.ts';
import { type SiteStatus, siteStatus } from '../../site/status.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { incomingJson, incomingLines, nextImport } from './incoming-lines.ts';
import { openRunningSite, warnOfOtherSite } from './site.ts';
import { checkResult, defectLines, problemsOf, withLedgerFault } from './site-check.ts';
import { statusText } from './status-text.ts';

export interface StatusOptions {
  readonly check?: boolean;
  readonly live?: boolean;
  readonly root?: string;
}

/** The state of a site; with `--check`, its problems only, with an exit status for monitoring; with `--live`, its services now. */
export async function status(
  options: StatusOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (options.live === true) {
    if (options.check === true)
      throw usage('--live and --check exclude each other', 'one of them', 'both');
    const { statusLive } = await import('./status-live.ts');
    return statusLive(options.root, context);
  }
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
      statusText(found) +
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
  /** Whether there is nothing to install: what it announces was recorded when it was imported. */
  readonly notice: boolean;
  /** The optional parts that are not at the site; absent if there is none. */
  readonly leftOut?: readonly string[];
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
    .map((release) => {
      const { id, bundle } = release;
      const { name, version, seq } = bundle;
      const leftOut = partsNotHeld(release);
      return {
        ...{ name, version, seq, bundle: id, notice: isNotice(bundle) },
        ...(leftOut.length === 0 ? {} : { leftOut }),
      };
    });
}

function describeImported(
  { name, version, seq, bundle, notice, leftOut }: Imported,
  failure: string | undefined,
): string {
  const state = notice ? 'recorded' : 'imported, not installed';
  const without = leftOut === undefined ? '' : `    ${withoutInWords(leftOut)}\n`;
  const line = `  ${state}: ${name} ${version}, sequence ${seq}, bundle ${bundle.slice(0, 16)}\n${without}`;
  return failure === undefined
    ? line
    : `${line}    its installation was ${failure}; to remove it: stowage forget ${name}@${version}\n`;
}

function describeIncoming(incoming: PartialImport): string {
  const { name, version } = incoming.bundle;
  return `${[`  incomplete import: ${name} ${version}`, ...incomingLines(incoming).map((line) => `  ${line}`), `    ${nextImport(incoming)}`].join('\n')}\n`;
}
