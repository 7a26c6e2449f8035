import type { Command } from 'commander';
import type { DepotExportOptions } from './commands/depot-export.ts';
import { addCommand, type Run, repeatable, root } from './options.ts';

/** What is below `stowage depot`. */
export function addDepotCommands(program: Command, run: Run): void {
  const depot = program.commands.find((each) => each.name() === 'depot');
  if (depot === undefined) throw new Error('depot is declared before what is below it');
  depot.enablePositionalOptions();
  addCommand(depot, 'export', "write the site's models where other programs look for them")
    .requiredOption(
      '--hf-cache <folder>',
      "the cache folder of the Hugging Face Hub's clients (HF_HUB_CACHE)",
    )
    .addOption(
      repeatable('--release <name>', 'only of this release: NAME or NAME@VERSION (repeatable)'),
    )
    .addOption(root())
    .action((options: DepotExportOptions) =>
      run(async (context) =>
        (await import('./commands/depot-export.ts')).depotExport(options, context),
      ),
    );
}
