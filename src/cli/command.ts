import { join, resolve } from 'node:path';
import { StowageError } from '../core/error.ts';
import type { ExitStatus } from '../core/error-table.ts';
import type { Context } from '../core/event.ts';
import type { Terminal } from './terminal.ts';

/** What a command is given: its context, and where it runs. */
export interface CommandContext extends Context {
  readonly terminal: Terminal;
  /** A path that a person typed, absolute. */
  path(text: string): string;
}

/** What a command has to show: data for `--json`, text for people. */
export interface CommandResult {
  readonly json: unknown;
  readonly text: string;
  /** Where stdout carried something else. */
  readonly onStderr?: boolean;
  /** 0 unless said otherwise: for a result that is no error and yet bad news. */
  readonly exitStatus?: ExitStatus;
}

export function commandContext(terminal: Terminal, context: Context): CommandContext {
  return { ...context, terminal, path: (text) => resolve(terminal.cwd, text) };
}

/** The connected side's store: `--store`, `STOWAGE_STORE`, or a cache of the user's. */
export function storeFolder(context: CommandContext, option: string | undefined): string {
  const { env, home } = context.terminal;
  const chosen = option ?? env['STOWAGE_STORE'];
  if (chosen !== undefined && chosen !== '') return context.path(chosen);
  return join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'stowage', 'store');
}

/** The site's root: `--root`, `STOWAGE_ROOT`, `/var/lib/stowage` for root, a data folder for others. */
export function siteRoot(context: CommandContext, option: string | undefined): string {
  const { env, home, root } = context.terminal;
  const chosen = option ?? env['STOWAGE_ROOT'];
  if (chosen !== undefined && chosen !== '') return context.path(chosen);
  return root
    ? '/var/lib/stowage'
    : join(env['XDG_DATA_HOME'] || join(home, '.local', 'share'), 'stowage');
}

/** A `usage-invalid` error. */
export function usage(message: string, expected: string, found: string): StowageError {
  return new StowageError('usage-invalid', message, {
    expected,
    found,
    hint: 'stowage help names the commands; stowage help COMMAND its options',
  });
}
