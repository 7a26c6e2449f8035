import type { Command } from 'commander';
import type { InstallOptions } from './commands/install.ts';
import type { RepairListOptions } from './commands/repair-list.ts';
import { addCommand, positiveInteger, type Run, root } from './options.ts';

/** The commands of the operator. */
export function addSiteCommands(program: Command, run: Run): void {
  const command = (usage: string, about: string): Command => addCommand(program, usage, about);
  const taking = (made: Command): Command =>
    made
      .option('--trust <file>', 'the root certificate, at the first install of a site')
      .option('--fingerprint <hex>', 'its SHA-256 fingerprint, as on paper')
      .option(
        '--accept-age <reason>',
        'let a bundle in whose age alone is against it; kept in the ledger',
      )
      .addOption(root());
  taking(
    command('import <bundle...>', 'verify and take in a bundle, or some of its discs; run nothing'),
  ).action((places: string[], options: InstallOptions) =>
    run(async (context) =>
      (await import('./commands/import.ts')).importCommand(places, options, context),
    ),
  );
  taking(
    command(
      'install <bundle...>',
      'verify, stage, run and prove a bundle; put back what was there if it does not answer',
    ),
  ).action((places: string[], options: InstallOptions) =>
    run(async (context) =>
      (await import('./commands/install.ts')).install(places, options, context),
    ),
  );
  command('repair-list [release]', 'write which parts of a release are damaged or missing')
    .option('-o, --output <file>', 'the list to write (default: NAME-VERSION.repair.json)')
    .addOption(root())
    .action((release: string | undefined, options: RepairListOptions) =>
      run(async (context) =>
        (await import('./commands/repair-list.ts')).repairList(release, options, context),
      ),
    );
  command('status', 'show what the site runs')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) => (await import('./commands/status.ts')).status(options, context)),
    );
  command('rollback', 'return to an earlier generation')
    .option('--to <generation>', 'which (default: the one before)', positiveInteger)
    .addOption(root())
    .action((options: { to?: number; root?: string }) =>
      run(async (context) => (await import('./commands/rollback.ts')).rollback(options, context)),
    );
  command('uninstall <release>', 'take a release off the site')
    .addOption(root())
    .action((release: string, options: { root?: string }) =>
      run(async (context) =>
        (await import('./commands/uninstall.ts')).uninstall(release, options, context),
      ),
    );
  const audit = program.command('audit').description("the site's hash-chained ledger");
  addCommand(audit, 'verify', 'check that the ledger was neither edited, cut nor replaced')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) => (await import('./commands/audit.ts')).auditVerify(options, context)),
    );
  addCommand(audit, 'show', 'print what the ledger says, oldest first')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) => (await import('./commands/audit.ts')).auditShow(options, context)),
    );
}
