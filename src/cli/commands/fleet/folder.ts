import { basename, dirname, relative } from 'node:path';
import { anchorTrust, readChain, trustFileVersion } from '../../../bundle/admission/trust-files.ts';
import { exitStatus, StowageError } from '../../../core/error.ts';
import { counted, printableLines } from '../../../core/text.ts';
import { checkFleet } from '../../../fleet/check.ts';
import { initFleet } from '../../../fleet/init.ts';
import { recordTrust } from '../../../fleet/record-fact.ts';
import { signFact } from '../../../fleet/sign-fact.ts';
import { type SiteAlarm, type TakeResult, takeDocuments } from '../../../fleet/take.ts';
import { name as fleetName } from '../../../format/field.ts';
import {
  type CommandContext,
  type CommandResult,
  fleetRoot,
  ledgerUser,
  usage,
} from '../../command.ts';
import { confirmFingerprint } from '../confirm.ts';
import type { KeyOptions } from '../signing-key.ts';
import { readTrustFile } from '../trust-option.ts';
import { changeOptions, type FleetOption, factSigner, openFleet } from './open-fleet.ts';

export interface FleetInitOptions {
  readonly name: string;
  readonly trust: string;
  readonly fingerprint?: string;
}

/** Creates the folder of a fleet, after a person confirmed its trust document. */
export async function fleetInit(
  folder: string | undefined,
  options: FleetInitOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { name, fingerprint } = options;
  if (!fleetName.safeParse(name).success)
    throw usage('invalid --name', 'lower-case letters, digits and single hyphens', name);
  const given = await readTrustFile(options.trust, context);
  const trust = await anchorTrust(undefined, given, (each) =>
    confirmFingerprint(
      each,
      fingerprint,
      context,
      'The fleet has no trust document yet. To be trusted',
    ),
  );
  const root = fleetRoot(context, folder);
  await initFleet({ root, name, trust, by: ledgerUser(context), now: context.now() });
  return {
    json: { fleet: name, folder: root, trust: trust.version, fingerprint: given.fingerprint },
    text: `created fleet ${name} at ${root}\n  trust document ${trust.version}, SHA-256 ${given.fingerprint}\n  next: keep the folder in version control, and add sites with stowage fleet add-site\n`,
  };
}

/** Verifies a fleet and rebuilds its index. */
export async function check(options: FleetOption, context: CommandContext): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const found = await checkFleet(folder, context);
  const { entries, documents, defects, pending } = found;
  if (defects.length > 0)
    throw new StowageError('fleet-damaged', 'this fleet is not as its ledger records it', {
      expected: 'every document as it was recorded and signed',
      found: counted(defects.length, 'defect'),
      hint: 'restore the files from version control, and remove those that no command recorded',
      defects: defects.map(({ path, text }) => `${path}: ${text}`),
    });
  return {
    json: found,
    text: printableLines(
      [
        `${counted(documents, 'document')} and ${counted(entries, 'ledger entry', 'ledger entries')} verified; the index is up to date\n`,
        ...pending.map(({ path, text }) => `  not in force yet: ${path}: ${text}\n`),
      ].join(''),
    ),
    ...(pending.length === 0 ? {} : { exitStatus: exitStatus.attention }),
  };
}

/** Records the trust documents up to one in a file, each signed as the one before it requires. */
export async function fleetTrust(
  file: string,
  options: FleetOption,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const path = context.path(file);
  const upTo = trustFileVersion(basename(path));
  if (upTo === undefined)
    throw usage(
      'the file name does not say which version the trust document has',
      'VERSION.trust.json, with its signatures and earlier documents next to it',
      basename(path),
    );
  const result = await recordTrust(
    folder,
    (above) => readChain(dirname(path), { above, upTo }),
    changeOptions(context),
  );
  return {
    json: result,
    text:
      result.from === result.version
        ? `nothing to do: the fleet has trust document ${result.version}\n`
        : `recorded trust document ${result.version}, replacing ${result.from}\n`,
  };
}

export type FleetSignOptions = FleetOption & KeyOptions & { readonly role: 'release' | 'approval' };

/** Adds a signature to a document of the fleet. */
export async function fleetSign(
  document: string,
  options: FleetSignOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const { role } = options;
  const by = await factSigner(options, context, role);
  // Named as check and status print it, or as a shell completes it.
  const inside = relative(folder.root, context.path(document));
  const path = inside.startsWith('..') ? document : inside;
  const signed = await signFact(folder, path, { by, role }, changeOptions(context));
  return {
    json: signed,
    text: `${signed.signature}\n  ${signed.inForce ? 'the document is in force' : `not in force yet: ${signed.reason}`}\n`,
  };
}

/** Alarms as text, each with both of its documents. */
export function alarmLines(alarms: readonly SiteAlarm[]): string[] {
  return alarms.flatMap(({ site, kind, text, first, second }) => [
    `  ALARM: ${site}: ${text} [${kind}]`,
    `    ${first}`,
    `    ${second}`,
  ]);
}

/** Records the receipts that came home. */
export async function take(
  paths: readonly string[],
  options: FleetOption,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const places = paths.map((each) => context.path(each));
  const result = await takeDocuments(folder, places, changeOptions(context));
  const refused = result.files.some(({ outcome }) => outcome === 'refused');
  return {
    json: result,
    text: printableLines(`${takenLines(result).join('\n')}\n`),
    ...(refused || result.alarms.length > 0 ? { exitStatus: exitStatus.attention } : {}),
  };
}

function takenLines({ files, alarms }: TakeResult): string[] {
  const count = (outcome: string): number =>
    files.filter((each) => each.outcome === outcome).length;
  const sites = new Set(files.filter(({ outcome }) => outcome === 'taken').map(({ site }) => site));
  return [
    `recorded ${counted(count('taken'), 'document')} of ${counted(sites.size, 'site')}`,
    ...(count('known') === 0 ? [] : [`  ${counted(count('known'), 'document')} known already`]),
    ...files
      .filter(({ outcome }) => outcome === 'refused')
      .map(({ file, reason, code }) => `  REFUSED: ${file}: ${reason} [${code}]`),
    ...alarmLines(alarms),
  ];
}
