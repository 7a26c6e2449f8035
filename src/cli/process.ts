import { homedir } from 'node:os';
import { type CommandResult, commandContext, usage } from './command.ts';
import { nodeDefect } from './node-version.ts';
import type { Action } from './options.ts';
import { type CommandGroup, commanderStatus, createProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

/** What an entry knows of itself. */
export interface Entry {
  /** The file that was started, absolute. */
  readonly program: string;
  /** The commands that it offers. */
  readonly groups: readonly CommandGroup[];
  /** Flags of Node's own that it was built with. */
  readonly ownFlags?: readonly string[];
}

/** Runs the program that the process was started for, to its exit status. */
export async function runProcess(entry: Entry): Promise<void> {
  const defect = nodeDefect(process.versions.node);
  if (defect !== undefined) {
    process.stderr.write(defect);
    process.exit(12);
  }
  // A reader that closed its end (`stowage inspect | head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A command that listens itself says what that means.
    if (process.stdout.listenerCount('error') > 1) return;
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const terminal = terminalOf(entry);
  const program = createProgram(terminal, (action) => runAction(action, terminal), entry.groups);
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    const status = commanderStatus(error);
    if (status === undefined) throw error;
    if (status === 2 && process.argv.includes('--json')) await printUsageError(error);
    process.exitCode = status;
  }
}

/** What the parser said to a person already, for a program. */
async function printUsageError(error: unknown): Promise<void> {
  const { errorJson } = await import('./render.ts');
  const said = error instanceof Error ? error.message : String(error);
  const [first = ''] = said.replace(/^error: /, '').split('\n');
  const failure = usage(first, 'a command and options that there are', 'others');
  process.stdout.write(`${JSON.stringify(errorJson(failure), null, 2)}\n`);
}

function terminalOf({ program, ownFlags = [] }: Entry): Terminal {
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupt.abort());
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    // Made when it is asked for: most commands never read.
    get stdin() {
      return process.stdin;
    },
    env: process.env,
    cwd: process.cwd(),
    home: homedir(),
    root: process.getuid?.() === 0,
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

function loadedLibraries(): readonly string[] {
  // The report would ask name servers for the names of addresses.
  Object.assign(process.report, { excludeNetwork: true });
  const { sharedObjects } = process.report.getReport() as { sharedObjects?: string[] };
  return sharedObjects ?? [];
}

async function runAction(action: Action, terminal: Terminal): Promise<void> {
  const json = process.argv.includes('--json');
  const { createProgress, errorJson, errorLines, toStowageError } = await import('./render.ts');
  const progress = await createProgress(terminal, json);
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
    if (json) terminal.stdout.write(`${JSON.stringify(errorJson(failure), null, 2)}\n`);
    terminal.stderr.write(errorLines(failure, terminal, json));
    process.exitCode = failure.exitStatus;
    return;
  }
  progress.stop('done');
  if (result.exitStatus !== undefined) process.exitCode = result.exitStatus;
  const out = result.onStderr === true ? terminal.stderr : terminal.stdout;
  out.write(json ? resultJson(result, terminal) : result.text);
}

/** A result for a program; where stdout carried something else, a line among those of stderr. */
function resultJson({ json, onStderr }: CommandResult, { stderr, now }: Terminal): string {
  if (onStderr !== true || stderr.isTTY === true) return `${JSON.stringify(json, null, 2)}\n`;
  return `${JSON.stringify({ time: now().toISOString(), type: 'result', result: json })}\n`;
}
