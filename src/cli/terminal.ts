import type { Readable, Writable } from 'node:stream';
import type { Runtime } from '../site/doctor/runtime.ts';

/** A stream that may be a person's screen. */
export type Screen = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** A stream that may be a person's keyboard, which can be asked not to echo. */
export type Keyboard = Readable & {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
};

/** Everything of the process that a command may see; `process.ts` alone makes one from `process`. */
export interface Terminal {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly stdin: Keyboard;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  /** Whether the user is root. */
  readonly root: boolean;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** The file that was started, absolute. */
  readonly program: string;
  readonly runtime: Runtime;
}
