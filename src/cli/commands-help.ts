import { Argument, type Command } from 'commander';
import { type CommandContext, type CommandResult, usage } from './command.ts';
import type { Shell } from './commands/completion.ts';
import { examples } from './examples.ts';
import { addCommand, type Run } from './options.ts';

/** A help topic that is not a command; `names` selects entries of it. */
export type Topic = (
  names: readonly string[],
  context: CommandContext,
) => Promise<CommandResult> | CommandResult;

/** `stowage help`: help for the program, a command or a topic. */
export function addHelpCommand(
  program: Command,
  run: Run,
  topics: Readonly<Record<string, Topic>>,
): void {
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
          return topics[first](rest, context);
        return explainCommand(commandOf(program, words, names));
      }),
    );
}

/** `stowage completion`: a shell completion script for the commands that `program` has when it runs. */
export function addCompletionCommand(program: Command, run: Run): void {
  addCommand(program, 'completion', 'print a shell completion script')
    .addArgument(new Argument('<shell>', 'shell to complete in').choices(['bash', 'zsh', 'fish']))
    .action((shell: Shell) =>
      run(async () => {
        const { outlineOf } = await import('./completion/outline.ts');
        return (await import('./commands/completion.ts')).completion(shell, outlineOf(program));
      }),
    );
}

/** Adds the examples to the help of each command. */
export function addExamples(program: Command): void {
  for (const command of program.commands) {
    if (command.commands.length > 0)
      command.helpCommand('help [command]', 'show help for a command');
    addExamples(command);
    const typed = examples[pathOf(command)] ?? [];
    if (typed.length === 0) continue;
    const title = typed.length === 1 ? 'Example' : 'Examples';
    command.addHelpText('after', `\n${title}:\n${typed.map((line) => `  ${line}`).join('\n')}`);
  }
}

function commandOf(program: Command, words: readonly string[], topics: readonly string[]): Command {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((each) => each.name() === word);
    if (next === undefined) {
      const known = [...command.commands.map((each) => each.name())];
      throw usage(
        'no such help topic',
        [...known, ...(command === program ? topics : [])].join(', ') || 'no further argument',
        words.join(' '),
      );
    }
    command = next;
  }
  return command;
}

/** The words after the program's name, such as `trust init`. */
function pathOf(command: Command): string {
  const names: string[] = [];
  for (let each = command; each.parent !== null; each = each.parent) names.unshift(each.name());
  return names.join(' ');
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
      commands: help.visibleCommands(command).map((each) => ({
        name: each.name(),
        description: each.description(),
      })),
      examples: examples[pathOf(command)] ?? [],
    },
    text,
  };
}
