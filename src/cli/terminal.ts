import type { Readable, Writable } from 'node:stream';
import type { Runtime } from '../site/doctor/runtime.ts';

/** An output stream that may be a terminal. */
export type Screen = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** An input stream that may be a terminal, whose echo can be turned off. */
export type Keyboard = Readable & {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
};

/** Everything of the process that a command may use. Only `process.ts` creates one from `process`. */
export interface Terminal {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly stdin: Keyboard;
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
