import { dirname, join } from 'node:path';
import { requireAbsent } from '../../build/assemble.ts';
import { StowageError } from '../../core/error.ts';
import { counted, formatBytes } from '../../core/text.ts';
import { allParts } from '../../format/bundle.ts';
import { readCanonical } from '../../format/document.ts';
import { type RepairList, repairListKind } from '../../format/repair-list.ts';
import { writeDisc } from '../../io/discs/write-discs.ts';
import { readNamed } from '../../io/file.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { type OpenBundle, openBundle } from './open-bundle.ts';

/** Reads a list that `stowage repair-list` wrote at a site. @throws StowageError `document-invalid` */
export async function readRepairList(file: string, context: CommandContext): Promise<RepairList> {
  return readCanonical(
    repairListKind,
    await readNamed(context.path(file), repairListKind.maxBytes),
  );
}

/** `pack --only LIST --from BUNDLE`: copies the listed parts from a bundle, with its signatures. */
export async function packFrom(
  list: RepairList,
  from: string,
  output: string | undefined,
  context: CommandContext,
): Promise<CommandResult> {
  const place = context.path(from);
  const name = `${list.name}-${list.version}-repair`;
  const folder = output === undefined ? join(dirname(place), name) : context.path(output);
  await requireAbsent(folder);
  return pick(list, { open: await openBundle(place), folder, move: false }, context);
}

/** From which bundle parts are picked, and how. */
export interface PickOptions {
  readonly open: OpenBundle;
  /** The folder that is written. */
  readonly folder: string;
  /** Whether to move the parts instead of copying them. */
  readonly move: boolean;
}

/**
 * Writes a bundle's control files and the listed parts.
 * @throws StowageError `document-invalid` if the list belongs to another bundle
 */
export async function pick(
  list: RepairList,
  { open, folder, move }: PickOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (open.id !== list.bundle) throw ofAnother(list, open.id);
  const parts = new Map(allParts(open.bundle).map((part) => [part.path, part]));
  // Every disc has the installers, like the control files.
  const carried = new Set(open.bundle.installers?.map((each) => each.path));
  const run = list.parts.flatMap(({ path }) => {
    const part = parts.get(path);
    if (part === undefined && !carried.has(path)) throw ofAnother(list, open.id);
    return part ?? [];
  });
  await writeDisc({ ...open, move }, run, folder, context);
  const bytes = run.reduce((sum, part) => sum + part.size, 0);
  const signed = [...open.files.keys()].some((path) => path.startsWith('signatures/'));
  return {
    json: { bundle: folder, id: open.id, parts: run.length, bytes, signed },
    text: [
      folder,
      `  ${counted(run.length, 'part')}, ${formatBytes(bytes)}, to complete ${list.name} ${list.version} at the site`,
      signed
        ? '  with the signatures of the bundle'
        : `  not signed yet: stowage sign ${folder} --key KEY --certificate CERTIFICATE`,
      '',
    ].join('\n'),
  };
}

function ofAnother(list: RepairList, found: string): StowageError {
  return new StowageError('document-invalid', 'the repair list belongs to another bundle', {
    expected: `${list.name} ${list.version} with SHA-512 of SHA512SUMS ${list.bundle}`,
    found,
    hint: 'give that bundle with --from, or pack the same lock with the same --parity, --disc-size and --trust-chain',
  });
}
