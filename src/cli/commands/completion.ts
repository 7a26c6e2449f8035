import { PRODUCT } from '../../core/product.ts';
import type { CommandResult } from '../command.ts';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import type { Outline } from '../completion/outline.ts';
import { zshCompletion } from '../completion/zsh.ts';

export type Shell = 'bash' | 'zsh' | 'fish';

const shells: Readonly<Record<Shell, (name: string, program: Outline) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** `stowage completion SHELL`: a completion script for this program. */
export function completion(shell: Shell, program: Outline): CommandResult {
  const script = shells[shell](PRODUCT, program);
  return { json: { shell, script }, text: script };
}
