import { basename } from 'node:path';
import { requireAbsent } from '../../build/assemble.ts';
import { controlSizes, discRuns, writeDiscs } from '../../build/discs.ts';
import { counted, formatBytes } from '../../core/amount.ts';
import type { Part } from '../../format/part.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { parseDiscSize } from './disc-size.ts';
import { openBundle } from './open-bundle.ts';

export interface SplitOptions {
  readonly discSize: string;
  readonly output?: string;
}

/** Splits an existing bundle across discs. SHA512SUMS does not change, so signatures stay valid on every disc. */
export async function split(
  folder: string,
  options: SplitOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const discSize = parseDiscSize(options.discSize);
  const place = context.path(folder);
  const output = options.output === undefined ? `${place}-discs` : context.path(options.output);
  await requireAbsent(output);
  const { id, bundle, files, sums } = await openBundle(place);
  const source = { bundle, files, sums, move: false };
  const control = await controlSizes(source);
  const runs = discRuns(bundle, { discSize, control });
  const discs = await writeDiscs(source, runs, output, context);
  return {
    json: { output, id, discs, parts: runs.map((run) => run.length) },
    text: `${output}\n${discLines(discs, runs, control)}  SHA-512 of SHA512SUMS: ${id}\n`,
  };
}

/** One line per disc: its name, parts and size, with the files that every disc has. */
function discLines(
  discs: readonly string[],
  runs: readonly (readonly Pick<Part, 'size'>[])[],
  control: readonly number[],
): string {
  const common = control.reduce((sum, size) => sum + size, 0);
  return discs
    .map((disc, index) => {
      const run = runs[index] ?? [];
      const bytes = run.reduce((sum, part) => sum + part.size, common);
      return `  ${basename(disc)}: ${counted(run.length, 'part')}, ${formatBytes(bytes)} with the ${formatBytes(common)} that every disc has\n`;
    })
    .join('');
}
