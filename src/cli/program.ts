import { type Argument, Command, CommanderError, Help } from 'commander';
import { PRODUCT, PRODUCT_VERSION } from '../core/product.ts';
import { addAnywhereCommands } from './commands-anywhere.ts';
import { addDepotCommands } from './commands-depot.ts';
import { addCompletionCommand, addExamples, addHelpCommand, type Topic } from './commands-help.ts';
import { addSiteCommands, addStoreVerify } from './commands-site.ts';
import { addTrustCommands } from './commands-trust.ts';
import { addFormerNames, type Run } from './options.ts';
import type { Terminal } from './terminal.ts';

const EXIT_HELP = `
Exit status: 0 success, 1 failure, 2 usage error, 3 rolled back, 4 plan cannot be applied,
5 site needs attention, 6 site is failing, 10 not trusted, 11 locked, 12 host unfit, 130 interrupted.
Run "stowage help errors" for the list of errors.

Results go to stdout, everything else to stderr. Every command accepts --json.`;

/** Commands under one heading of the help. */
export interface CommandGroup {
  readonly title: string;
  readonly add: readonly ((program: Command, run: Run) => void)[];
  /** Help topics that are not commands. */
  readonly topics?: Readonly<Record<string, Topic>>;
}

/** Commands for the disconnected side; the installer in a bundle has only these. */
export const disconnectedGroups: readonly CommandGroup[] = [
  {
    title: 'Anywhere:',
    add: [addAnywhereCommands, addTrustCommands],
    topics: {
      errors: async (codes, context) =>
        (await import('./commands/help-errors.ts')).helpErrors(codes, context),
      'site.yaml': async () => (await import('./commands/help-site.ts')).helpSite(),
    },
  },
  { title: 'Site:', add: [addSiteCommands, addDepotCommands, addStoreVerify] },
];

/** Builds the program from these groups. Each command is loaded when it is called. */
export function createProgram(
  terminal: Pick<Terminal, 'stdout' | 'stderr'>,
  run: Run,
  groups: readonly CommandGroup[],
): Command {
  const program = new Command(PRODUCT)
    .description('deploy open-weight AI models to air-gapped networks')
    .version(PRODUCT_VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
      outputError: (text, write) =>
        write(text.replace(/^error: (.*)/, 'stowage: error: $1 [usage-invalid]')),
    })
    .configureHelp({
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map(inUsage)].join(' '),
      optionDescription: (option) =>
        Help.prototype.optionDescription.call(new Help(), option).replace(' (default: none)', ''),
    })
    .exitOverride()
    // An option belongs to the command it follows, also if that command has subcommands.
    .enablePositionalOptions()
    .showHelpAfterError(
      '  hint: run "stowage help" to list commands, or "stowage help COMMAND" to show the options of one',
    )
    .addHelpText('after', EXIT_HELP);
  for (const { title, add } of groups) {
    program.commandsGroup(title);
    for (const each of add) each(program, run);
  }
  program.commandsGroup('Help:');
  addHelpCommand(program, run, Object.assign({}, ...groups.map((group) => group.topics ?? {})));
  addCompletionCommand(program, run);
  addExamples(program);
  addFormerNames(program);
  return program;
}

function inUsage(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** The exit status if commander ended the program: 0 for help and version, 2 for usage errors. */
export function commanderStatus(error: unknown): number | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  return error.exitCode === 0 ? 0 : 2;
}
