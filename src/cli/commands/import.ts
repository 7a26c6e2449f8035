import { join } from 'node:path';
import { beginStream } from '../../bundle/stream/notice-stream.ts';
import { isNotice } from '../../content/items.ts';
import { withParts } from '../../content/optional.ts';
import type { StowageError } from '../../core/error.ts';
import { counted, printableLines } from '../../core/text.ts';
import { siteText } from '../../format/site-text.ts';
import { withSite } from '../../site/applying/change.ts';
import { type Imported, importMedia } from '../../site/importing/import.ts';
import { holdersOfMissing } from '../../site/importing/partial-import.ts';
import { checkValues } from '../../site/planning/release-values.ts';
import { chosenBySite } from '../../site/release/chosen-parts.ts';
import { releaseFolder, signedBundle } from '../../site/release/release.ts';
import type { SiteContext, SiteFolder } from '../../site/site-folder.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { importNoticeCommand, NOTHING_TO_INSTALL, noticeAmong } from './import-notice.ts';
import {
  closePiped,
  type InstallOptions,
  importOptions,
  pipedOf,
  requireBundle,
} from './import-options.ts';
import { incomingJson, incomingLines, nextImport } from './incoming-lines.ts';
import { leftOutJson, leftOutLines } from './left-out-lines.ts';
import { remoteOf } from './remote.ts';
import { openNewSite, withWithdrawn } from './site.ts';

const OPERATOR_FILE = 'OPERATOR.txt';

/** Imports a bundle or some of its discs. Running services are not changed. */
export async function importCommand(
  places: readonly string[],
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openNewSite(options.root, context);
  await requireBundle(places, context);
  const notice = await noticeAmong(places, context);
  if (notice !== undefined) return importNoticeCommand(notice, opened, options, context);
  const piped = pipedOf(places, context);
  try {
    const begun = piped === undefined ? undefined : await beginStream(piped);
    if (begun?.isNotice === true)
      return await importNoticeCommand(begun.chunks, opened, options, context);
    const importing = await importOptions(opened, options, context);
    const given =
      begun?.chunks ??
      (await remoteOf(places, options, context)) ??
      places.map((place) => context.path(place));
    const imported = await withSite(opened, (ledger) => importMedia(given, ledger, importing));
    const missing = await missingFor(imported, opened);
    const holders =
      imported.partial === undefined ? [] : await holdersOfMissing(opened.site, imported.partial);
    const result = importResult(imported, opened.site, { missing, holders });
    return await withWithdrawn(opened.site, result, context.now());
  } finally {
    if (piped !== undefined) closePiped(piped);
  }
}

/** What `site.yaml` lacks for an imported release; undefined if nothing. */
async function missingFor(
  imported: Imported,
  opened: SiteContext,
): Promise<StowageError | undefined> {
  const { partial } = imported;
  const chosen = await chosenBySite(opened.site, signedBundle(imported));
  const bundle = withParts(imported.bundle, chosen);
  const runs = opened.target.runsServices && bundle.services.length > 0;
  if (partial !== undefined || !runs) return undefined;
  return (await checkValues(bundle, await opened.site.site(), opened)).error;
}

/** The settings that the operator must add, and where all of them are explained. */
function settingLines(
  { defects }: StowageError,
  { id, bundle }: Imported,
  site: SiteFolder,
): string[] {
  const guide = bundle.control.some(({ path }) => path === OPERATOR_FILE)
    ? [
        `  the last section of ${join(releaseFolder(site, id), OPERATOR_FILE)} is a complete site.yaml`,
      ]
    : [];
  return [`  ${site.file} lacks:`, ...defects.map((each) => `    ${each}`), ...guide];
}

function importResult(
  imported: Imported,
  site: SiteFolder,
  {
    missing,
    holders,
  }: { readonly missing: StowageError | undefined; readonly holders: readonly string[] },
): CommandResult {
  const { bundle, id, partial, rebuilt, damaged } = imported;
  const common = {
    name: bundle.name,
    version: bundle.version,
    seq: bundle.seq,
    id,
    rebuilt,
    damaged,
  };
  const made = rebuilt === 0 ? [] : [`  ${counted(rebuilt, 'part')} rebuilt from recovery parts`];
  if (partial === undefined) {
    if (damaged > 0) made.push(`  ${counted(damaged, 'damaged stored file')} replaced`);
    const lines = [
      `${bundle.name} ${bundle.version}: imported and verified; running services are unchanged`,
      ...made,
      ...leftOutLines(imported),
      ...(missing === undefined ? [] : settingLines(missing, imported, site)),
      ...(isNotice(bundle)
        ? [NOTHING_TO_INSTALL]
        : [
            `  next: ${missing === undefined ? '' : 'add these settings, then '}stowage install ${bundle.name}@${bundle.version}`,
          ]),
    ];
    return {
      json: {
        ...{ complete: true, ...common, siteYaml: siteText(signedBundle(imported), site.root) },
        missing: missing?.defects ?? [],
        ...leftOutJson(imported),
      },
      text: printableLines(`${lines.join('\n')}\n`),
    };
  }
  const lines = [
    `${bundle.name} ${bundle.version}: imported these media; the release is incomplete`,
    ...made,
    ...incomingLines(partial),
    ...leftOutLines(imported),
    ...(holders.length === 0
      ? []
      : [
          `  also in ${holders.join(', ')}, whose files at this site are missing or damaged; if you have its media, import them again first`,
        ]),
    `  ${nextImport(partial)}`,
  ];
  return {
    json: {
      ...{ complete: false, ...common, ...incomingJson(partial), alsoIn: holders },
      ...leftOutJson(imported),
    },
    text: `${lines.join('\n')}\n`,
    exitStatus: 1,
  };
}
