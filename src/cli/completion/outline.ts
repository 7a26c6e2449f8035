import type { Argument, Command, Option } from 'commander';

/** What stands where a value is wanted: something that a shell can offer, or free text. */
export type Wanted = 'file' | 'folder' | 'nothing' | readonly string[];

export interface OutlineOption {
  /** Such as `--output`. */
  readonly long: string;
  /** Such as `-o`. */
  readonly short?: string;
  readonly about: string;
  /** Absent for an option without a value. */
  readonly value?: { readonly name: string; readonly wanted: Wanted };
  readonly repeatable: boolean;
}

export interface OutlineArgument {
  readonly name: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly wanted: Wanted;
}

/** A program or one of its commands, as data: completions and the page of the manual are made of it. */
export interface Outline {
  /** The words after the program's name, such as `store pull`; empty for the program. */
  readonly path: string;
  readonly about: string;
  /** The heading that the help shows it under. */
  readonly group: string;
  readonly options: readonly OutlineOption[];
  readonly arguments: readonly OutlineArgument[];
  readonly commands: readonly Outline[];
}

/** Names of values that are paths. */
const FILES = ['file', 'from', 'list', 'lock', 'manifest', 'plan', 'program', 'to'];
const FOLDERS = ['bundle', 'folder'];

/** The outline of a program or command, with all that is below it. */
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

/** An outline and every outline below it. */
export function everyOutline(outline: Outline): Outline[] {
  return [outline, ...outline.commands.flatMap(everyOutline)];
}

/** The last word of an outline's path. */
export function lastWord({ path }: Outline): string {
  return path.split(' ').at(-1) ?? '';
}

/** How an option is written: `--output`, `-o`. */
export function flagsOf({ long, short }: OutlineOption): string[] {
  return short === undefined ? [long] : [long, short];
}

function optionOf(option: Option, about: string): OutlineOption {
  const [, name] = /[<[]([^>\]]+)[>\]]$/.exec(option.flags) ?? [];
  return {
    long: option.long ?? option.flags,
    ...(option.short === undefined ? {} : { short: option.short }),
    about,
    ...(name === undefined ? {} : { value: { name, wanted: wantedBy(name, option.argChoices) } }),
    repeatable: Array.isArray(option.defaultValue),
  };
}

function argumentOf(argument: Argument, command: Command): OutlineArgument {
  const name = argument.name();
  // What `help` explains are the commands beside it, too.
  const beside = command.parent?.commands.map((each) => each.name()) ?? [];
  return {
    name,
    required: argument.required,
    variadic: argument.variadic,
    wanted:
      name === 'topic'
        ? [...(argument.argChoices ?? []), ...beside]
        : wantedBy(name, argument.argChoices),
  };
}

function wantedBy(name: string, choices: readonly string[] | undefined): Wanted {
  if (choices !== undefined) return choices;
  if (FILES.includes(name)) return 'file';
  return FOLDERS.includes(name) ? 'folder' : 'nothing';
}
