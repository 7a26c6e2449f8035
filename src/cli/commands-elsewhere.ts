import type { Command } from 'commander';
import { PRODUCT } from '../core/product.ts';
import { usage } from './command.ts';
import { addCommand, type Run } from './options.ts';

/** The commands, with aliases, that only the package on the connected side has. A test compares them with the program. */
const CONNECTED: readonly (readonly [path: string, ...aliases: string[]])[] = [
  ['init'],
  ['check', 'validate'],
  ['lock'],
  ['pack'],
  ['split'],
  ['rehearse'],
  ['attach'],
  ['store pull'],
  ['store list', 'ls'],
  ['store prune'],
  ['fleet'],
];

const ABOUT = 'only on the connected side';

/** In a program without the connected side: its commands, hidden, each of which fails and says where it is found. */
export function addElsewhere(program: Command, run: Run): void {
  for (const [path, ...aliases] of CONNECTED) {
    const words = path.split(' ');
    const name = words.pop() ?? '';
    const parent = program.commands.find((each) => each.name() === words[0]) ?? program;
    const command = addCommand(parent, `${name} [arguments...]`, ABOUT, { hidden: true });
    command
      .aliases(aliases)
      .allowUnknownOption()
      .helpOption(false)
      .action(() =>
        run(async () => {
          throw elsewhere(command);
        }),
      );
  }
}

/** Whether a command is one of {@link addElsewhere}. */
export function isElsewhere(command: Command): boolean {
  return command.description() === ABOUT;
}

/** A `usage-invalid` error. */
export function elsewhere(command: Command): Error {
  const parent = command.parent?.parent ? `${command.parent.name()} ` : '';
  const typed = `${PRODUCT} ${parent}${command.name()}`;
  return usage(
    `${typed} runs on the connected machine, not at a site`,
    'a command of the installer; "stowage help commands" lists them',
    typed,
    `run ${typed} where the npm package stowage is installed; this installer is a part of bundles and cannot pull or pack`,
  );
}
