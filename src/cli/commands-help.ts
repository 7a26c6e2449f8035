import { Argument, type Command, Help } from 'commander';
import { PRODUCT, PRODUCT_VERSION } from '../core/product.ts';
import { nearest } from '../core/text.ts';
import { type CommandContext, type CommandResult, columnsOf, usage } from './command.ts';
import { aliasesOf, pathOf, visibleCommands } from './command-tree.ts';
import { elsewhere, isElsewhere } from './commands-elsewhere.ts';
import type { Shell } from './completion/shells.ts';
import { examples } from './examples.ts';
import { addCommand, type Run } from './options.ts';
import { commandLines, definitions, textColumns } from './wrap.ts';

/** A help topic that is not a command. */
export interface Topic {
  /** @param names selects entries of the topic */
  readonly show: (
    names: readonly string[],
    context: CommandContext,
  ) => Promise<CommandResult> | CommandResult;
  /** The names of its entries, for completion. */
  readonly entries?: () => Promise<readonly string[]>;
}

export type Topics = Readonly<Record<string, Topic>>;

/** The topics about the program itself. */
function ownTopics(program: Command): Topics {
  return {
    commands: { show: (_, { terminal }) => everyCommand(program, columnsOf(terminal.stdout)) },
    man: {
      show: async () => {
        const { outlineOf } = await import('./completion/outline.ts');
        const { manPage } = await import('./completion/man-page.ts');
        const page = manPage(outlineOf(program));
        return { json: { page }, text: page };
      },
    },
  };
}

/** `stowage help`: help for the program, a command or a topic. */
export function addHelpCommand(program: Command, run: Run, others: Topics): void {
  const topics: Topics = { ...others, ...ownTopics(program) };
  const names = Object.keys(topics).toSorted();
  // The choices are for completion only: commands are accepted too.
  const topic = new Argument('[topic...]')
    .choices(names)
    .argParser((word: string, before: readonly string[] = []) => [...before, word]);
  addCommand(program, 'help', `show help for a command, or for one of: ${names.join(', ')}`)
    .addArgument(topic)
    .action((words: string[] = []) =>
      run(async (context) => {
        const [first = '', ...rest] = words;
        if (Object.hasOwn(topics, first) && topics[first] !== undefined)
          return topics[first].show(rest, context);
        return explainCommand(commandOf(program, words, names));
      }),
    );
}

/** `stowage version`, as `stowage --version`. */
export function addVersionCommand(program: Command, run: Run): void {
  addCommand(program, 'version', 'print the version').action(() =>
    run(async () => ({ json: { version: PRODUCT_VERSION }, text: `${PRODUCT_VERSION}\n` })),
  );
}

/** `stowage completion`: a shell completion script for the commands that `program` has when it runs. */
export function addCompletionCommand(program: Command, run: Run, topics: Topics): void {
  addCommand(program, 'completion', 'print a shell completion script')
    .addArgument(new Argument('<shell>', 'shell to complete in').choices(['bash', 'zsh', 'fish']))
    .action((shell: Shell) =>
      run(async () => {
        const { outlineOf } = await import('./completion/outline.ts');
        const entries: Record<string, readonly string[]> = {};
        for (const [name, topic] of Object.entries(topics))
          if (topic.entries !== undefined) entries[name] = await topic.entries();
        const outline = outlineOf(program, { entries });
        return (await import('./completion/shells.ts')).completion(shell, outline);
      }),
    );
  // Called by the completion scripts when a key is pressed: it reads the site's folder and loads nothing else.
  addCommand(program, `${COMPLETE} <kind> [words...]`, 'list names of a site, for completion', {
    hidden: true,
  })
    .allowUnknownOption()
    .helpOption(false)
    .action((kind: string, words: string[]) =>
      run(async (context) =>
        (await import('./commands/complete.ts')).complete(kind, words, context),
      ),
    );
}

/** The name of the hidden command that completion scripts call. */
const COMPLETE = '__complete';

/** Adds aliases and examples to the help of each command. */
export function addExamples(program: Command): void {
  for (const command of program.commands) {
    if (command.commands.length > 0)
      command.helpCommand('help [command]', 'show help for a command');
    addExamples(command);
    command.addHelpText('after', ({ error }) => {
      const { getErrHelpWidth, getOutHelpWidth } = command.configureOutput();
      const columns = (error ? getErrHelpWidth : getOutHelpWidth)?.();
      return [...aliasLines(command), ...exampleLines(command, columns)].join('\n');
    });
  }
}

function aliasLines(command: Command): string[] {
  const others = aliasesOf(command);
  if (others.length === 0) return [];
  return ['', `${others.length === 1 ? 'Alias' : 'Aliases'}: ${others.map(typed).join(', ')}`];
}

function exampleLines(command: Command, columns = 80): string[] {
  const lines = examples[pathOf(command)] ?? [];
  if (lines.length === 0) return [];
  return [
    '',
    lines.length === 1 ? 'Example:' : 'Examples:',
    ...lines.flatMap((line) => commandLines(line, columns)),
  ];
}

function typed(path: string): string {
  return `${PRODUCT} ${path}`;
}

/** `stowage help commands`: every command under its heading, and every alias. */
function everyCommand(program: Command, columns: number | undefined): CommandResult {
  const help = program.createHelp();
  help.prepareContext({ helpWidth: columns ?? 80 });
  const all = visibleCommands(program).flatMap((each) => [each, ...each.commands]);
  const aliases = all.flatMap((each) => {
    const others = aliasesOf(each);
    return others.length === 0
      ? []
      : ([[`  ${others.join(', ')}`, `same as ${pathOf(each)}`]] as const);
  });
  const text = [
    Help.prototype.formatHelp.call(help, program, help).trimEnd(),
    '',
    'Aliases:',
    ...definitions(aliases, textColumns(columns)),
    '',
  ].join('\n');
  return { json: { commands: commandsOf(program) }, text };
}

function commandsOf(command: Command): object[] {
  return visibleCommands(command).map((each) => ({
    name: each.name(),
    aliases: each.aliases(),
    description: each.description(),
  }));
}

function commandOf(program: Command, words: readonly string[], topics: readonly string[]): Command {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((each) => [each.name(), ...each.aliases()].includes(word));
    if (next !== undefined && isElsewhere(next)) throw elsewhere(next);
    if (next === undefined) {
      const names = visibleCommands(command).map((each) => each.name());
      const known = [...names, ...(command === program ? topics : [])];
      const near = nearest(word, known);
      throw usage(
        'no such help topic',
        known.join(', ') || 'no further argument',
        words.join(' '),
        near === undefined ? 'stowage help commands lists every command' : `did you mean ${near}?`,
      );
    }
    command = next;
  }
  return command;
}

function explainCommand(command: Command): CommandResult {
  const help = command.createHelp();
  let text = '';
  const { writeOut } = command.configureOutput();
  command.configureOutput({ writeOut: (more) => (text += more) });
  command.outputHelp();
  command.configureOutput({ ...(writeOut === undefined ? {} : { writeOut }) });
  return {
    json: {
      usage: help.commandUsage(command),
      description: command.description(),
      options: help.visibleOptions(command).map((option) => ({
        flags: option.flags,
        description: help.optionDescription(option),
      })),
      aliases: aliasesOf(command),
      commands: commandsOf(command),
      examples: examples[pathOf(command)] ?? [],
    },
    text,
  };
}
