import { StowageError } from '../../core/error.ts';
import type { Changed } from '../../site/applying/change.ts';
import { install as installBundle, installImported } from '../../site/applying/change-release.ts';
import type { SiteContext } from '../../site/site-folder.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import {
  askForDisc,
  closePiped,
  type InstallOptions,
  importedName,
  importOptions,
  pipedOf,
  requireBundle,
} from './import-options.ts';
import { remoteOf } from './remote.ts';
import { changeResult, openNewSite, withWithdrawn } from './site.ts';

export async function install(
  places: readonly string[],
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
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

function needsAnotherDisc(error: unknown): error is StowageError {
  return error instanceof StowageError && ['bundle-incomplete', 'medium-lost'].includes(error.code);
}

function resultOf(changed: Changed, { site, target, now }: SiteContext): Promise<CommandResult> {
  return withWithdrawn(site, changeResult(changed, target), now());
}
