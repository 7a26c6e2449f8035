import type { Argument, Command, Option } from 'commander';

/** What a shell can suggest for a value: paths, words, or nothing for free text. */
export type Suggestions = 'file' | 'folder' | 'nothing' | readonly string[];

export interface OutlineOption {
  /** For example `--output`. */
  readonly long: string;
  /** For example `-o`. */
  readonly short?: string;
  readonly about: string;
  /** Absent for an option without a value. */
  readonly value?: { readonly name: string; readonly suggestions: Suggestions };
  readonly repeatable: boolean;
}

export interface OutlineArgument {
  readonly name: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly suggestions: Suggestions;
}

/** A program or a command as data, from which completions and the manual page are generated. */
export interface Outline {
  /** The words after the program's name, such as `store pull`; empty for the program. */
  readonly path: string;
  readonly about: string;
  /** Its heading in the help. */
  readonly group: string;
  readonly options: readonly OutlineOption[];
  readonly arguments: readonly OutlineArgument[];
  readonly commands: readonly Outline[];
}

/** Names of values that are paths. */
const FILES = ['file', 'from', 'list', 'lock', 'manifest', 'plan', 'program', 'to'];
const FOLDERS = ['bundle', 'folder'];

/** The outline of a program or command with its subcommands. */
export function outlineOf(command: Command, parents: readonly string[] = []): Outline {
  const help = command.createHelp();
  return {
    path: parents.join(' '),
    about: command.description(),
    group: command.helpGroup(),
    options: help
      .visibleOptions(command)
      .map((each) => optionOf(each, help.optionDescription(each))),
    arguments: command.registeredArguments.map((each) => argumentOf(each, command)),
    commands: command.commands.map((each) => outlineOf(each, [...parents, each.name()])),
  };
}

/** An outline and all outlines below it. */
export function everyOutline(outline: Outline): Outline[] {
  return [outline, ...outline.commands.flatMap(everyOutline)];
}

/** The last word of an outline's path. */
export function lastWord({ path }: Outline): string {
  return path.split(' ').at(-1) ?? '';
}

/** The flags of an option: `--output`, `-o`. */
export function flagsOf({ long, short }: OutlineOption): string[] {
  return short === undefined ? [long] : [long, short];
}

function optionOf(option: Option, about: string): OutlineOption {
  const [, name] = /[<[]([^>\]]+)[>\]]$/.exec(option.flags) ?? [];
  return {
    long: option.long ?? option.flags,
    ...(option.short === undefined ? {} : { short: option.short }),
    about,
    ...(name === undefined
      ? {}
      : { value: { name, suggestions: suggestionsFor(name, option.argChoices) } }),
    repeatable: Array.isArray(option.defaultValue),
  };
}

function argumentOf(argument: Argument, command: Command): OutlineArgument {
  const name = argument.name();
  // The topics of `help` include the other commands.
  const siblings = command.parent?.commands.map((each) => each.name()) ?? [];
  return {
    name,
    required: argument.required,
    variadic: argument.variadic,
    suggestions:
      name === 'topic'
        ? [...(argument.argChoices ?? []), ...siblings]
        : suggestionsFor(name, argument.argChoices),
  };
}

function suggestionsFor(name: string, choices: readonly string[] | undefined): Suggestions {
  if (choices !== undefined) return choices;
  if (FILES.includes(name)) return 'file';
  return FOLDERS.includes(name) ? 'folder' : 'nothing';
}
