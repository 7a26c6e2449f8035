import { mkdtemp, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StowageEvent } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import { parseJson } from '../../core/json.ts';
import { readCanonical } from '../../format/document.ts';
import { type Rehearsal, rehearsalKind } from '../../format/rehearsal.ts';
import { exists, readBounded, readIfThere, remove, writeAtomic } from '../../io/file.ts';
import { isRootless } from '../../io/user.ts';
import { rehearse } from '../../site/rehearsal/rehearse.ts';
import { SiteFolder } from '../../site/site-folder.ts';
import { runCommand, UNLIMITED_MS } from '../../target/host/command.ts';
import {
  ROOT_OF_UNPRIVILEGED,
  type SealedProcess,
  type SealedTarget,
  sealedProcess,
  UNPRIVILEGED,
} from '../../target/sealed/sealed-process.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import {
  keepSigned,
  type RehearseOptions,
  readSettings,
  rehearsalFiles,
} from './rehearsal-files.ts';

/** Set for the process inside the sealed network: the folder that it works in. */
export const INSIDE = 'STOWAGE_REHEARSAL';
const ANSWER = 'answer.json';
const MAX_ANSWER_BYTES = 1_048_576;
/** The paths of podman's sockets must be short. */
const SPACE = '/tmp/stowage-';
const KEEPER_LOOK_MS = 100;
const KEEPER_TRIES = 300;

/** Runs this program again in namespaces without a network, and returns what it found. */
export async function runSealed(
  folders: readonly string[],
  work: string,
  { target, watch, settings }: RehearseOptions,
  context: CommandContext,
): Promise<Rehearsal> {
  const { program, env } = context.terminal;
  const self = /\.[jt]s$/.test(program) ? [await readlink('/proc/self/exe'), program] : [program];
  const own = ['--target', target, '--watch', String(watch)];
  if (settings !== undefined) own.push('--settings', context.path(settings));
  const space = isRootless() ? await mkdtemp(SPACE) : undefined;
  const inside = space === undefined ? work : ROOT_OF_UNPRIVILEGED;
  const sealed = sealedProcess([...self, 'rehearse', '--json', ...own, ...folders], {
    ...{ work, space },
    env: { ...env, [INSIDE]: inside },
  });
  const said = await runToTheEnd(sealed, work, context).finally(() =>
    space === undefined ? undefined : remove(space),
  );
  const answer = await readIfThere(join(work, ANSWER), MAX_ANSWER_BYTES);
  if (answer === undefined) throw noAnswer(said);
  const { code, message, ...details } = parseJson(answer) as unknown as Answer;
  if (code !== undefined) throw new StowageError(code, message ?? '', { hint: '', ...details });
  const document = join(work, rehearsalFiles.document);
  return readCanonical(rehearsalKind, await readBounded(document, rehearsalKind.maxBytes));
}

/** Also after an interrupt, what keeps the folder has ended when this returns. @returns what was written to stderr */
async function runToTheEnd(
  { program, args, env }: SealedProcess,
  work: string,
  { signal, emit }: CommandContext,
): Promise<string> {
  try {
    const options = { env, signal, timeoutMs: UNLIMITED_MS, holdInput: true };
    const onOutput = eventLines(emit);
    return (await runCommand(program, args, { ...options, onOutput })).stderr;
  } finally {
    for (let tries = 0; tries < KEEPER_TRIES && (await exists(join(work, 'kept'))); tries++)
      await sleep(KEEPER_LOOK_MS);
  }
}

/** The error of the process inside; without a code it succeeded. */
type Answer = Partial<Pick<StowageError, 'code' | 'message' | 'hint' | 'defects'>> & {
  readonly expected?: string;
  readonly found?: string;
};

/** What the process in the sealed network does. */
export async function rehearseInside(
  folders: readonly string[],
  work: string,
  { watch, settings }: RehearseOptions,
  context: CommandContext & { readonly target: SealedTarget },
): Promise<CommandResult> {
  const { env } = context.terminal;
  const answer = (value: Answer): Promise<void> =>
    writeAtomic(join(work, ANSWER), Buffer.from(JSON.stringify(value)));
  try {
    const rehearsal = await rehearse(folders, {
      ...context,
      env: { ...env, [INSIDE]: undefined, [UNPRIVILEGED]: undefined },
      ...{ work },
      unprivileged: env[UNPRIVILEGED] !== undefined,
      watchSeconds: watch,
      values: (await readSettings(settings)) ?? { parameters: {}, secrets: {} },
    });
    await keepSigned(rehearsal, new SiteFolder(join(work, 'site')), work, context.now());
    await answer({});
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    const { code, message, hint, defects, expected, found } = error;
    await answer({
      ...{ code, message, hint, defects },
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
    });
  }
  return { json: {}, text: '' };
}

/** Passes on the events that the process inside prints, one in each line. */
function eventLines(emit: CommandContext['emit']): (bytes: Uint8Array) => void {
  let rest = '';
  return (bytes) => {
    const lines = (rest + Buffer.from(bytes).toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('{"type":')) continue;
      emit(parseJson(Buffer.from(line)) as unknown as StowageEvent);
    }
  };
}

function noAnswer(stderr: string): StowageError {
  const last = stderr.trim().split('\n').slice(-4).join('\n');
  return new StowageError('host-unfit', 'the sealed network of the rehearsal could not be made', {
    expected: 'namespaces for network, mounts and processes',
    found: last === '' ? 'no answer' : last,
    hint: 'run the command on a host that allows namespaces: a container seldom does, and some hosts only for root',
  });
}
