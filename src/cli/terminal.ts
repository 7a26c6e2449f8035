import type { Readable, Writable } from 'node:stream';

/** A stream that may be a person's screen. */
export type Screen = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Everything of the process that a command may see; `main.ts` alone makes one from `process`. */
export interface Terminal {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  /** Whether the user is root. */
  readonly root: boolean;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
}
