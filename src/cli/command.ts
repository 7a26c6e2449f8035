import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { Context } from '../core/context.ts';
import { type ExitStatus, StowageError } from '../core/error.ts';
import { oneLine } from '../core/text.ts';
import type { LedgerUser } from '../format/ledger.ts';
import type { Runtime } from '../site/doctor/runtime.ts';

/** An output stream that may be a terminal. */
export type Screen = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** An input stream that may be a terminal, whose echo can be turned off. */
export type Keyboard = Readable & {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
};

/**
 * Whether the locale of the user shows more than ASCII. The kernel console and locales other than UTF-8 do not.
 * Source: POSIX.1-2024, 8.2 Internationalization Variables, for their order.
 */
export function showsUnicode(env: Terminal['env']): boolean {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  return env['TERM'] !== 'linux' && /utf-?8/i.test(locale);
}

/** The width of a terminal; undefined for anything else, whose lines are not wrapped. */
export function columnsOf({ isTTY, columns }: Screen): number | undefined {
  return isTTY === true && columns !== undefined && columns > 0 ? columns : undefined;
}

/** Everything of the process that a command may use. Only `process.ts` creates one from `process`. */
export interface Terminal {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly stdin: Keyboard;
  /** The descriptor of stdin, if it is one of the process. */
  readonly stdinFd?: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  /** The user id of the process. */
  readonly uid: number;
  /** Whether the user is root. */
  readonly root: boolean;
  /** The folder of root's site. */
  readonly hostSite: string;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** The absolute path of the running program. */
  readonly program: string;
  readonly runtime: Runtime;
}

/** The context of a command, with its terminal. */
export interface CommandContext extends Context {
  readonly terminal: Terminal;
  /** Makes a path from the command line absolute. */
  path(text: string): string;
}

/** The result of a command: data for `--json`, text for people. */
export interface CommandResult {
  readonly json: unknown;
  readonly text: string;
  /** Print the result on stderr, because stdout carries a stream. */
  readonly onStderr?: boolean;
  /** Default 0. For a result that is not an error but reports a problem. */
  readonly exitStatus?: ExitStatus;
}

export function commandContext(terminal: Terminal, context: Context): CommandContext {
  return { ...context, terminal, path: (text) => resolve(terminal.cwd, text) };
}

/** The store of the connected side: `--store`, `STOWAGE_STORE`, or a folder in the user's cache. */
export function storeFolder(context: CommandContext, option: string | undefined): string {
  const { env, home } = context.terminal;
  const chosen = option ?? env['STOWAGE_STORE'];
  if (chosen !== undefined && chosen !== '') return context.path(chosen);
  return join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'stowage', 'store');
}

/** The folder of the site that a user chose: `--site`, `STOWAGE_SITE`, or their former names; undefined if none. */
export function chosenSite(
  { terminal: { env }, path }: CommandContext,
  option: string | undefined,
): string | undefined {
  const chosen = [option, env['STOWAGE_SITE'], env['STOWAGE_ROOT']].find((each) => each);
  return chosen === undefined ? undefined : path(chosen);
}

/** The site's folder: {@link chosenSite}, or the host's for root, or a folder in the user's data. */
export function siteRoot(context: CommandContext, option: string | undefined): string {
  const { env, home, root, hostSite } = context.terminal;
  const chosen = chosenSite(context, option);
  if (chosen !== undefined) return chosen;
  return root ? hostSite : join(env['XDG_DATA_HOME'] || join(home, '.local', 'share'), 'stowage');
}

/** The folder of a fleet: `--fleet`, `STOWAGE_FLEET`, or the current folder. */
export function fleetRoot(context: CommandContext, option: string | undefined): string {
  return context.path(option ?? (context.terminal.env['STOWAGE_FLEET'] || '.'));
}

/** Who runs the command, for ledgers. */
export function ledgerUser({ terminal: { env, uid } }: CommandContext): LedgerUser {
  const sudoUser = oneLine(env['SUDO_USER'] ?? '', 100);
  return { uid, ...(sudoUser === '' ? {} : { sudoUser }) };
}

/** A `usage-invalid` error. */
export function usage(
  message: string,
  expected: string,
  found: string,
  hint = 'run the command with --help to show its arguments and options',
): StowageError {
  return new StowageError('usage-invalid', message, {
    expected,
    found,
    hint,
  });
}
