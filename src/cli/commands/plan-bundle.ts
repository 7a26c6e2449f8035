import { findDiscs } from '../../bundle/discs.ts';
import { readId } from '../../bundle/read-index.ts';
import { exitStatus, StowageError } from '../../core/error.ts';
import { counted, formatBytes } from '../../core/text.ts';
import type { Bundle, BundleBlob } from '../../format/bundle.ts';
import { exists } from '../../io/file.ts';
import { previewImport } from '../../site/importing/import.ts';
import { PreviewSite } from '../../site/importing/preview.ts';
import { readLedger } from '../../site/ledger/site-ledger.ts';
import { stateOf } from '../../site/ledger/site-state.ts';
import { propose } from '../../site/planning/propose.ts';
import { releaseFolder } from '../../site/release/release.ts';
import type { SiteFolder } from '../../site/site-folder.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { type InstallOptions, importOptions } from './import-options.ts';
import { plan } from './plan.ts';
import { constraintTable, planTable, planVerdict } from './plan-text.ts';
import { openNewSite } from './site.ts';

/**
 * The plan of the installation of a bundle, also where no site is yet. Writes nothing: signatures and control files are
 * verified on the media, and other files when they are imported.
 * @throws StowageError what admission throws; `release-unknown` for a target whose plans need an imported bundle
 */
export async function planBundle(
  places: readonly string[],
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openNewSite(options.root, context);
  const { site, target } = opened;
  const folders = await findDiscs(places);
  const id = await readId(folders[0] ?? '');
  if (await exists(releaseFolder(site, id)))
    return plan(id, options.root === undefined ? {} : { root: options.root }, context);
  if (target.mountsImages === true) throw mustBeImported(places, id);
  const state = stateOf((await readLedger(site)).entries);
  const admitted = await previewImport(
    folders,
    state,
    await importOptions(opened, options, context),
  );
  const preview = { ...opened, site: new PreviewSite(site.root, admitted) };
  const request = { intent: 'install', subject: id } as const;
  const made = await propose(request, state, context.now(), preview);
  const coming = await missingBlobs(admitted.bundle, site);
  const bytes = coming.reduce((sum, { size }) => sum + size, 0);
  const verdict = planVerdict(made);
  const copied = `${counted(coming.length, 'file')}, ${formatBytes(bytes)}, to ${site.root}`;
  return {
    json: { imported: false, import: { files: coming.length, bytes }, plan: made },
    text: [
      `import: ${copied}; the media are verified while they are copied\n`,
      ...[planTable(made), constraintTable(made, false)],
      'nothing was imported or changed\n',
      verdict,
    ].join(''),
    ...(verdict === '' ? {} : { exitStatus: exitStatus.blocked }),
  };
}

async function missingBlobs(
  { blobs }: Bundle,
  { store }: SiteFolder,
): Promise<readonly BundleBlob[]> {
  const missing: BundleBlob[] = [];
  for (const blob of blobs) if ((await store.size(blob.digest)) !== blob.size) missing.push(blob);
  return missing;
}

function mustBeImported(places: readonly string[], id: string): StowageError {
  const place = places.join(' ');
  return new StowageError('release-unknown', `the bundle in ${place} is not imported`, {
    expected: 'an imported bundle: on a cluster, a plan needs its files',
    found: `bundle ${id.slice(0, 16)}, of which nothing was changed or imported`,
    hint: `run stowage import ${place}, which changes no service, and then the same command again`,
  });
}
