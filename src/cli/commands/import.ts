import { anchorTrust } from '../../bundle/admission/trust-anchor.ts';
import { counted } from '../../core/amount.ts';
import { type Settable, siteText } from '../../format/site-text.ts';
import { withSite } from '../../site/applying/change.ts';
import { type Imported, importMedia } from '../../site/importing/import.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { confirmFingerprint } from './confirm.ts';
import { incomingJson, incomingLines } from './incoming-lines.ts';
import type { InstallOptions } from './install.ts';
import { closePiped, pipedOf } from './piped.ts';
import { openNewSite, withRecalls } from './site.ts';
import { readTrustFile } from './trust-option.ts';

/** Imports a bundle or some of its discs. Running services are not changed. */
export async function importCommand(
  places: readonly string[],
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openNewSite(options.root, context);
  const root =
    options.trust === undefined ? undefined : await readTrustFile(options.trust, context);
  const trust = await anchorTrust(await opened.site.trust(), root, (each) =>
    confirmFingerprint(each, options.fingerprint, context),
  );
  const { acceptAge } = options;
  const given = pipedOf(places, context) ?? places.map((place) => context.path(place));
  try {
    const imported = await withSite(opened, (ledger) =>
      importMedia(given, ledger, {
        ...opened,
        trust,
        ...(acceptAge === undefined ? {} : { acceptAge }),
      }),
    );
    return await withRecalls(opened.site, importResult(imported, opened.site.path()));
  } finally {
    closePiped(given);
  }
}

/** What the operator can set for this release; nothing if it has neither parameters nor secrets. */
function settingLines(bundle: Settable, folder: string): string[] {
  const names = [...Object.keys(bundle.parameters), ...Object.keys(bundle.secrets)];
  if (names.length === 0) return [];
  const text = siteText(bundle, folder).trimEnd();
  return [
    `  settings of this release, for ${folder}/site.yaml:`,
    ...text.split('\n').map((line) => `    ${line}`),
  ];
}

function importResult(imported: Imported, folder: string): CommandResult {
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
      ...settingLines(bundle, folder),
      `  next: stowage install ${bundle.name}@${bundle.version}`,
    ];
    return {
      json: { complete: true, ...common, siteYaml: siteText(bundle, folder) },
      text: `${lines.join('\n')}\n`,
    };
  }
  const lines = [
    `${bundle.name} ${bundle.version}: imported these media; the release is incomplete`,
    ...made,
    ...incomingLines(partial),
    '  next: stowage import DISC for each remaining disc; if one is lost or damaged, stowage repair-list',
  ];
  return {
    json: { complete: false, ...common, ...incomingJson(partial) },
    text: `${lines.join('\n')}\n`,
    exitStatus: 1,
  };
}
