import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AlgorithmName } from '../format/trust.ts';
import type { CommandContext, CommandResult } from './command.ts';
import { parseBytes } from './units.ts';

export type Action = (context: CommandContext) => Promise<CommandResult>;

/** Runs what a command does, shows its result or its error, and sets the exit status. */
export type Run = (action: Action) => Promise<void>;

export const algorithms: readonly AlgorithmName[] = [
  'ecdsa-p384-sha384',
  'rsa-pkcs1-sha384',
  'rsa-pss-sha384',
  'ml-dsa-87',
];

/** A command of `parent`; every one has `--json`. */
export function addCommand(parent: Command, usage: string, about: string): Command {
  return parent.command(usage).description(about).option('--json', 'print the result as JSON');
}

export const store = (): Option =>
  new Option('--store <folder>', 'where pulled blobs are kept (STOWAGE_STORE)');
export const root = (): Option => new Option('--root <folder>', "the site's folder (STOWAGE_ROOT)");
export const repeatable = (flags: string, about: string): Option =>
  new Option(flags, about)
    .default([] as string[], 'none')
    .argParser((value: string, before: string[]) => [...before, value]);
export const insecure = (): Option =>
  repeatable('--insecure-registry <host>', 'a registry to ask over plain http (repeatable)');
export const caFile = (): Option =>
  new Option('--ca-file <file>', 'further authorities to trust, in PEM');
export const passphraseFile = (): Option =>
  new Option('--passphrase-file <file>', "has the key's passphrase on its first line");
export const passphraseFd = (): Option =>
  new Option(
    '--passphrase-fd <number>',
    'a file descriptor to read the passphrase from, such as 0',
  ).argParser(descriptor);

/** Adds what a signature with a key in a file takes. */
export function withKey(command: Command): Command {
  return command
    .requiredOption('--key <file>', 'the private key, PKCS#8 in PEM')
    .requiredOption('--certificate <file>', 'its certificate, in PEM or DER')
    .option('--name <name>', 'the name of the signature (default: from the certificate)')
    .addOption(
      new Option(
        '--algorithm <name>',
        "the signature algorithm (default: from the certificate's key)",
      ).choices(algorithms),
    )
    .addOption(passphraseFile())
    .addOption(passphraseFd());
}

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a whole number from 1');
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && text.trim() !== '') return value;
  throw new InvalidArgumentError('expected a whole number from 0');
}

/** A size such as `512MiB` or `25GB`, in bytes. */
export function sizeOption(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError('expected a size such as 512MiB or 25GB');
}

function descriptor(text: string): number {
  if (/^(?:0|[1-9][0-9]{0,5})$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected the number of an open descriptor');
}
