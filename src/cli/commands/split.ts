import { basename } from 'node:path';
import { requireAbsent } from '../../build/assemble.ts';
import { counted, formatBytes } from '../../core/text.ts';
import { allParts } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { controlSizes, discRuns, writeDisc, writeDiscs } from '../../io/discs/write-discs.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { parseDiscSize } from './disc-size.ts';
import {
  type IncrementOptions,
  incrementJson,
  incrementLines,
  leftOut,
  readReceivers,
} from './increment.ts';
import { openBundle } from './open-bundle.ts';

export interface SplitOptions extends IncrementOptions {
  /** Absent with `--for` or `--without`: one folder. */
  readonly discSize?: string;
  readonly output?: string;
}

/**
 * Splits an existing bundle across discs, or leaves out what sites store, or both. SHA512SUMS does not change, so signatures
 * stay valid in every folder.
 */
export async function split(
  folder: string,
  options: SplitOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (options.discSize === undefined && options.for.length + options.without.length === 0)
    throw usage(
      'nothing to split by',
      '--disc-size SIZE, --for RECEIPT or --without PART, or several of these',
      'none',
    );
  const discSize = options.discSize === undefined ? undefined : parseDiscSize(options.discSize);
  const place = context.path(folder);
  const kind = discSize === undefined ? 'increment' : 'discs';
  const output = options.output === undefined ? `${place}-${kind}` : context.path(options.output);
  await requireAbsent(output);
  const sites = await readReceivers(options, context);
  const { id, bundle, files, sums } = await openBundle(place);
  const increment = leftOut(bundle, options, sites, context);
  const omitted = increment?.omitted ?? new Set<string>();
  const source = { bundle, files, sums, move: false, omitted };
  const control = await controlSizes(source);
  const runs =
    discSize === undefined
      ? [allParts(bundle).filter(({ path }) => !omitted.has(path))]
      : discRuns(bundle, { discSize, control }, omitted);
  const discs = discSize === undefined ? [] : await writeDiscs(source, runs, output, context);
  if (discSize === undefined) await writeDisc(source, runs[0] ?? [], output, context);
  await sites?.recordUsed();
  return {
    json: {
      ...{ output, id, discs, parts: runs.map((each) => each.length) },
      ...incrementJson(increment, sites),
    },
    text: [
      output,
      ...discLines(discs, runs, control),
      ...incrementLines(increment, sites),
      `  SHA-512 of SHA512SUMS: ${id}\n`,
    ].join('\n'),
  };
}

/** One line per disc: its name, parts and size, with the files that every disc has. */
function discLines(
  discs: readonly string[],
  runs: readonly (readonly Pick<Part, 'size'>[])[],
  control: readonly number[],
): string[] {
  const common = control.reduce((sum, size) => sum + size, 0);
  return discs.map((disc, index) => {
    const run = runs[index] ?? [];
    const bytes = run.reduce((sum, part) => sum + part.size, common);
    return `  ${basename(disc)}: ${counted(run.length, 'part')}, ${formatBytes(bytes)} with the ${formatBytes(common)} that every disc has`;
  });
}
