import type { Command } from 'commander';
import { type CommandContext, type CommandResult, usage } from './command.ts';
import { examples } from './examples.ts';
import { addCommand, type Run } from './options.ts';

/** Something that `stowage help` explains beside commands; `names` narrows it. */
export type Topic = (
  names: readonly string[],
  context: CommandContext,
) => Promise<CommandResult> | CommandResult;

/** `stowage help`: the program, a command, or one of the topics. */
export function addHelpCommand(
  program: Command,
  run: Run,
  topics: Readonly<Record<string, Topic>>,
): void {
  const names = Object.keys(topics);
  addCommand(
    program,
    'help [topic...]',
    `explain a command, or one of: ${names.toSorted().join(', ')}`,
  ).action((words: string[]) =>
    run(async (context) => {
      const [first = '', ...rest] = words;
      if (Object.hasOwn(topics, first) && topics[first] !== undefined)
        return topics[first](rest, context);
      return explainCommand(commandOf(program, words, names));
    }),
  );
}

/** Shows what people type, at the end of each command's help. */
export function addExamples(program: Command): void {
  for (const command of program.commands) {
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
        'there is no help on this',
        [...known, ...(command === program ? topics : [])].join(', ') || 'no further word',
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
