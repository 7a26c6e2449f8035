import type { Readable, Writable } from 'node:stream';
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
