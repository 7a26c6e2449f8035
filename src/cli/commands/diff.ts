import { stat } from 'node:fs/promises';
import { findDiscs } from '../../bundle/discs.ts';
import { viewBundle } from '../../bundle/inspect/bundle-view.ts';
import {
  type Comparable,
  comparableBundle,
  comparableLock,
} from '../../bundle/inspect/comparable.ts';
import { diffSides } from '../../bundle/inspect/diff.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_LOCK_BYTES } from '../../core/limits.ts';
import { readJson } from '../../format/document.ts';
import { lockKind } from '../../format/lock.ts';
import type { Trust } from '../../format/trust.ts';
import { ioError, readNamed } from '../../io/file.ts';
import { type CommandContext, type CommandResult, showsUnicode, usage } from '../command.ts';
import { diffText } from './diff-text.ts';
import { readTrustFile } from './trust-option.ts';

export interface DiffOptions {
  readonly trust?: string;
  readonly all?: boolean;
  readonly exitCode?: boolean;
}

/** Compares two bundles, or two locks, without reading parts. */
export async function diff(
  from: string,
  to: string,
  options: DiffOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const trust =
    options.trust === undefined ? undefined : (await readTrustFile(options.trust, context)).trust;
  const before = await sideAt(from, trust, context);
  const after = await sideAt(to, trust, context);
  if (before.kind !== after.kind)
    throw usage(
      'a bundle cannot be compared with a lock',
      'two bundles or two locks',
      `a ${before.kind} and a ${after.kind}`,
    );
  const difference = diffSides(before, after);
  return {
    json: difference,
    text: diffText(difference, {
      all: options.all === true,
      unicode: showsUnicode(context.terminal.env),
    }),
    ...(options.exitCode === true && !difference.same ? { exitStatus: 1 } : {}),
  };
}

async function sideAt(
  place: string,
  trust: Trust | undefined,
  context: CommandContext,
): Promise<Comparable> {
  const path = context.path(place);
  try {
    if (await isFile(path))
      return comparableLock(readJson(lockKind, await readNamed(path, MAX_LOCK_BYTES)));
    const folders = await findDiscs([path]);
    return comparableBundle(await viewBundle(folders, { ...context, ...(trust && { trust }) }));
  } catch (error) {
    throw ofSide(error, place, path);
  }
}

/** The error with the name of the bundle or lock that caused it. */
function ofSide(error: unknown, place: string, path: string): unknown {
  if (!(error instanceof StowageError) || error.message.includes(path)) return error;
  const { code, message, expected, found, hint, defects } = error;
  return new StowageError(code, `${place}: ${message}`, {
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    hint,
    defects,
    cause: error,
  });
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    throw ioError(error, path);
  }
}
