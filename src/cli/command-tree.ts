import { type Command, Help } from 'commander';

/** The words after the program's name, such as `trust init`. */
export function pathOf(command: Command): string {
  const names: string[] = [];
  for (let each = command; each.parent !== null; each = each.parent) names.unshift(each.name());
  return names.join(' ');
}

/** The other paths of a command, such as `validate`, `store ls`. */
export function aliasesOf(command: Command): string[] {
  const above = command.parent === null ? '' : pathOf(command.parent);
  return command.aliases().map((each) => (above === '' ? each : `${above} ${each}`));
}

/** Every command of the program or of a command, except hidden ones. */
export function visibleCommands(command: Command): Command[] {
  const visible = new Set(Help.prototype.visibleCommands.call(new Help(), command));
  return command.commands.filter((each) => visible.has(each));
}
