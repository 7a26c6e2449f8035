import { type Argument, Command, CommanderError, Help } from 'commander';
import { PRODUCT, PRODUCT_VERSION } from '../core/product.ts';
import { addAnywhereCommands } from './commands-anywhere.ts';
import { addDepotCommands } from './commands-depot.ts';
import { addCompletionCommand, addExamples, addHelpCommand, type Topic } from './commands-help.ts';
import { addSiteCommands } from './commands-site.ts';
import { addTrustCommands } from './commands-trust.ts';
import type { Run } from './options.ts';
import type { Terminal } from './terminal.ts';

const EXIT_HELP = `
Exit status: 0 done, 1 failed, 2 usage, 3 rolled back, 10 not trusted,
11 locked, 12 host unfit, 130 interrupted. stowage help errors explains each.
Results go to stdout, everything else to stderr; --json after any command
gives data for programs.`;

/** Commands under one heading of the help. */
export interface CommandGroup {
  readonly title: string;
  readonly add: readonly ((program: Command, run: Run) => void)[];
  /** What `stowage help` explains beside commands. */
  readonly topics?: Readonly<Record<string, Topic>>;
}

/** What the disconnected side has: all that the travelling installer offers. */
export const disconnectedGroups: readonly CommandGroup[] = [
  {
    title: 'Anywhere:',
    add: [addAnywhereCommands, addTrustCommands],
    topics: {
      errors: async (codes, context) =>
        (await import('./commands/help-errors.ts')).helpErrors(codes, context),
    },
  },
  { title: 'Site:', add: [addSiteCommands, addDepotCommands] },
];

/** A program of these commands; what each does is loaded when it is called. */
export function createProgram(
  terminal: Pick<Terminal, 'stdout' | 'stderr'>,
  run: Run,
  groups: readonly CommandGroup[],
): Command {
  const program = new Command(PRODUCT)
    .description('carry open-weight AI into networks that have no way out')
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
    // An option belongs to the command that it follows, where a command has others below it.
    .enablePositionalOptions()
    .showHelpAfterError('  hint: stowage help names the commands; stowage help COMMAND its options')
    .addHelpText('after', EXIT_HELP);
  for (const { title, add } of groups) {
    program.commandsGroup(title);
    for (const each of add) each(program, run);
  }
  program.commandsGroup('Help:');
  addHelpCommand(program, run, Object.assign({}, ...groups.map((group) => group.topics ?? {})));
  addCompletionCommand(program, run);
  addExamples(program);
  return program;
}

function inUsage(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** Whether commander ended by itself, and with which status: help and version are 0, the rest is usage. */
export function commanderStatus(error: unknown): number | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  return error.exitCode === 0 ? 0 : 2;
}
