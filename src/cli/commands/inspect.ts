import { formatAmount } from '../../core/amount.ts';
import { findDiscs } from '../../deploy/discs.ts';
import { discsHere } from '../../deploy/inspect/discs-here.ts';
import { type Looked, look } from '../../deploy/inspect/look.ts';
import { readPlatforms } from '../../deploy/inspect/platforms.ts';
import { bundleBytes, bundleFiles } from '../../format/bundle.ts';
import type { Trust } from '../../format/trust.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { treeLines } from '../tree.ts';
import { formatBytes, harmless } from '../units.ts';
import { bundleTree, discBranch } from './bundle-tree.ts';
import { approverLines, signerLines } from './signers.ts';

export interface InspectOptions {
  readonly trust?: string;
  readonly all?: boolean;
}

/** Reads the small files only, whatever the size of the bundle. */
export async function inspect(
  place: string,
  options: InspectOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folders = await findDiscs([context.path(place)]);
  const trust = await trustOf(options, context);
  const looked = await look(folders, { ...context, ...(trust && { trust }) });
  const platforms = await readPlatforms(looked);
  const here = await discsHere(looked);
  const { id, bundle, verdict } = looked;
  const tree = bundleTree(bundle, platforms);
  if (here !== undefined) tree.push(discBranch(here.discs, here.absent));
  const lines = [...headLines(looked), ...treeLines(tree, options.all === true)];
  return {
    json: {
      ...(verdict === undefined
        ? { verified: false }
        : { verified: 'signatures', signers: verdict.signers, approvers: verdict.approvers }),
      ...{ id, bundle, platforms },
      ...(here === undefined ? {} : { discs: here.discs, partsAbsent: here.absent }),
    },
    text: harmless(`${lines.join('\n')}\n`),
  };
}

async function trustOf(
  { trust }: InspectOptions,
  context: CommandContext,
): Promise<Trust | undefined> {
  if (trust === undefined) return undefined;
  const { readTrustFile } = await import('./trust-option.ts');
  return (await readTrustFile(trust, context)).trust;
}

function headLines({ bundle, verdict }: Looked): string[] {
  const { name, version, channel, seq, resolvedAt, description, platforms } = bundle;
  // The list itself and the index are files too.
  const files = formatAmount(bundleFiles(bundle).length + 2, 'file');
  return [
    `${name} ${version}, channel ${channel}, number ${seq}, resolved ${resolvedAt}`,
    ...(description === '' ? [] : [`  ${description}`]),
    `  ${files}, ${formatBytes(bundleBytes(bundle))}, for ${platforms.join(', ')}`,
    ...(verdict === undefined
      ? ['  NOT VERIFIED: signatures not checked: give --trust']
      : [
          ...signerLines(verdict.signers),
          ...approverLines(verdict.approvers),
          '  signatures and lists hold; parts were not read: stowage verify reads them',
        ]),
  ];
}
