import { dirname, join } from 'node:path';
import { findDiscs } from '../../bundle/discs.ts';
import { readIndexes } from '../../bundle/read-index.ts';
import { attachRehearsal } from '../../bundle/rehearsal/attach-rehearsal.ts';
import { signatureOf } from '../../bundle/signed-document.ts';
import { StowageError } from '../../core/error.ts';
import { printableLines } from '../../core/text.ts';
import { writeCanonical } from '../../format/document.ts';
import { rehearsalKind, rehearsalPaths } from '../../format/rehearsal.ts';
import { readBounded, remove, statusOf, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { isRootless } from '../../io/user.ts';
import {
  requireSealable,
  type SealedTarget,
  sealedTargets,
} from '../../target/sealed/sealed-process.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { type RehearseOptions, rehearsalFiles } from './rehearsal-files.ts';
import { rehearsalFailed, rehearsalLines } from './rehearsal-lines.ts';
import { INSIDE, rehearseInside, runSealed } from './rehearse-sealed.ts';

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

const MAX_SIGNATURE_BYTES = 1_048_576;
const CLUSTER = 'kubernetes';
const FOLDER = '.rehearsal-';

/** Installs a bundle where nothing leaves and says what it tried to reach; exits with 1 if anything else than it may. */
export async function rehearseCommand(
  places: readonly string[],
  options: RehearseOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { env } = context.terminal;
  const inside = env[INSIDE];
  const target = requireTarget(options.target);
  if (inside !== undefined && target !== CLUSTER)
    return rehearseInside(places, inside, options, { ...context, target });
  if (target !== CLUSTER) await requireSealable(target, { env, unprivileged: isRootless() });
  const place = context.path(places[0] ?? 'stowage.yaml');
  const isManifest = places.length < 2 && (await statusOf(place))?.isFile() === true;
  const beside = isManifest ? dirname(place) : dirname(join(place, '.'));
  const around = context.path(options.work ?? beside);
  const onCluster = target === CLUSTER ? await import('./rehearse-cluster.ts') : undefined;
  await onCluster?.removeKilledFolders(around, (name) => name.startsWith(FOLDER));
  const work = await newFolder(around, context);
  try {
    const folders = isManifest
      ? await packed(place, work, options, context)
      : await findDiscs(places.map((each) => context.path(each)));
    const { bundle } = await readIndexes(folders);
    const output = context.path(
      options.output ?? join(beside, `${bundle.name}-${bundle.version}.rehearsal.json`),
    );
    const run = onCluster?.runOnCluster ?? runSealed;
    const rehearsal = await run(folders, work, options, context);
    const signature = signatureOf(output);
    const signed = join(work, rehearsalFiles.signature);
    await writeAtomic(signature, await readBounded(signed, MAX_SIGNATURE_BYTES));
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
function requireTarget(target: string): SealedTarget | typeof CLUSTER {
  const found = [...sealedTargets, CLUSTER].find((each) => each === target);
  if (found !== undefined) return found as SealedTarget | typeof CLUSTER;
  throw new StowageError('rehearsal-unsupported', `releases are not rehearsed on ${target}`, {
    expected: `${sealedTargets.join(', ')} or ${CLUSTER}`,
    found: target,
    hint: 'rehearse on podman or docker: what a service tries to reach depends on its image and its settings, which are the same there',
  });
}

async function newFolder(place: string, { now }: CommandContext): Promise<string> {
  const folder = join(place, `${FOLDER}${now().getTime().toString(36)}`);
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
