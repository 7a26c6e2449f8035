import { counted, formatBytes, printableLines } from '../../core/text.ts';
import { collect, type Holder } from '../../site/applying/collect.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { openSite } from './site.ts';

export interface GcOptions {
  readonly keep: number;
  readonly incomplete?: boolean;
  readonly dryRun?: boolean;
  readonly root?: string;
}

/** Removes everything that a rollback to the last few generations does not need. */
export async function gc(options: GcOptions, context: CommandContext): Promise<CommandResult> {
  const { keep, incomplete = false, dryRun = false } = options;
  const found = await collect({
    ...(await openSite(options.root, context)),
    keep,
    incomplete,
    dryRun,
  });
  const { generations, releases, blobs, bytes } = found;
  const lines = [
    `${dryRun ? 'would remove' : 'removed'} ${counted(blobs, 'blob')}, ${formatBytes(bytes)}`,
    ...(generations.length === 0 ? [] : [`  generations ${generations.join(', ')}`]),
    ...releases.map((each) => `  release ${each}`),
    ...found.incomplete.map((each) => `  incomplete import ${each}`),
    ...(found.held.length === 0 ? [] : ['kept:', ...found.held.map(heldLine)]),
    ...(found.unfinished.length === 0
      ? []
      : [
          `  every blob, for incomplete imports: ${found.unfinished.join(', ')}; next: finish them or run stowage gc --incomplete`,
        ]),
  ];
  return { json: { ...found, dryRun }, text: printableLines(`${lines.join('\n')}\n`) };
}

function heldLine({ release, by, generations, bytes, until }: Holder): string {
  const alone = `${formatBytes(bytes)} of its own`;
  const name = release.replace(' ', '@');
  switch (by) {
    case 'current':
      return `  ${release}, ${alone}: installed`;
    case 'rollback':
      return `  ${release}, ${alone}: for a rollback to generation ${generations.join(', ')}; fewer with --keep`;
    case 'imported':
      return `  ${release}, ${alone}: imported, not installed; remove it with stowage forget ${name}`;
    case 'promised':
      return `  ${release}, ${alone}: promised in a receipt until ${until}; remove it with stowage forget ${name}`;
    case 'unreadable':
      return `  every blob, for release ${release}, which cannot be read; repair it or run stowage forget ${name}`;
  }
}
