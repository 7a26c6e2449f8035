import { StowageError } from '../../core/error.ts';
import { counted, formatBytes } from '../../core/text.ts';
import { writeCanonical } from '../../format/document.ts';
import { repairListKind } from '../../format/repair-list.ts';
import { writeNew } from '../../io/file.ts';
import { partialImports, repairListOf } from '../../site/importing/partial-import.ts';
import { lackingParts } from '../../site/importing/parts-to-import.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { openFolder } from './site.ts';

export interface RepairListOptions {
  readonly output?: string;
  readonly root?: string;
}

/** Writes a list of the missing parts of an incomplete import, or of optional parts that site.yaml chooses, to take back to the connected side. */
export async function repairList(
  release: string | undefined,
  options: RepairListOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const site = await openFolder(options.root, context);
  const all = [...(await partialImports(site)), ...(await lackingParts(site))];
  const wanted = all.filter(
    ({ bundle }) =>
      release === undefined ||
      release === bundle.name ||
      release === `${bundle.name}@${bundle.version}`,
  );
  const [one] = wanted;
  if (one === undefined) throw nothing(release);
  if (wanted.length > 1)
    throw usage(
      'several releases are incomplete',
      'one of them, as NAME@VERSION',
      wanted.map(({ bundle }) => `${bundle.name}@${bundle.version}`).join(', '),
    );
  const list = await repairListOf(site, one);
  const bytes = list.parts.reduce((sum, part) => sum + part.size, 0);
  const holders = [...new Set(list.parts.flatMap(({ alsoIn = [] }) => alsoIn))];
  const file = context.path(options.output ?? `${list.name}-${list.version}.repair.json`);
  await writeNew(file, writeCanonical(repairListKind, list));
  return {
    json: { file, ...list },
    text: [
      file,
      `  ${counted(list.parts.length, 'part')}, ${formatBytes(bytes)}, of ${list.name} ${list.version}`,
      ...(holders.length === 0
        ? []
        : [
            `  also in ${holders.join(', ')}; if you have its media, import them again, then ${list.name} ${list.version}`,
          ]),
      '  next, where the complete bundle is: stowage pack --only LIST --from BUNDLE; then import the result here',
      '',
    ].join('\n'),
  };
}

function nothing(release: string | undefined): StowageError {
  return new StowageError('release-unknown', 'no matching incomplete release at this site', {
    expected: `an incomplete import${release === undefined ? '' : ` of ${release}`}`,
    found: 'none',
    hint: 'stowage status lists incomplete imports; of a release that is complete, stowage store verify --repair-list FOLDER lists the damaged files',
  });
}
