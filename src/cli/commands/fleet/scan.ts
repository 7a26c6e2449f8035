import { exitStatus } from '../../../core/error.ts';
import { counted, printableLines } from '../../../core/text.ts';
import { type ChangingFleet, changeFleet } from '../../../fleet/change.ts';
import type { FleetFolder } from '../../../fleet/fleet-folder.ts';
import { catalogOf, type FleetRelease, releaseNamed } from '../../../fleet/releases.ts';
import type { Scanner } from '../../../fleet/scan/run-scanner.ts';
import { type ScannedRelease, scanRelease } from '../../../fleet/scan/scan-releases.ts';
import { fleetStatus, releaseCounts } from '../../../fleet/status.ts';
import { type Verdict, verdictsKind } from '../../../format/verdicts.ts';
import { readYaml } from '../../../format/yaml-document.ts';
import { readIfThere, readNamed } from '../../../io/file.ts';
import type { CommandContext, CommandResult } from '../../command.ts';
import type { KeyOptions } from '../signing-key.ts';
import { changeOptions, type FleetOption, factSigner, openFleet } from './open-fleet.ts';

export interface ScanCommandOptions extends FleetOption, KeyOptions {
  readonly scanner: string;
  readonly db?: string;
  readonly verdicts?: string;
}

/** Scans the SBOMs of releases, and records what was found as signed advisories. */
export async function scan(
  names: readonly string[],
  options: ScanCommandOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const settings = await folder.settings();
  const verdicts = await readVerdicts(folder, options, context);
  const scanner = scannerOf(options, context);
  const by = await factSigner(options, context);
  return changeFleet(folder, changeOptions(context), async (fleet) => {
    const { database } = fleet;
    const status = fleetStatus(database, { settings, now: context.now() });
    const { releases, unknown } = toScan(names, fleet, releaseCounts(status));
    const scanned: ScannedRelease[] = [];
    for (const each of releases)
      scanned.push(await scanRelease(fleet, each, { scanner, verdicts, by, context }));
    const lines = [
      ...scanned.flatMap(lineOf),
      ...unknown.map((each) => `NOT SCANNED: ${each}: the fleet does not know its bundle`),
      ...(scanned.length === 0 && unknown.length === 0 ? ['no site runs anything'] : []),
      ...(scanned.length === 0
        ? []
        : ['  next: stowage fleet next SITE --write FOLDER tells the sites']),
    ];
    const isOpen =
      scanned.some(({ open, unscanned }) => open > 0 || unscanned.length > 0) || unknown.length > 0;
    return {
      json: { advisories: scanned, unknown },
      text: printableLines(`${lines.join('\n')}\n`),
      ...(isOpen ? { exitStatus: exitStatus.attention } : {}),
    };
  });
}

function lineOf({
  name,
  version,
  total,
  open,
  databaseBuilt,
  unscanned,
  document,
  inForce,
  reason,
}: ScannedRelease): string[] {
  const amount = counted(total, 'vulnerability', 'vulnerabilities');
  const database = databaseBuilt === undefined ? '' : `, database of ${databaseBuilt.slice(0, 10)}`;
  return [
    `${name} ${version}: ${amount}, ${open} open${database}`,
    ...unscanned.map((each) => `  NOT SCANNED: ${each}`),
    `  ${document}${inForce ? '' : `, not in force yet: ${reason}`}`,
  ];
}

/** The releases that were named, or those that sites run. */
function toScan(
  names: readonly string[],
  { database }: ChangingFleet,
  running: ReturnType<typeof releaseCounts>,
): { releases: FleetRelease[]; unknown: string[] } {
  const catalog = catalogOf(database);
  if (names.length > 0)
    return { releases: names.map((each) => releaseNamed(each, catalog)), unknown: [] };
  const known = new Map(catalog.releases.map((each) => [each.bundle, each]));
  return {
    releases: running.flatMap(({ bundle }) => known.get(bundle) ?? []),
    unknown: running
      .filter(({ bundle }) => !known.has(bundle))
      .map(({ name, version, bundle }) => `${name} ${version}, bundle ${bundle.slice(0, 16)}`),
  };
}

async function readVerdicts(
  folder: FleetFolder,
  { verdicts: file }: ScanCommandOptions,
  context: CommandContext,
): Promise<readonly Verdict[]> {
  const bytes =
    file === undefined
      ? await readIfThere(folder.path('verdicts.yaml'), verdictsKind.maxBytes)
      : await readNamed(context.path(file), verdictsKind.maxBytes);
  if (bytes === undefined) return [];
  return readYaml(verdictsKind, bytes, file ?? 'verdicts.yaml').verdicts;
}

function scannerOf({ scanner, db }: ScanCommandOptions, context: CommandContext): Scanner {
  const { env, root } = context.terminal;
  return {
    program: scanner.includes('/') ? context.path(scanner) : scanner,
    ...(db === undefined ? {} : { database: context.path(db) }),
    ...{ env, root },
  };
}
