import { PassThrough, Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import {
  type CommandContext,
  type CommandResult,
  commandContext,
  type Terminal,
} from '../../src/cli/command.ts';
import { everyGroup } from '../../src/cli/every-group.ts';
import type { Verbosity } from '../../src/cli/options.ts';
import { commanderStatus, createProgram } from '../../src/cli/program.ts';
import { createProgress, errorLines, resultText, toStowageError } from '../../src/cli/render.ts';
import type { StowageError } from '../../src/core/error.ts';
import { packedAt } from './context.ts';
import { expectFilled } from './error.ts';

/** What a terminal of a test showed. */
export interface Shown {
  readonly terminal: Terminal;
  stdout(): string;
  stderr(): string;
}

/** A terminal that nobody sits at, unless a test says otherwise. */
export function fakeTerminal(cwd: string, values: object = {}): Shown {
  const texts = { stdout: '', stderr: '' };
  const screen = (name: keyof typeof texts): Writable =>
    new Writable({
      write(chunk: Buffer, _, done) {
        texts[name] += chunk.toString();
        done();
      },
    });
  const terminal = {
    stdout: screen('stdout'),
    stderr: screen('stderr'),
    stdin: Readable.from([]),
    env: {},
    cwd,
    home: cwd,
    uid: 1000,
    root: false,
    hostSite: '/var/lib/stowage',
    signal: new AbortController().signal,
    now: () => packedAt,
    program: fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
    runtime: {
      node: '24.0.0',
      openssl: '3.5.0',
      sharedOpenssl: false,
      flags: [],
      libraries: () => [],
    },
    ...values,
  } as unknown as Terminal;
  return { terminal, stdout: () => texts.stdout, stderr: () => texts.stderr };
}

/** A screen of a person, which keeps what moved on it. */
export function personScreen(): PassThrough & { isTTY: boolean; columns: number } {
  const methods = {
    isTTY: true,
    columns: 200,
    clearLine: () => true,
    cursorTo: () => true,
    moveCursor: () => true,
  };
  return Object.assign(new PassThrough(), methods);
}

export interface Ran {
  /** 0, or what the program would exit with. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly result?: CommandResult;
  readonly error?: StowageError;
}

/** Runs the program in this process, as `process.ts` does. */
export async function runProgram(
  args: readonly string[],
  cwd: string,
  values: object = {},
): Promise<Ran> {
  const { terminal, stdout, stderr } = fakeTerminal(cwd, values);
  const json = args.includes('--json');
  let status = 0;
  let outcome: { result?: CommandResult; error?: StowageError } = {};
  const run = async (
    action: (context: CommandContext) => Promise<CommandResult>,
    verbosity: Verbosity = {},
  ): Promise<void> => {
    const { signal, now } = terminal;
    const progress = await createProgress(terminal, json, verbosity);
    const context = commandContext(terminal, { signal, emit: progress.emit, now });
    try {
      const result = await action(context);
      outcome = { result };
      const out = result.onStderr === true ? terminal.stderr : terminal.stdout;
      out.write(resultText(result, terminal, json));
      status = result.exitStatus ?? 0;
    } catch (failure) {
      const error = toStowageError(failure);
      expectFilled(error);
      outcome = { error };
      terminal.stderr.write(errorLines(error, terminal, json, verbosity));
      status = error.exitStatus;
    }
    progress.stop(status === 0 ? 'done' : 'failed');
  };
  try {
    await createProgram(terminal, run, everyGroup).parseAsync(['node', 'stowage', ...args]);
  } catch (error) {
    const ended = commanderStatus(error);
    if (ended === undefined) throw error;
    status = ended;
  }
  return { status, stdout: stdout(), stderr: stderr(), ...outcome };
}
