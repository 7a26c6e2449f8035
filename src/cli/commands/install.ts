import { anchorTrust } from '../../bundle/admission/trust-anchor.ts';
import { StowageError } from '../../core/error.ts';
import { exists } from '../../io/file.ts';
import type { Changed } from '../../site/applying/change.ts';
import { install as installBundle, installImported } from '../../site/applying/install.ts';
import type { ImportOptions } from '../../site/importing/import.ts';
import type { SiteContext } from '../../site/site-context.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { confirmFingerprint } from './confirm.ts';
import { askForDisc } from './disc-prompt.ts';
import { closePiped, pipedOf } from './piped.ts';
import { changeResult, openNewSite, withRecalls } from './site.ts';
import { readTrustFile } from './trust-option.ts';

export interface InstallOptions {
  readonly trust?: string;
  readonly fingerprint?: string;
  readonly acceptAge?: string;
  readonly rehash?: boolean;
  readonly root?: string;
}

/** `NAME` or `NAME@VERSION`: an imported release, unless a folder has that name. */
const IMPORTED = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:@[0-9A-Za-z.-]+)?$/;

export async function install(
  places: readonly string[],
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const site = await openNewSite(options.root, context);
  const opened = { ...site, rehash: options.rehash ?? false };
  const [name = ''] = places;
  if (places.length === 1 && IMPORTED.test(name) && !(await exists(context.path(name))))
    return await resultOf(await installImported(name, opened), opened);
  const given =
    options.trust === undefined ? undefined : await readTrustFile(options.trust, context);
  const trust = await anchorTrust(await opened.site.trust(), given, (each) =>
    confirmFingerprint(each, options.fingerprint, context),
  );
  const { acceptAge } = options;
  const installing: ImportOptions = {
    ...opened,
    trust,
    ...(acceptAge === undefined ? {} : { acceptAge }),
  };
  const piped = pipedOf(places, context);
  if (piped !== undefined) {
    try {
      return await resultOf(await installBundle(piped, installing), opened);
    } finally {
      closePiped(piped);
    }
  }
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

function resultOf(changed: Changed, { site, target }: SiteContext): Promise<CommandResult> {
  return withRecalls(site, changeResult(changed, target));
}
