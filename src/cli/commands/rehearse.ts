import { mkdtemp, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findDiscs } from '../../bundle/discs.ts';
import { readIndexes } from '../../bundle/read-index.ts';
import { attachRehearsal } from '../../bundle/rehearsal/attach-rehearsal.ts';
import type { StowageEvent } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import { parseJson } from '../../core/json.ts';
import { printableLines } from '../../core/text.ts';
import { readCanonical, readValue, writeCanonical } from '../../format/document.ts';
import { type Rehearsal, rehearsalKind, rehearsalPaths } from '../../format/rehearsal.ts';
import { siteKind } from '../../format/site.ts';
import {
  exists,
  readBounded,
  readIfThere,
  readNamed,
  remove,
  statusOf,
  writeAtomic,
} from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { isRootless } from '../../io/user.ts';
import { rehearse } from '../../site/rehearsal/rehearse.ts';
import {
  type RehearsalValues,
  SITE_NAME,
  signedRehearsal,
} from '../../site/rehearsal/throwaway-site.ts';
import { SiteFolder } from '../../site/site-folder.ts';
import { runCommand, UNLIMITED_MS } from '../../target/host/command.ts';
import {
  ROOT_OF_UNPRIVILEGED,
  requireSealable,
  type SealedProcess,
  type SealedTarget,
  sealedProcess,
  sealedTargets,
  UNPRIVILEGED,
} from '../../target/sealed/sealed-process.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { rehearsalFailed, rehearsalLines } from './rehearsal-lines.ts';

export interface RehearseOptions {
  readonly target: string;
  readonly output?: string;
  readonly settings?: string;
  readonly work?: string;
  readonly watch: number;
  readonly store?: string;
}

export interface AttachRehearsalOptions {
  readonly replace?: boolean;
}

/** Attaches a rehearsal to a bundle, which gets another digest. */
export async function attachCommand(
  place: string,
  file: string,
  { replace = false }: AttachRehearsalOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const attached = await attachRehearsal(context.path(place), context.path(file), { replace });
  const { id, rehearsal, folders } = attached;
  const lines = [
    ...rehearsalLines(rehearsal),
    `  attached as ${rehearsalPaths.document}`,
    `  SHA-512 of SHA512SUMS: ${id}`,
    `  next: stowage sign ${place}`,
  ];
  return {
    json: { id, folders, file: rehearsalPaths.document, rehearsal },
    text: printableLines(`${lines.join('\n')}\n`),
  };
}

/** Set for the process inside the sealed network: the folder that it works in. */
const INSIDE = 'STOWAGE_REHEARSAL';
const ANSWER = 'answer.json';
const DOCUMENT = 'rehearsal.json';
const SIGNATURE = 'rehearsal.p7s';
const MAX_ANSWER_BYTES = 1_048_576;
/** The paths of podman's sockets must be short. */
const SPACE = '/tmp/stowage-';
const KEEPER_LOOK_MS = 100;
const KEEPER_TRIES = 300;

/** Installs a bundle in a sealed network and says what it tried to reach; exits with 1 if anything else than it may. */
export async function rehearseCommand(
  places: readonly string[],
  options: RehearseOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const inside = context.terminal.env[INSIDE];
  if (inside !== undefined) return rehearseInside(places, inside, options, context);
  const target = requireTarget(options.target);
  const { env } = context.terminal;
  await requireSealable(target, { env, unprivileged: isRootless() });
  const place = context.path(places[0] ?? 'stowage.yaml');
  const isManifest = places.length < 2 && (await statusOf(place))?.isFile() === true;
  const beside = isManifest ? dirname(place) : dirname(join(place, '.'));
  const work = await newFolder(context.path(options.work ?? beside), context);
  try {
    const folders = isManifest
      ? await packed(place, work, options, context)
      : await findDiscs(places.map((each) => context.path(each)));
    const { bundle } = await readIndexes(folders);
    const output = context.path(
      options.output ?? join(beside, `${bundle.name}-${bundle.version}.rehearsal.json`),
    );
    const rehearsal = await runSealed(folders, work, options, context);
    const signature = output.replace(/(?:\.json)?$/, '.p7s');
    await writeAtomic(signature, await readBounded(join(work, SIGNATURE), MAX_ANSWER_BYTES));
    await writeAtomic(output, writeCanonical(rehearsalKind, rehearsal));
    if (!rehearsal.passed) throw rehearsalFailed(rehearsal, output);
    return {
      json: { file: output, ...rehearsal },
      text: printableLines(`${rehearsalLines(rehearsal).join('\n')}\n  ${output}\n`),
    };
  } finally {
    await remove(work);
  }
}

/** @throws StowageError `rehearsal-unsupported` */
function requireTarget(target: string): SealedTarget {
  const found = sealedTargets.find((each) => each === target);
  if (found !== undefined) return found;
  throw new StowageError('rehearsal-unsupported', `releases are not rehearsed on ${target}`, {
    expected: sealedTargets.join(' or '),
    found: target,
    hint: 'rehearse on podman or docker: what a service tries to reach depends on its image and its settings, which are the same there',
  });
}

async function newFolder(place: string, { now }: CommandContext): Promise<string> {
  const folder = join(place, `.rehearsal-${now().getTime().toString(36)}`);
  await makeFolder(folder, 0o700);
  return folder;
}

async function packed(
  manifest: string,
  work: string,
  { store }: RehearseOptions,
  context: CommandContext,
): Promise<string[]> {
  const { pack } = await import('./pack.ts');
  const output = join(work, 'bundle');
  await pack(
    manifest,
    {
      ...(store === undefined ? {} : { store }),
      ...{ output, partSize: 'none', installer: false, insecureRegistry: [] },
      ...{ without: [], for: [], fingerprint: [], base: [], receiptAge: 0 },
    },
    context,
  );
  return [output];
}

/** Runs this program again in namespaces without a network, and returns what it found. */
async function runSealed(
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
  return readCanonical(
    rehearsalKind,
    await readBounded(join(work, DOCUMENT), rehearsalKind.maxBytes),
  );
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

async function rehearseInside(
  folders: readonly string[],
  work: string,
  { target, watch, settings }: RehearseOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { env } = context.terminal;
  const answer = (value: Answer): Promise<void> =>
    writeAtomic(join(work, ANSWER), Buffer.from(JSON.stringify(value)));
  try {
    const rehearsal = await rehearse(folders, {
      ...context,
      env: { ...env, [INSIDE]: undefined, [UNPRIVILEGED]: undefined },
      ...{ work, target: requireTarget(target) },
      unprivileged: env[UNPRIVILEGED] !== undefined,
      watchSeconds: watch,
      values: await readValues(settings),
    });
    const site = new SiteFolder(join(work, 'site'));
    const { bytes, signature } = await signedRehearsal(rehearsal, site, context.now());
    await writeAtomic(join(work, SIGNATURE), signature);
    await writeAtomic(join(work, DOCUMENT), bytes);
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

/** The parameters and secrets of a `site.yaml`; none without one. @throws StowageError `site-invalid`, `file-missing` */
async function readValues(file: string | undefined): Promise<RehearsalValues> {
  if (file === undefined) return { parameters: {}, secrets: {} };
  const bytes = await readNamed(file, siteKind.maxBytes);
  const { parseYaml } = await import('../../format/yaml-document.ts');
  const { value, ...reading } = parseYaml(siteKind, bytes, file);
  return readValue(siteKind, { name: SITE_NAME, ...(value as object) }, reading);
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
