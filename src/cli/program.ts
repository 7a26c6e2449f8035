import { type Argument, Command, CommanderError, Help, Option } from 'commander';
import { PRODUCT, PRODUCT_VERSION } from '../core/product.ts';
import { nearest, wrap } from '../core/text.ts';
import { columnsOf, type Terminal, usage } from './command.ts';
import { pathOf, visibleCommands } from './command-tree.ts';
import { addAnywhereCommands } from './commands-anywhere.ts';
import { addDeliveryCommands, addDepotCommands } from './commands-depot.ts';
import { addElsewhere } from './commands-elsewhere.ts';
import { addEvaluateCommands } from './commands-evaluate.ts';
import {
  addCompletionCommand,
  addExamples,
  addHelpCommand,
  addVersionCommand,
  type Topics,
} from './commands-help.ts';
import { addSiteCommands, addStoreVerify } from './commands-site.ts';
import { addTrustCommands } from './commands-trust.ts';
import { addCommonOptions, addFormerNames, type Run, type Verbosity } from './options.ts';
import { textColumns, wrapLines } from './wrap.ts';

const AFTER_HELP = `
These are the most common commands. Run "stowage help commands" for all of them, "stowage help COMMAND" for the options of one, and "stowage help errors" for the list of errors.

Exit status: 0 success, 1 failure, 2 usage error, 3 rolled back, 4 plan cannot be applied, 5 site needs attention, 6 site is failing, 10 not trusted, 11 locked, 12 host unfit, 130 interrupted.

Results go to stdout, everything else to stderr. Every command accepts --json, -q and -v.`;

/** Below a usage error: where the help of that command is. */
function addUsageHints(command: Command, columns: number | undefined): void {
  const path = pathOf(command);
  const hint =
    path === ''
      ? 'run "stowage help commands" to list every command'
      : `run "stowage ${path} --help" to show its arguments and options`;
  command.showHelpAfterError(wrapLines(`  hint: ${hint}`, columns));
  for (const each of command.commands) addUsageHints(each, columns);
}

/** The commands that the help of the program lists. */
const FIRST = [
  'init',
  'lock',
  'pack',
  'sign',
  'verify',
  'install',
  'status',
  'logs',
  'rollback',
  'uninstall',
];

/** The same in a program without the connected side. */
const FIRST_AT_SITE = [
  'doctor',
  'inspect',
  'verify',
  'import',
  'plan',
  'install',
  'status',
  'logs',
  'rollback',
  'uninstall',
];

/** Commands under one heading of the help. */
export interface CommandGroup {
  readonly title: string;
  readonly add: readonly ((program: Command, run: Run) => void)[];
  /** Help topics that are not commands. */
  readonly topics?: Topics;
}

/** Commands for the disconnected side; the installer in a bundle has only these. */
export const disconnectedGroups: readonly CommandGroup[] = [
  {
    title: 'Anywhere:',
    add: [addAnywhereCommands, addTrustCommands],
    topics: {
      errors: {
        show: async (codes, context) =>
          (await import('./commands/help-topics.ts')).helpErrors(codes, context),
        entries: async () => (await import('./commands/help-topics.ts')).errorNames(),
      },
      licenses: {
        show: async (_, context) =>
          (await import('./commands/help-topics.ts')).helpLicenses(context),
      },
      'site.yaml': { show: async () => (await import('./commands/help-topics.ts')).helpSite() },
    },
  },
  {
    title: 'Site:',
    add: [
      addSiteCommands,
      addDeliveryCommands,
      addDepotCommands,
      addEvaluateCommands,
      addStoreVerify,
    ],
  },
];

/** Builds the program from these groups. Each command is loaded when it is called. */
export function createProgram(
  terminal: Pick<Terminal, 'stdout' | 'stderr'>,
  runAction: Run,
  groups: readonly CommandGroup[],
): Command {
  let verbosity: Verbosity = {};
  let called: Command | undefined;
  let first = FIRST;
  const run: Run = (action) =>
    runAction(async (context) => {
      if (called !== undefined) requireValues(called);
      return action(context);
    }, verbosity);
  const program: Command = new Command(PRODUCT)
    .description('deploy open-weight AI models to air-gapped networks')
    .version(PRODUCT_VERSION, '-V, --version', 'print the version')
    .addOption(new Option('-v').hideHelp())
    .on('option:v', () => {
      terminal.stdout.write(`${PRODUCT_VERSION}\n`);
      throw new CommanderError(0, 'commander.version', PRODUCT_VERSION);
    })
    .helpOption('-h, --help', 'show this help')
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
      getOutHelpWidth: () => columnsOf(terminal.stdout) ?? 80,
      getErrHelpWidth: () => columnsOf(terminal.stderr) ?? 80,
      outputError: (text, write) => {
        const error = text.replace(/^error: (.*)/, 'stowage: error: $1 [usage-invalid]');
        write(wrapLines(error, columnsOf(terminal.stderr)));
      },
    })
    .configureHelp({
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map(inUsage)].join(' '),
      optionDescription: (option) =>
        Help.prototype.optionDescription.call(new Help(), option).replace(' (default: none)', ''),
      // Only the text is short: commander suggests a command from all of them.
      formatHelp: (command, help) => {
        if (command === program)
          help.visibleCommands = (each) =>
            visibleCommands(each).filter((one) => [...first, 'help'].includes(one.name()));
        return Help.prototype.formatHelp.call(help, command, help);
      },
      // The help of the command lists its aliases.
      commandUsage: (command) =>
        Help.prototype.commandUsage.call(new Help(), command).replace(/\|[a-z-]+(?= |$)/g, ''),
      minWidthToWrap: 10,
    })
    .exitOverride()
    // An option belongs to the command it follows, also if that command has subcommands.
    .enablePositionalOptions()
    .addHelpText('after', ({ error }) =>
      AFTER_HELP.split('\n')
        .flatMap((line) =>
          wrap(line, textColumns(columnsOf(error ? terminal.stderr : terminal.stdout))),
        )
        .join('\n'),
    )
    .hook('preAction', (_, command) => {
      verbosity = command.optsWithGlobals<Verbosity>();
      called = command;
    });
  for (const { title, add } of groups) {
    program.commandsGroup(title);
    for (const each of add) each(program, run);
  }
  if (!program.commands.some((each) => each.name() === 'pack')) {
    first = FIRST_AT_SITE;
    addElsewhere(program, run);
  }
  program.commandsGroup('Help:');
  const topics: Topics = Object.assign({}, ...groups.map((group) => group.topics ?? {}));
  addHelpCommand(program, run, topics);
  addCompletionCommand(program, run, topics);
  addVersionCommand(program, run);
  addExamples(program);
  addFormerNames(program);
  addCommonOptions(program);
  addUsageHints(program, columnsOf(terminal.stderr));
  program.commands.forEach(suggestSubcommands);
  return program;
}

/** For a command that can be called by itself, commander counts a misspelled subcommand as an argument too many. */
function suggestSubcommands(command: Command): void {
  const names = command.commands.map((each) => each.name());
  if (names.length === 0) return;
  const fail = command.error.bind(command);
  command.error = (message, options): never => {
    const near = nearest(command.args[0] ?? '', names);
    if (options?.code !== 'commander.excessArguments' || near === undefined)
      return fail(message, options);
    return fail(`error: unknown command '${command.args[0]}'\n(Did you mean ${near}?)`, {
      code: 'commander.unknownCommand',
    });
  };
}

/** An empty value, as from a variable that is not set in `--site="$SITE"`, must not select the default. */
function requireValues(command: Command): void {
  const values = command.opts<Record<string, unknown>>();
  for (const option of command.options) {
    if (![values[option.attributeName()]].flat().includes('')) continue;
    throw usage('an option has an empty value', option.flags, `${option.long}=""`);
  }
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
