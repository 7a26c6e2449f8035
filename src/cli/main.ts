#!/usr/bin/env node
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type CommandResult, commandContext } from './command.ts';
import { nodeDefect } from './node-version.ts';
import { commanderStatus, createProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

const defect = nodeDefect(process.versions.node);
if (defect !== undefined) {
  process.stderr.write(defect);
  process.exit(12);
}

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupt.abort());
// A reader that closed its end (`stowage inspect | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const terminal: Terminal = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  env: process.env,
  cwd: process.cwd(),
  home: homedir(),
  root: process.getuid?.() === 0,
  signal: interrupt.signal,
  now: () => new Date(),
  program: fileURLToPath(import.meta.url),
  runtime: {
    node: process.versions.node,
    openssl: process.versions.openssl ?? '',
    sharedOpenssl: process.config.variables.node_shared_openssl === true,
    flags: process.execArgv,
    libraries: loadedLibraries,
  },
};

function loadedLibraries(): readonly string[] {
  // The report would ask name servers for the names of addresses.
  Object.assign(process.report, { excludeNetwork: true });
  const { sharedObjects } = process.report.getReport() as { sharedObjects?: string[] };
  return sharedObjects ?? [];
}

const json = process.argv.includes('--json');

const program = createProgram(terminal, async (action) => {
  const { createProgress, errorJson, errorText, toStowageError } = await import('./render.ts');
  const progress = createProgress(terminal, json);
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
    terminal.stderr.write(errorText(failure));
    process.exitCode = failure.exitStatus;
    return;
  }
  progress.stop('done');
  if (result.exitStatus !== undefined) process.exitCode = result.exitStatus;
  terminal.stdout.write(json ? `${JSON.stringify(result.json, null, 2)}\n` : result.text);
});

try {
  await program.parseAsync(process.argv);
} catch (error) {
  const status = commanderStatus(error);
  if (status === undefined) throw error;
  process.exitCode = status;
}
