import { StowageError } from '../../core/error.ts';
import { exists } from '../../io/file.ts';
import { isRemoteAddress } from '../../remote/address.ts';
import type { Changed } from '../../site/applying/change.ts';
import { install as installBundle, installImported } from '../../site/applying/install.ts';
import type { SiteContext } from '../../site/site-context.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import {
  askForDisc,
  closePiped,
  type InstallOptions,
  importOptions,
  pipedOf,
  requireBundle,
} from './import-options.ts';
import { remoteOf } from './remote.ts';
import { changeResult, openNewSite, withWithdrawn } from './site.ts';

/** `NAME` or `NAME@VERSION`: an imported release, unless a folder has that name. */
const IMPORTED = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:@[0-9A-Za-z.-]+)?$/;

export async function install(
  places: readonly string[],
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (options.dryRun === true) return planInstall(places, options, context);
  const site = await openNewSite(options.root, context);
  const opened = { ...site, rehash: options.rehash ?? false };
  const name = await importedName(places, context);
  if (name !== undefined) return await resultOf(await installImported(name, opened), opened);
  await requireBundle(places, context);
  const installing = await importOptions(opened, options, context);
  const piped = pipedOf(places, context);
  if (piped !== undefined) {
    try {
      return await resultOf(await installBundle(piped, installing), opened);
    } finally {
      closePiped(piped);
    }
  }
  const remote = await remoteOf(places, options, context);
  if (remote !== undefined) return await resultOf(await installBundle(remote, installing), opened);
  let folders = places.map((place) => context.path(place));
  for (;;) {
    try {
      return await resultOf(await installBundle(folders, installing), opened);
    } catch (error) {
      const next = needsAnotherDisc(error) ? await askForDisc(error, folders, context) : undefined;
      if (next === undefined) throw error;
      folders = next;
    }
  }
}

async function importedName(
  places: readonly string[],
  context: CommandContext,
): Promise<string | undefined> {
  const [name = ''] = places;
  const isName = places.length === 1 && IMPORTED.test(name);
  return isName && !(await exists(context.path(name))) ? name : undefined;
}

/** The plan of an installation. Of a bundle that is not imported, only signatures and control files are verified. */
async function planInstall(
  places: readonly string[],
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { root } = options;
  const given = root === undefined ? {} : { root };
  const { plan } = await import('./plan.ts');
  const name = await importedName(places, context);
  if (name !== undefined) return plan(name, given, context);
  const elsewhere = places.find((each) => each === '-' || isRemoteAddress(each));
  if (elsewhere !== undefined)
    throw usage(
      '--dry-run needs a release or a folder',
      'NAME, NAME@VERSION or a folder',
      elsewhere,
    );
  const { planBundle } = await import('./plan.ts');
  const folders = places.map((place) => context.path(place));
  return planBundle(folders, options, context);
}

function needsAnotherDisc(error: unknown): error is StowageError {
  return error instanceof StowageError && ['bundle-incomplete', 'medium-lost'].includes(error.code);
}

function resultOf(changed: Changed, { site, target, now }: SiteContext): Promise<CommandResult> {
  return withWithdrawn(site, changeResult(changed, target), now());
}
