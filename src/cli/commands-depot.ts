import type { Command } from 'commander';
import type { DepotExportOptions } from './commands/depot.ts';
import { addCommand, type Run, repeatable, root } from './options.ts';

/** Subcommands of `stowage depot`. */
export function addDepotCommands(program: Command, run: Run): void {
  const depot = program.commands.find((each) => each.name() === 'depot');
  if (depot === undefined)
    throw new Error('the depot command must be added before its subcommands');
  depot.enablePositionalOptions();
  addCommand(depot, 'export', "write the site's models into a Hugging Face cache folder")
    .requiredOption(
      '--hf-cache <folder>',
      'cache folder of the Hugging Face clients (HF_HUB_CACHE)',
    )
    .addOption(
      repeatable(
        '--release <release>',
        'export only this release: NAME or NAME@VERSION (repeatable)',
      ),
    )
    .addOption(root())
    .action((options: DepotExportOptions) =>
      run(async (context) => (await import('./commands/depot.ts')).depotExport(options, context)),
    );
}
