import { StowageError } from '../../core/error.ts';
import { formatDuration, oneLine, printableLines } from '../../core/text.ts';
import type { Plan } from '../../format/plan.ts';
import type { GateResult } from '../../format/receipt.ts';
import { effectiveUser, exists, statusOf } from '../../io/file.ts';
import type { Changed } from '../../site/applying/change.ts';
import { requireProtected } from '../../site/protection.ts';
import type { Withdrawn } from '../../site/release/withdrawn.ts';
import { type SiteContext, SiteFolder } from '../../site/site-folder.ts';
import { requireKnownFormat } from '../../site/site-format.ts';
import { withdrawnNow } from '../../site/status.ts';
import type { Target } from '../../target/target.ts';
import { createTarget } from '../../target/targets.ts';
import {
  type CommandContext,
  type CommandResult,
  chosenSite,
  ledgerUser,
  siteRoot,
} from '../command.ts';

/**
 * Opens the folder of an existing site.
 * @throws StowageError `site-absent`, `site-exposed`, `format-newer`, `state-damaged`
 */
export async function openFolder(
  root: string | undefined,
  context: CommandContext,
): Promise<SiteFolder> {
  const site = new SiteFolder(siteRoot(context, root));
  if (!(await site.isSite())) throw await absent(site.root, root, context);
  await requireProtected(site);
  await requireKnownFormat(site);
  return site;
}

async function absent(
  root: string,
  option: string | undefined,
  context: CommandContext,
): Promise<StowageError> {
  const other = await otherSite(root, option, context);
  return new StowageError('site-absent', `there is no site at ${root}`, {
    expected: 'the folder of a site',
    found: (await exists(root)) ? 'a folder or file that is not a site' : 'nothing',
    hint:
      other === undefined
        ? 'give the folder of the site with --site; stowage import creates a site'
        : `the site of this host is at ${other}: run the command as root, for example with sudo`,
  });
}

/** The folder of root's site, if another user works with the default folder and may have meant that one. */
async function otherSite(
  root: string,
  option: string | undefined,
  context: CommandContext,
): Promise<string | undefined> {
  const { hostSite } = context.terminal;
  if (root === hostSite || chosenSite(context, option) !== undefined) return undefined;
  return (await mayBeSite(hostSite)) ? hostSite : undefined;
}

// A folder that this user cannot read may be one.
async function mayBeSite(folder: string): Promise<boolean> {
  try {
    return await new SiteFolder(folder).isSite();
  } catch {
    return true;
  }
}

/** Warns a user who works with a site of their own if this host has another. */
export async function warnOfOtherSite(
  { site: { root } }: SiteContext,
  option: string | undefined,
  context: CommandContext,
): Promise<void> {
  const other = await otherSite(root, option, context);
  if (other === undefined) return;
  context.emit({
    type: 'warning',
    message: `this is your own site at ${root}; the site of this host is at ${other}`,
    hint: 'to use the site of this host, run the command as root, for example with sudo',
  });
}

/** Opens an existing site for a command. @throws StowageError as {@link openFolder}, `site-invalid` */
export async function openSite(
  root: string | undefined,
  context: CommandContext,
): Promise<SiteContext> {
  return requireVisible(await contextOf(await openFolder(root, context), context));
}

/**
 * Opens an existing site for a command that reads, starts or stops what was applied. If `site.yaml` has defects or cannot be
 * read, it warns and works with recovered settings; one of a newer version is refused.
 * @throws StowageError as {@link openFolder}; `site-invalid` or `io-failed` if the target of the services is unknown
 */
export async function openRunningSite(
  root: string | undefined,
  context: CommandContext,
): Promise<SiteContext> {
  return requireVisible(await openStoredSite(root, context));
}

/** The same for a command that needs only what the site stores, which other users may read too. @throws StowageError as there */
export async function openStoredSite(
  root: string | undefined,
  context: CommandContext,
): Promise<SiteContext> {
  const site = await openFolder(root, context);
  try {
    return await contextOf(site, context);
  } catch (error) {
    if (!isDefect(error)) throw error;
    const { recoverSettings } = await import('../../site/recovered-settings.ts');
    const recovered = await recoverSettings(site);
    if (recovered === undefined) throw error;
    const known = recovered.target === 'depot' ? '' : `; using ${recovered.target}, as applied`;
    context.emit({
      type: 'warning',
      message: `${oneLine(`${error.message}: ${error.found ?? ''}`, 500)}${known}; until it is fixed, no change is possible`,
      hint: error.hint,
    });
    const opened = await contextOf(new SiteFolder(site.root, recovered), context);
    return { ...opened, settingsDefect: error };
  }
}

const isDefect = (error: unknown): error is StowageError =>
  error instanceof StowageError && ['site-invalid', 'io-failed'].includes(error.code);

/**
 * Opens a site, or a folder where the command creates one.
 * @throws StowageError `site-absent`, `site-exposed`, `format-newer`, `state-damaged`, `site-invalid`
 */
export async function openNewSite(
  root: string | undefined,
  context: CommandContext,
): Promise<SiteContext> {
  const site = new SiteFolder(siteRoot(context, root));
  await site.requireOwn();
  await requireProtected(site);
  await requireKnownFormat(site);
  const opened = await requireVisible(await contextOf(site, context));
  await warnOfOtherSite(opened, root, context);
  return opened;
}

/**
 * Refuses a site of root to other users if its services are containers of podman, which shows each user only their own: all
 * services would look absent.
 * @throws StowageError `site-exposed`
 */
async function requireVisible(opened: SiteContext): Promise<SiteContext> {
  const { site, target } = opened;
  if (target.name !== 'podman') return opened;
  const status = await statusOf(site.root);
  const user = await effectiveUser();
  if (status === undefined || Number(status.uid) === user) return opened;
  throw new StowageError('site-exposed', `the site at ${site.root} belongs to another user`, {
    expected: `a site of user ${user}, because podman shows each user only their own containers`,
    found: `a site of ${status.uid === 0n ? 'root' : `user ${status.uid}`}`,
    hint: 'run the command as the user of the site, for root with sudo; stowage history works for all users',
  });
}

async function contextOf(site: SiteFolder, context: CommandContext): Promise<SiteContext> {
  const { env } = context.terminal;
  const user = ledgerUser(context);
  const { target: name } = await site.site();
  const target = await createTarget(name, { env, root: site.root, settings: () => site.site() });
  return { ...context, site, target, env, user };
}

/** One line per current release that was withdrawn, with the next command. */
export function withdrawnLines({
  recalled,
  untrusted,
}: Pick<Withdrawn, 'recalled' | 'untrusted'>): string[] {
  const lines = (label: string, releases: Withdrawn['recalled']): string[] =>
    releases.map(
      ({ name, version, reason, remedy }) =>
        `${label}: ${name} ${version}: ${reason}; next: ${remedy}`,
    );
  return [...lines('RECALLED', recalled), ...lines('NOT TRUSTED', untrusted)];
}

/** The same as data; nothing if there is none. */
export function withdrawnJson({
  recalled,
  untrusted,
}: Withdrawn): Partial<Pick<Withdrawn, 'recalled' | 'untrusted'>> {
  return {
    ...(recalled.length === 0 ? {} : { recalled }),
    ...(untrusted.length === 0 ? {} : { untrusted }),
  };
}

/** A result, and first of all the installed releases that were withdrawn, here or earlier. */
export async function withWithdrawn(
  site: SiteFolder,
  { json, text, ...rest }: CommandResult,
  now: Date,
): Promise<CommandResult> {
  const withdrawn = await withdrawnNow(site, now);
  const lines = withdrawnLines(withdrawn).map((each) => `${each}\n`);
  if (lines.length === 0) return { json, text, ...rest };
  return {
    ...rest,
    json: { ...(json as object), ...withdrawnJson(withdrawn) },
    text: printableLines(lines.join('')) + text,
  };
}

/** The result of a change. */
export function changeResult({ plan, receipt, stopped }: Changed, target: Target): CommandResult {
  const { to } = plan;
  const idle = stopped.map(
    ({ release, service, at }) =>
      `  not started: ${release} ${service}, which was stopped at ${at}; start it with "stowage start ${release} ${service}"\n`,
  );
  if (receipt === undefined) {
    return {
      json: { changed: false, generation: plan.from.number, stopped },
      text: `nothing to do: generation ${plan.from.number} is already current\n${idle.join('')}`,
    };
  }
  const releases = to.releases.flatMap((release) => [
    `  ${release.name} ${release.version}`,
    ...target
      .services(release)
      .flatMap(({ name, addresses }) =>
        addresses.map(({ url, port }) => `    ${name}: ${url} (${port})`),
      ),
  ]);
  const gates = receipt.gates.map(
    (gate) => `  passed: ${gateInWords(gate)}, ${formatDuration(gate.milliseconds)}`,
  );
  if (!target.runsServices && receipt.gates.length > 0)
    gates.push('  next: run "stowage depot", which serves it to clients');
  return {
    json: { changed: true, generation: to.number, repaired: repairsOf(plan), stopped, receipt },
    text: [head(plan), ...releases, ...gates, ''].join('\n') + idle.join(''),
  };
}

/** A check of a gate. That of a release without services uses a depot of its own, which then ends. */
export function gateInWords({ service, check }: GateResult): string {
  return check === 'served' ? `${service} can be served in full` : `${service} ${check}`;
}

/** The services that a plan repairs, as `release service`. */
function repairsOf({ from, to, steps }: Plan): string[] {
  if (from.number !== to.number) return [];
  return steps.flatMap(({ service, do: { release } }) =>
    service === undefined ? [] : [`${release} ${service}`],
  );
}

function head(plan: Plan): string {
  const { intent, subject } = plan;
  const { number } = plan.to;
  const repaired = repairsOf(plan);
  if (repaired.length > 0) return `repaired ${repaired.join(', ')}; all checks passed`;
  if (intent === 'rollback') return `rolled back to generation ${number}; all checks passed`;
  if (intent === 'install') return `installed as generation ${number}; all checks passed`;
  return `uninstalled ${subject}; the site is now at generation ${number}`;
}
