import { isNoticeFolder } from '../../bundle/notice/read-notice.ts';
import { printableLines } from '../../core/text.ts';
import { noticeName } from '../../format/notice.ts';
import { withSite } from '../../site/applying/change.ts';
import {
  type ImportedNotice,
  importNotice,
  importPipedNotice,
} from '../../site/importing/import-notice.ts';
import type { SiteContext } from '../../site/site-folder.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { type InstallOptions, importOptions } from './import-options.ts';
import { advisoryLines } from './notice-lines.ts';
import { withWithdrawn } from './site.ts';

/** The folder of a notice, if that is what was given. @throws StowageError `usage-invalid` for a notice among other folders */
export async function noticeAmong(
  places: readonly string[],
  context: CommandContext,
): Promise<string | undefined> {
  for (const place of places) {
    const folder = context.path(place);
    if (place === '-' || !(await isNoticeFolder(folder))) continue;
    if (places.length === 1) return folder;
    throw usage(
      'import notices one at a time',
      'one notice, or the discs of one bundle',
      `${places.length} folders`,
    );
  }
  return undefined;
}

/** Of what announces, and has no services. */
export const NOTHING_TO_INSTALL = '  nothing to install: what it announces is recorded';

/** Imports a notice from its folder, or from a pipe. Running services are not changed. */
export async function importNoticeCommand(
  from: string | AsyncIterable<Uint8Array>,
  opened: SiteContext,
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const importing = await importOptions(opened, options, context);
  const imported = await withSite(opened, (ledger) =>
    typeof from === 'string'
      ? importNotice(from, ledger, importing)
      : importPipedNotice(from, ledger, importing),
  );
  const result = {
    json: imported,
    text: printableLines(`${importedLines(imported).join('\n')}\n`),
  };
  return withWithdrawn(opened.site, result, context.now());
}

function importedLines(imported: ImportedNotice): string[] {
  const { notice, known, trust, recalls, promotions, approvals, advisories } = imported;
  if (known) return [`nothing to do: ${noticeName(notice)} is already imported`];
  return [
    `${noticeName(notice)}: imported and verified; running services are unchanged`,
    ...(trust === undefined ? [] : [`  trust document ${trust} is pinned`]),
    ...recalls.map(
      ({ release, versions, reason }) => `  recalled: ${release} ${versions}: ${reason}`,
    ),
    ...promotions.map(
      ({ release, version, channel }) => `  promoted: ${release} ${version} to channel ${channel}`,
    ),
    ...approvals.map(({ path }) => `  approved plan; next: stowage apply ${path}`),
    ...advisories.flatMap(advisoryLines).map((each) => `  ${each}`),
    NOTHING_TO_INSTALL,
  ];
}
