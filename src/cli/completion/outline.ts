import type { Argument, Command, Option } from 'commander';
import { aliasesOf, visibleCommands } from '../command-tree.ts';
import { COMMON_OPTIONS } from '../options.ts';

/** Names of a site, which the program lists when a key is pressed. */
export type SiteNames = 'releases' | 'installed' | 'generations';

/** What a shell can suggest for a value: paths, words, names of a site, folders and releases, or nothing for free text. */
export type Suggestions =
  | 'file'
  | 'folder'
  | 'bundle or release'
  | 'nothing'
  | SiteNames
  | readonly string[];

export interface OutlineOption {
  /** For example `--output`. */
  readonly long: string;
  /** For example `-o`. */
  readonly short?: string;
  readonly about: string;
  /** Absent for an option without a value. */
  readonly value?: { readonly name: string; readonly suggestions: Suggestions };
  readonly repeatable: boolean;
  /** Whether every command has it. */
  readonly common: boolean;
}

export interface OutlineArgument {
  readonly name: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly suggestions: Suggestions;
  /** Words that are suggested after one of its values, such as the codes after `errors`. */
  readonly followedBy: Readonly<Record<string, readonly string[]>>;
}

/** A program or a command as data, from which completions and the manual page are generated. */
export interface Outline {
  /** The words after the program's name, such as `store pull`; empty for the program. */
  readonly path: string;
  /** Its aliases, such as `validate`. */
  readonly aliases: readonly string[];
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

/** Commands for releases that are installed; the others are for those that are imported. */
const OPERATING = ['start', 'stop', 'restart', 'logs', 'uninstall'];

/** What outlines need beyond the commands. */
export interface OutlineContext {
  readonly parents?: readonly string[];
  /** The entries of each help topic. */
  readonly entries?: Readonly<Record<string, readonly string[]>>;
}

/** The outline of a program or command with its subcommands. */
export function outlineOf(command: Command, context: OutlineContext = {}): Outline {
  const { parents = [] } = context;
  const help = command.createHelp();
  return {
    path: parents.join(' '),
    aliases: aliasesOf(command),
    about: command.description(),
    group: command.helpGroup(),
    options: help
      .visibleOptions(command)
      .map((each) => optionOf(each, help.optionDescription(each))),
    arguments: command.registeredArguments.map((each) => argumentOf(each, command, context)),
    commands: visibleCommands(command).map((each) =>
      outlineOf(each, { ...context, parents: [...parents, each.name()] }),
    ),
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

/** The path of an outline, and its aliases. */
export function pathsOf({ path, aliases }: Outline): string[] {
  return [path, ...aliases];
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
    common: option.helpGroupHeading === COMMON_OPTIONS,
  };
}

function argumentOf(
  argument: Argument,
  command: Command,
  { entries = {} }: OutlineContext,
): OutlineArgument {
  const name = argument.name();
  // The topics of `help` include the other commands.
  const siblings =
    command.parent === null ? [] : visibleCommands(command.parent).map((each) => each.name());
  return {
    name,
    required: argument.required,
    variadic: argument.variadic,
    followedBy: name === 'topic' ? entries : {},
    suggestions:
      name === 'topic'
        ? [...(argument.argChoices ?? []), ...siblings]
        : suggestionsOfArgument(name, argument, command),
  };
}

function suggestionsOfArgument(name: string, argument: Argument, command: Command): Suggestions {
  if (name === 'bundle' && command.name() === 'install') return 'bundle or release';
  if (name === 'release' && OPERATING.includes(command.name())) return 'installed';
  return suggestionsFor(name, argument.argChoices);
}

function suggestionsFor(name: string, choices: readonly string[] | undefined): Suggestions {
  if (choices !== undefined) return choices;
  if (name === 'release') return 'releases';
  if (name === 'generation') return 'generations';
  if (FILES.includes(name)) return 'file';
  return FOLDERS.includes(name) ? 'folder' : 'nothing';
}
