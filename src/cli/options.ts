import { type Command, InvalidArgumentError, Option } from 'commander';
import { digitsDefect, FINGERPRINT_DIGITS, normalizeFingerprint } from '../core/text.ts';
import type { AlgorithmName } from '../format/trust.ts';
import type { CommandContext, CommandResult } from './command.ts';
import { visibleCommands } from './command-tree.ts';
import { parseBytes } from './units.ts';

export type Action = (context: CommandContext) => Promise<CommandResult>;

/** How much a command prints on stderr. */
export interface Verbosity {
  /** Errors and warnings only. */
  readonly quiet?: boolean;
  /** Each step on a line of its own, and the causes of an error. */
  readonly verbose?: boolean;
}

/** Runs a command, prints its result or error, and sets the exit status. */
export type Run = (action: Action, verbosity?: Verbosity) => Promise<void>;

export const algorithms: readonly AlgorithmName[] = [
  'ecdsa-p384-sha384',
  'rsa-pkcs1-sha384',
  'rsa-pss-sha384',
  'ml-dsa-87',
];

/** Adds a command to `parent`. Hidden commands are not listed anywhere. */
export function addCommand(
  parent: Command,
  usage: string,
  about: string,
  options: { readonly hidden?: boolean } = {},
): Command {
  return parent.command(usage, options).description(about);
}

/** The heading of the options that every command has. */
export const COMMON_OPTIONS = 'Options of every command:';

/** Adds the options that every command has, behind its own. */
export function addCommonOptions(command: Command): void {
  for (const each of visibleCommands(command)) {
    addCommonOptions(each);
    each.optionsGroup(COMMON_OPTIONS);
    each
      .option('--json', 'print the result as JSON')
      .option(
        '-q, --quiet',
        'print no progress on stderr; results, warnings and errors are still printed',
      )
      .option('-v, --verbose', 'print each step on its own line, and the causes of an error')
      .helpOption('-h, --help', 'show this help');
  }
}

const ANYWHERE: ReadonlySet<string> = new Set(['--json', '-q', '--quiet', '-v', '--verbose']);

/**
 * Moves the options of every command to the end when they precede the command, where git and kubectl accept them too.
 * @param argv with the interpreter and the program first
 */
export function commandFirst(argv: readonly string[]): string[] {
  const [node = '', program = '', ...words] = argv;
  const at = words.findIndex((word) => !word.startsWith('-'));
  const before = words.slice(0, Math.max(at, 0));
  if (before.length === 0 || !before.every((word) => ANYWHERE.has(word))) return [...argv];
  const rest = words.slice(at);
  const end = rest.includes('--') ? rest.indexOf('--') : rest.length;
  return [node, program, ...rest.slice(0, end), ...before, ...rest.slice(end)];
}

export const store = (): Option =>
  new Option('--store <folder>', 'folder for downloaded files (STOWAGE_STORE)');
export const root = (): Option => underRoot('--site <folder>', "the site's folder (STOWAGE_SITE)");

/** An option that commands receive as `root`. */
function underRoot(flags: string, about: string): Option {
  return Object.assign(new Option(flags, about), { attributeName: () => 'root' });
}

/** Accepts `--root`, the former name of `--site`, without showing it in help. */
export function addFormerNames(command: Command): void {
  if (command.options.some((each) => each.long === '--site'))
    command.addOption(underRoot('--root <folder>', 'former name of --site').hideHelp());
  for (const each of command.commands) addFormerNames(each);
}
export const rehash = (): Option =>
  new Option(
    '--rehash',
    'hash every stored file of the release, also those that were not changed since they were last hashed',
  );
export const repeatable = (flags: string, about: string): Option =>
  new Option(flags, about)
    .default([] as string[], 'none')
    .argParser((value: string, before: string[]) => [...before, value]);
/** An option for the manifest, in place of the argument. */
export const manifestFile = (): Option =>
  new Option('-f, --file <manifest>', 'manifest, in place of the argument');
export const insecure = (): Option =>
  repeatable('--insecure-registry <host>', 'registry to access over plain HTTP (repeatable)');
export const caFile = (): Option =>
  new Option('--ca-file <file>', 'additional CA certificates to trust, PEM');
export const passphraseFile = (): Option =>
  new Option('--passphrase-file <file>', 'file with the passphrase of the key on its first line');
export const passphraseFd = (): Option =>
  new Option(
    '--passphrase-fd <number>',
    'file descriptor to read the passphrase from, such as 0',
  ).argParser(descriptor);

/** Adds the options for signing with a key file. */
export function withKey(command: Command): Command {
  return command
    .requiredOption('--key <file>', 'private key file, PKCS#8 PEM')
    .requiredOption('--certificate <file>', 'certificate of the key, PEM or DER')
    .option('--name <name>', 'name of the signature (default: from the certificate)')
    .addOption(
      new Option(
        '--algorithm <name>',
        "signature algorithm (default: from the certificate's key)",
      ).choices(algorithms),
    )
    .addOption(passphraseFile())
    .addOption(passphraseFd());
}

/** Adds the options that leave out what sites store. @param place the option for where bundles that were packed or imported are known */
export function withReceivers(command: Command, place: Option = store()): Command {
  return command
    .addOption(
      repeatable(
        '--without <part>',
        'leave out this optional part of the release, for sites that do without it (repeatable)',
      ),
    )
    .addOption(
      repeatable(
        '--for <receipt>',
        'leave out what this site stores, according to its receipt (repeatable: what all of them store)',
      ),
    )
    .addOption(
      new Option(
        '--fingerprint <sha256>',
        'with --for: confirmed fingerprint of the key of a site, needed for its first receipt (repeatable)',
      )
        .default([] as string[], 'none')
        .argParser((value: string, before: string[]) => [...before, fingerprintOption(value)]),
    )
    .addOption(
      repeatable(
        '--base <bundle>',
        'with --for: a bundle, or one disc of it, that sites store and that was not packed here (repeatable)',
      ),
    )
    .option('--receipt-age <days>', 'with --for: the oldest receipt to accept', days, 30)
    .addOption(place);
}

/** Adds the options for verifying what a site stores. */
export function withRepair(command: Command): Command {
  return command
    .option('--repair <medium...>', 'replace what is damaged from the media of its release')
    .option(
      '--repair-list <folder>',
      'write a list of the damaged parts of each release, to take back to the connected side',
    )
    .addOption(root());
}

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a positive integer');
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && text.trim() !== '') return value;
  throw new InvalidArgumentError('expected a non-negative integer');
}

/** A number of days such as `90d`. */
export function days(text: string): number {
  const match = /^([1-9][0-9]{0,3})d$/.exec(text);
  if (match !== null) return Number(match[1]);
  throw new InvalidArgumentError('expected a number of days, such as 90d');
}

/** A SHA-256 fingerprint in full, normalized. */
export function fingerprintOption(text: string): string {
  const normalized = normalizeFingerprint(text);
  const defect = digitsDefect(normalized, FINGERPRINT_DIGITS, FINGERPRINT_DIGITS);
  if (defect === undefined) return normalized;
  throw new InvalidArgumentError(`expected a SHA-256 fingerprint: ${defect}`);
}

/** A size such as `512MiB` or `25GB`, in bytes. */
export function sizeOption(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError('expected a size such as 512MiB or 25GB');
}

function descriptor(text: string): number {
  if (/^(?:0|[1-9][0-9]{0,5})$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a file descriptor number');
}
