import { exitStatus } from '../../../core/error.ts';
import { counted, formatBytes, printableLines } from '../../../core/text.ts';
import { changeFleet } from '../../../fleet/change.ts';
import { informedSites } from '../../../fleet/dispatch.ts';
import { promotionChecks } from '../../../fleet/evidence.ts';
import { withIndex } from '../../../fleet/index/fleet-index.ts';
import { promoteRelease, type RecordedFact, recallRelease } from '../../../fleet/promote.ts';
import { addRelease } from '../../../fleet/record-fact.ts';
import { catalogOf, recallsOf, recallWords, releaseNamed } from '../../../fleet/releases.ts';
import { fleetStatus, recallProgress, releaseCounts } from '../../../fleet/status.ts';
import { name as releaseName, version as semver, versionRange } from '../../../format/field.ts';
import type { RecallOrder } from '../../../format/fleet-orders.ts';
import { type CommandContext, type CommandResult, usage } from '../../command.ts';
import type { KeyOptions } from '../signing-key.ts';
import {
  changeOptions,
  type FleetOption,
  factSigner,
  openFleet,
  tableLines,
} from './open-fleet.ts';

/** Records the signed lists of bundles. */
export async function addReleases(
  places: readonly string[],
  options: FleetOption,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const releases = [];
  for (const place of places)
    releases.push(await addRelease(folder, context.path(place), changeOptions(context)));
  const lines = releases.map(
    ({ name, version, bundle, added }) =>
      `${added ? 'added' : 'known already:'} ${name} ${version}, bundle ${bundle.slice(0, 16)}\n`,
  );
  return { json: { releases }, text: printableLines(lines.join('')) };
}

/** Lists releases with their channels and recalls. */
export async function listReleases(
  options: FleetOption,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const settings = await folder.settings();
  return withIndex(folder, context, async ({ database }) => {
    const catalog = catalogOf(database);
    const found = fleetStatus(database, { settings, now: context.now() });
    const counts = new Map(releaseCounts(found).map((each) => [each.bundle, each.sites]));
    const releases = catalog.releases.map((each) => {
      const recalled = recallsOf(each, catalog);
      const sites = counts.get(each.bundle) ?? 0;
      const advisory = catalog.advisories.get(each.bundle);
      return {
        ...{ ...each, sites },
        ...(recalled.length === 0 ? {} : { recalled: recallWords(recalled).reason }),
        ...(advisory === undefined ? {} : { advisory }),
      };
    });
    const informed = informedSites(database, found);
    const recalls = catalog.recalls.map((each) => ({
      ...recallProgress(each, found),
      informed: informed.get(each.path) ?? [],
    }));
    const rows = releases.map(
      ({ name, version, bundle, bytes, sites, channels, recalled = '', advisory }) => [
        ...[`${name} ${version}`, bundle.slice(0, 16), formatBytes(bytes), String(sites)],
        ...[Object.keys(channels).toSorted().join(', '), recalled],
        advisory === undefined ? '' : `${advisory.open} of ${advisory.total} open, ${advisory.at}`,
      ],
    );
    const headers = [
      'RELEASE',
      'BUNDLE',
      'SIZE',
      'SITES',
      'CHANNELS',
      'RECALLED',
      'VULNERABILITIES',
    ];
    const lines = [
      ...(rows.length === 0 ? ['no releases'] : tableLines(headers, rows)),
      ...recalls.flatMap(({ recall, running, holding, silent, confirmed, informed: told }) => [
        `recall of ${recall.name} ${recall.versions}: ${recall.reason}; ${recallWords([recall]).way}`,
        `  still running: ${running.join(', ') || 'no site'}`,
        ...(holding.length === 0 ? [] : [`  held, not running: ${holding.join(', ')}`]),
        `  no receipt since: ${silent.join(', ') || 'no site'}`,
        `  confirmed by ${counted(confirmed.length, 'site')}`,
        ...(told.length === 0 ? [] : [`  imported by notice: ${told.join(', ')}`]),
      ]),
    ];
    return { json: { releases, recalls }, text: printableLines(`${lines.join('\n')}\n`) };
  });
}

export interface PromoteOptions extends FleetOption, Partial<KeyOptions> {
  readonly to: string;
  readonly check?: boolean;
}

/** Records that a channel has a release, or says what is missing. */
export async function promote(
  text: string,
  options: PromoteOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { to, check, key, certificate } = options;
  const folder = await openFleet(options, context);
  const settings = await folder.settings();
  if (!Object.hasOwn(settings.channels, to))
    throw usage('fleet.yaml has no such channel', Object.keys(settings.channels).join(', '), to);
  if (check === true)
    return withIndex(folder, context, async ({ database }) => {
      const catalog = catalogOf(database);
      const release = releaseNamed(text, catalog);
      const input = { release, to, settings, catalog, database, folder, now: context.now() };
      const checks = await promotionChecks(input);
      const approval = settings.channels[to]?.evidence?.approval === true;
      const lines = [
        `${release.name} ${release.version} to ${to}`,
        ...checks.flatMap(({ satisfied, needs, found, code, hint }) => [
          `  ${satisfied ? 'ok' : 'MISSING'}: ${needs}; found: ${found}${code === undefined ? '' : ` [${code}]`}`,
          ...(hint === undefined ? [] : [`    hint: ${hint}`]),
        ]),
        ...(approval ? ['  afterwards: signatures of the role approval'] : []),
      ];
      return {
        json: { release, to, checks, approval },
        text: printableLines(`${lines.join('\n')}\n`),
        ...(checks.every(({ satisfied }) => satisfied) ? {} : { exitStatus: exitStatus.blocked }),
      };
    });
  if (key === undefined || certificate === undefined)
    throw usage('no key given', '--key and --certificate, or --check', 'neither');
  const by = await factSigner({ ...options, key, certificate }, context);
  return changeFleet(folder, changeOptions(context), async (fleet) => {
    const release = releaseNamed(text, catalogOf(fleet.database));
    const now = context.now();
    const fact = await promoteRelease(fleet, { release, to, settings }, { by, now });
    return factResult(`promoted ${release.name} ${release.version} to ${to}`, fact);
  });
}

export interface RecallOptions extends FleetOption, KeyOptions {
  readonly versions: string;
  readonly reason: string;
  readonly forward?: boolean;
  readonly backTo?: string;
}

/** Records that versions must no longer run. */
export async function recall(
  release: string,
  options: RecallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { versions, reason, forward, backTo } = options;
  if (!releaseName.safeParse(release).success)
    throw usage('invalid name of a release', 'a name without a version, such as chat', release);
  if (!versionRange.safeParse(versions).success)
    throw usage('invalid --versions', 'a range such as ">=1.2.0 <1.2.4"', versions);
  if ((forward === true) === (backTo !== undefined))
    throw usage('give exactly one of --forward and --back-to', 'one of them', 'none or both');
  if (backTo !== undefined && !semver.safeParse(backTo).success)
    throw usage('invalid --back-to', 'a version such as 1.1.0', backTo);
  const strategy: RecallOrder['strategy'] = backTo === undefined ? 'forward' : { backTo };
  const folder = await openFleet(options, context);
  const by = await factSigner(options, context);
  const now = context.now();
  return changeFleet(folder, changeOptions(context), async (fleet) =>
    factResult(
      `recalled ${release} ${versions}`,
      await recallRelease(fleet, { release, versions, reason, strategy }, { by, now }),
    ),
  );
}

function factResult(what: string, fact: RecordedFact): CommandResult {
  const { document, inForce, reason, role } = fact;
  const pending = inForce
    ? ''
    : `  not in force yet: ${reason}; next: stowage fleet sign ${document}${role === 'approval' ? ' --role approval' : ''}\n`;
  return { json: fact, text: printableLines(`${what}\n  ${document}\n${pending}`) };
}
