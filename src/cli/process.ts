import { messageOf } from '../core/error.ts';
import { homeFolder } from '../io/user.ts';
import { type CommandResult, commandContext, type Terminal, usage } from './command.ts';
import { type Action, commandFirst, type Verbosity } from './options.ts';
import { type CommandGroup, commanderStatus, createProgram } from './program.ts';
import type { Progress } from './progress-words.ts';

/** The oldest supported Node: Stowage needs ML-DSA, and ssri has its own minimum. */
const OLDEST = [24, 15] as const;

/** The error text for a Node version such as `20.20.2`; undefined if the version is supported. */
export function nodeDefect(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined;
  return `stowage: error: this version of Node is too old [host-unfit]
  expected: Node ${OLDEST.join('.')} or later
  found:    ${version}
  hint: install a newer Node; in a checkout, run scripts/stowage, which uses the Node of the project
`;
}

/** An entry point of the program. */
export interface Entry {
  /** The absolute path of the running program. */
  readonly program: string;
  /** Its commands. */
  readonly groups: readonly CommandGroup[];
  /** Node flags built into it. */
  readonly ownFlags?: readonly string[];
}

/** Runs the program and sets the exit status of the process. */
export async function runProcess(entry: Entry): Promise<void> {
  const defect = nodeDefect(process.versions.node);
  if (defect !== undefined) {
    process.stderr.write(defect);
    process.exit(12);
  }
  // A closed pipe (`stowage inspect | head`) is not a failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The command handles it.
    if (process.stdout.listenerCount('error') > 1) return;
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const terminal = terminalOf(entry);
  const program = createProgram(
    terminal,
    (action, verbosity) => runAction(action, terminal, verbosity),
    entry.groups,
  );
  try {
    await program.parseAsync(commandFirst(process.argv));
  } catch (error) {
    const status = commanderStatus(error);
    if (status === undefined) throw error;
    if (status === 2 && process.argv.includes('--json')) await printUsageError(error);
    process.exitCode = status;
  }
}

/** Prints a usage error as JSON; the parser has already printed it as text. */
async function printUsageError(error: unknown): Promise<void> {
  const { errorResult } = await import('./render.ts');
  const message = messageOf(error);
  const [first = ''] = message.replace(/^error: /, '').split('\n');
  const failure = usage(first, 'a known command and valid options', 'something else');
  process.stdout.write(errorResult(failure));
}

function terminalOf({ program, ownFlags = [] }: Entry): Terminal {
  const interrupt = new AbortController();
  onSignal(() => interrupt.abort());
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    stdinFd: 0,
    // Opened on first use: most commands do not read it.
    get stdin() {
      return process.stdin;
    },
    env: process.env,
    cwd: process.cwd(),
    home: homeFolder(process.env),
    uid: process.geteuid?.() ?? 0,
    root: process.getuid?.() === 0,
    hostSite: '/var/lib/stowage',
    signal: interrupt.signal,
    now: () => new Date(),
    program,
    runtime: {
      node: process.versions.node,
      openssl: process.versions.openssl ?? '',
      sharedOpenssl: process.config.variables.node_shared_openssl === true,
      flags: process.execArgv.filter((each) => !ownFlags.includes(each)),
      libraries: loadedLibraries,
    },
  };
}

function onSignal(listener: () => void): void {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, listener);
}

/**
 * Ends the process at the third signal, as docker does: a device that sends nothing cannot be interrupted otherwise. It is
 * killed, because Node would wait for the thread that reads.
 */
function endAtThirdSignal({ emit, stop }: Progress): void {
  let signals = 0;
  onSignal(() => {
    signals += 1;
    if (signals === 2)
      emit({
        type: 'warning',
        message: 'the command is still finishing or undoing what it began',
        hint: 'a third interrupt kills it; the next command then finishes or undoes its changes',
      });
    if (signals < 3) return;
    try {
      stop('failed');
    } finally {
      process.kill(process.pid, 'SIGKILL');
    }
  });
}

function loadedLibraries(): readonly string[] {
  // The report would otherwise resolve addresses through DNS.
  Object.assign(process.report, { excludeNetwork: true });
  const { sharedObjects } = process.report.getReport() as { sharedObjects?: string[] };
  return sharedObjects ?? [];
}

async function runAction(
  action: Action,
  terminal: Terminal,
  verbosity: Verbosity = {},
): Promise<void> {
  const json = process.argv.includes('--json');
  const { createProgress, errorLines, errorResult, resultText, toStowageError } = await import(
    './render.ts'
  );
  const progress = await createProgress(terminal, json, verbosity);
  endAtThirdSignal(progress);
  const context = commandContext(terminal, {
    signal: terminal.signal,
    emit: progress.emit,
    now: terminal.now,
  });
  let result: CommandResult;
  try {
    result = await action(context);
  } catch (error) {
    progress.stop('failed');
    const failure = toStowageError(error);
    if (json) terminal.stdout.write(errorResult(failure));
    terminal.stderr.write(errorLines(failure, terminal, json, verbosity));
    process.exitCode = failure.exitStatus;
    return;
  }
  progress.stop('done');
  if (result.exitStatus !== undefined) process.exitCode = result.exitStatus;
  const out = result.onStderr === true ? terminal.stderr : terminal.stdout;
  out.write(resultText(result, terminal, json));
}
