import { beginStream } from '../../bundle/stream/notice-stream.ts';
import { StowageError } from '../../core/error.ts';
import type { Changed } from '../../site/applying/change.ts';
import { install as installBundle, installImported } from '../../site/applying/change-release.ts';
import type { SiteContext } from '../../site/site-folder.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { importNoticeCommand, noticeAmong } from './import-notice.ts';
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

/** Installs a bundle or an imported release. A notice is imported, as by `import`: it changes no service. */
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
  const notice = await noticeAmong(places, context);
  if (notice !== undefined) return importNoticeCommand(notice, opened, options, context);
  const piped = pipedOf(places, context);
  if (piped !== undefined) {
    try {
      const { isNotice, chunks } = await beginStream(piped);
      if (isNotice) return await importNoticeCommand(chunks, opened, options, context);
      const installing = await importOptions(opened, options, context);
      return await resultOf(await installBundle(chunks, installing), opened);
    } finally {
      closePiped(piped);
    }
  }
  const installing = await importOptions(opened, options, context);
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
