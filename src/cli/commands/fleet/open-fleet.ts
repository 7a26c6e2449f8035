import type { ChangeOptions } from '../../../fleet/change.ts';
import { type FleetFolder, openFleetFolder } from '../../../fleet/fleet-folder.ts';
import type { FactSigner } from '../../../fleet/record-fact.ts';
import { type CommandContext, fleetRoot, ledgerUser } from '../../command.ts';
import { type KeyOptions, nameOf, readIdentity, readKey } from '../signing-key.ts';
import { splitPair } from '../trust-option.ts';

export interface FleetOption {
  readonly fleet?: string;
}

/** @throws StowageError `fleet-absent` */
export function openFleet({ fleet }: FleetOption, context: CommandContext): Promise<FleetFolder> {
  return openFleetFolder(fleetRoot(context, fleet));
}

export function changeOptions(context: CommandContext): ChangeOptions {
  const { signal, emit, now } = context;
  return { signal, emit, now, by: ledgerUser(context) };
}

/** Reads the key that signs documents of the fleet. Prompts for the passphrase if needed. */
export async function factSigner(
  options: KeyOptions,
  context: CommandContext,
  role: 'release' | 'approval' = 'release',
): Promise<FactSigner> {
  const identity = await readIdentity(options, context);
  const name = nameOf(identity, options.name, role);
  return { name, signer: { ...identity, key: await readKey(options.key, options, context) } };
}

/** Labels given as `NAME=VALUE`. @throws StowageError `usage-invalid` */
export function labelsOf(pairs: readonly string[]): [string, string][] {
  return pairs.map((pair) => splitPair(pair, '--label', 'NAME=VALUE'));
}

/** A table as lines, each column as wide as its longest cell; empty columns are left out. */
export function tableLines(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const used = headers.map((_, at) => rows.some((row) => (row[at] ?? '') !== ''));
  const shown = [headers, ...rows].map((row) => row.filter((_, at) => used[at]));
  const widths = headers
    .filter((_, at) => used[at])
    .map((_, at) => shown.reduce((most, row) => Math.max(most, row[at]?.length ?? 0), 0));
  return shown.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
