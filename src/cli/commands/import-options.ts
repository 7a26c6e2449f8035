import { anchorTrust } from '../../bundle/admission/trust-files.ts';
import { findDiscs } from '../../bundle/discs.ts';
import { readId } from '../../bundle/read-index.ts';
import type { StowageError } from '../../core/error.ts';
import { printableLines } from '../../core/text.ts';
import { readDescriptor } from '../../io/byte-source.ts';
import { exists } from '../../io/file.ts';
import { isRemoteAddress } from '../../remote/address.ts';
import type { ImportOptions } from '../../site/importing/import.ts';
import type { SiteContext } from '../../site/site-folder.ts';
import { type CommandContext, usage } from '../command.ts';
import { ask } from './ask.ts';
import { confirmFingerprint } from './confirm.ts';
import type { AccessOptions } from './registry-access.ts';
import { readTrustFile } from './trust-option.ts';

export interface InstallOptions extends AccessOptions {
  readonly trust?: string;
  readonly fingerprint?: string;
  readonly acceptAge?: string;
  readonly rehash?: boolean;
  readonly dryRun?: boolean;
  /** Optional parts, for `import`. */
  readonly only?: readonly string[];
  readonly root?: string;
}

/**
 * Checks that there is a bundle, before anybody is asked for a fingerprint. Nothing is verified here.
 * @throws StowageError `bundle-absent`
 */
export async function requireBundle(
  places: readonly string[],
  context: CommandContext,
): Promise<void> {
  if (places.includes('-') || places.some(isRemoteAddress)) return;
  for (const folder of await findDiscs(places.map((place) => context.path(place))))
    await readId(folder);
}

/** What an import needs, with the trust document of the site or the one that the user gave and confirmed. @throws as `anchorTrust` */
export async function importOptions(
  opened: SiteContext,
  { trust: file, fingerprint, acceptAge, only = [] }: InstallOptions,
  context: CommandContext,
): Promise<ImportOptions> {
  const given = file === undefined ? undefined : await readTrustFile(file, context);
  const trust = await anchorTrust(await opened.site.trust(), given, (each) =>
    confirmFingerprint(each, fingerprint, context),
  );
  return {
    ...{ ...opened, trust },
    ...(acceptAge === undefined ? {} : { acceptAge }),
    ...(only.length === 0 ? {} : { only: only.includes('all') ? 'all' : only }),
  };
}

/** Bytes that were piped to the program. */
export interface Piped extends AsyncIterable<Uint8Array> {
  destroy(): unknown;
}

/** stdin if `-` is given instead of folders: a stream that `stowage stream` writes. @throws StowageError `usage-invalid` */
export function pipedOf(places: readonly string[], context: CommandContext): Piped | undefined {
  if (!places.includes('-')) return undefined;
  if (places.length > 1)
    throw usage('- cannot be combined with folders', '- alone', places.join(' '));
  const { stdinFd } = context.terminal;
  const pipe = stdinFd === undefined ? undefined : readDescriptor(stdinFd);
  if (pipe !== undefined) return pipe;
  const { stdin } = context.terminal;
  if (stdin.isTTY === true)
    throw usage(
      'stdin is a terminal',
      'a pipe from stowage stream',
      'a terminal',
      'pipe a stream into the command or redirect its input, such as < /dev/nst0; for media, give their folders in place of -',
    );
  return stdin;
}

/** Closes a pipe, so that its writer does not block. */
export function closePiped(given: object): void {
  if ('destroy' in given && typeof given.destroy === 'function') given.destroy();
}

/**
 * Asks for the next disc: Enter for the same folder as the last disc, or another path.
 * @param error states what is missing
 * @returns the folders to read next; undefined without a terminal
 */
export async function askForDisc(
  error: StowageError,
  folders: readonly string[],
  context: CommandContext,
): Promise<string[] | undefined> {
  const { stdin, stderr } = context.terminal;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return undefined;
  // Ends the progress display.
  context.emit({ type: 'waiting', reason: 'a disc' });
  stderr.write(printableLines(`\n${error.message}\n  missing: ${error.expected ?? ''}\n`));
  const last = folders.at(-1) ?? '';
  const answer = await ask(
    `Insert the next disc and press Enter to read ${printableLines(last)}, or type another folder: `,
    context,
  );
  const typed = answer?.trim() ?? '';
  return [typed === '' ? last : context.path(typed)];
}

/** `NAME` or `NAME@VERSION`: an imported release, unless a folder has that name. */
const IMPORTED = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:@[0-9A-Za-z.-]+)?$/;

/** The imported release that these arguments of `install` name; undefined if they are places of a bundle. */
export async function importedName(
  places: readonly string[],
  context: CommandContext,
): Promise<string | undefined> {
  const [name = ''] = places;
  const isName = places.length === 1 && IMPORTED.test(name);
  return isName && !(await exists(context.path(name))) ? name : undefined;
}
