import type { Command } from 'commander';
import type { ServiceCommand } from '../format/override.ts';
import type { OverrideOptions, RollbackOptions } from './commands/apply.ts';
import type { GcOptions } from './commands/gc.ts';
import type { InstallOptions } from './commands/import-options.ts';
import type { LogsOptions } from './commands/operate.ts';
import type { ApproveOptions, PlanOptions } from './commands/plan.ts';
import type { ReceiptShowOptions, ReceiptWriteOptions } from './commands/receipt.ts';
import type { RepairListOptions } from './commands/repair-list.ts';
import type { StatusOptions } from './commands/status.ts';
import type { StoreVerifyOptions } from './commands/store-verify.ts';
import type { ForgetCommandOptions, UninstallOptions } from './commands/uninstall.ts';
import {
  addCommand,
  caFile,
  days,
  fingerprintOption,
  positiveInteger,
  type Run,
  rehash,
  repeatable,
  root,
  wholeNumber,
  withKey,
  withRepair,
} from './options.ts';

/** Adds `store verify` to the `store` commands, and creates these where there are none. */
export function addStoreVerify(program: Command, run: Run): void {
  if (program.commands.some((each) => each.name() === 'store')) return;
  const group = program.command('store').description('manage stored files');
  withRepair(
    addCommand(group, 'verify', 'hash what the site stores, and list what is damaged'),
  ).action((options: StoreVerifyOptions) =>
    run(async (context) =>
      (await import('./commands/store-verify.ts')).storeVerify(options, context),
    ),
  );
}

/** Commands for the operator. */
export function addSiteCommands(program: Command, run: Run): void {
  const command = (usage: string, about: string): Command => addCommand(program, usage, about);
  const withImportOptions = (made: Command): Command =>
    made
      .option('--trust <file>', 'root certificate or trust document, if the site has none yet')
      .option(
        '--fingerprint <hex>',
        'its SHA-256 fingerprint, obtained separately, such as on paper',
        fingerprintOption,
      )
      .option(
        '--accept-age <reason>',
        'accept a bundle that fails only the age check; the reason is recorded in the ledger',
      )
      .option('--insecure', 'allow plain HTTP for an address of a registry or depot')
      .addOption(caFile())
      .addOption(root());
  withImportOptions(
    command(
      'import <bundle...>',
      'import and verify a bundle or some of its discs (- for stdin; oci:// or https:// address)',
    ).addOption(
      repeatable(
        '--only <part>',
        'import this optional part in place of those that site.yaml chooses, or all (repeatable)',
      ),
    ),
  ).action((places: string[], options: InstallOptions) =>
    run(async (context) =>
      (await import('./commands/import.ts')).importCommand(places, options, context),
    ),
  );
  withImportOptions(
    command(
      'install <bundle...>',
      'install a bundle (as for import) or an imported release; if a check fails, the previous version is restored',
    )
      .alias('upgrade')
      .option('--dry-run', 'show the plan without importing or changing anything')
      .addOption(rehash()),
  ).action((places: string[], options: InstallOptions) =>
    run(async (context) =>
      options.dryRun === true
        ? (await import('./commands/plan.ts')).planInstall(places, options, context)
        : (await import('./commands/install.ts')).install(places, options, context),
    ),
  );
  command('repair-list [release]', 'write a list of the damaged and missing parts of a release')
    .option('-o, --output <file>', 'file to write (default: NAME-VERSION.repair.json)')
    .addOption(root())
    .action((release: string | undefined, options: RepairListOptions) =>
      run(async (context) =>
        (await import('./commands/repair-list.ts')).repairList(release, options, context),
      ),
    );
  command(
    'plan [release]',
    'show what a change would do and whether it is allowed, without applying it',
  )
    .option('--rollback', 'plan a rollback to an earlier generation')
    .option(
      '--to <generation>',
      'with --rollback: generation to return to (default: the previous one)',
      positiveInteger,
    )
    .option('--uninstall', 'plan the removal of the release')
    .option('--explain', 'show every check, not only those that failed')
    .option('--output <file>', 'write the plan to a new file, for approval and stowage apply')
    .addOption(root())
    .action((release: string | undefined, options: PlanOptions) =>
      run(async (context) => (await import('./commands/plan.ts')).plan(release, options, context)),
    );
  command('override <rule>', 'temporarily override a failed check, in an emergency')
    .requiredOption('--by <who>', 'who is responsible; recorded in the ledger')
    .requiredOption('--reason <why>', 'reason for the override; recorded in the ledger')
    .requiredOption(
      '--until <moment>',
      'when the override expires, such as 2026-11-21T18:00:00Z; at most 7 days from now',
    )
    .addOption(root())
    .action((rule: string, options: OverrideOptions) =>
      run(async (context) =>
        (await import('./commands/apply.ts')).override(rule, options, context),
      ),
    );
  withKey(
    command('approve <plan>', 'approve a plan by signing it; writes PLAN.NAME.p7s').requiredOption(
      '--digest <hex>',
      'SHA-512 of the plan that you reviewed',
    ),
  ).action((file: string, options: ApproveOptions) =>
    run(async (context) => (await import('./commands/plan.ts')).approve(file, options, context)),
  );
  command('apply <plan>', 'apply a plan, if the site has not changed since it was made')
    .addOption(root())
    .action((file: string, options: { root?: string }) =>
      run(async (context) => (await import('./commands/apply.ts')).apply(file, options, context)),
    );
  command('history', 'show past commands and the generations available for rollback')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) => (await import('./commands/history.ts')).history(options, context)),
    );
  command('gc', 'remove data that no rollback needs')
    .option('--keep <number>', 'number of earlier generations to keep', wholeNumber, 2)
    .option('--incomplete', 'also remove incomplete imports')
    .option('--dry-run', 'show what would be removed, without removing it')
    .addOption(root())
    .action((options: GcOptions) =>
      run(async (context) => (await import('./commands/gc.ts')).gc(options, context)),
    );
  command('forget <release>', 'remove a stored release that is not installed')
    .option('--dry-run', 'show what would be removed, without removing it')
    .option('--yes', 'do not ask for confirmation')
    .addOption(root())
    .action((release: string, options: ForgetCommandOptions) =>
      run(async (context) =>
        (await import('./commands/uninstall.ts')).forget(release, options, context),
      ),
    );
  const receipt = program
    .command('receipt')
    .description("show and write the site's signed receipts");
  addCommand(receipt, 'show [file]', "verify and show a receipt (default: the site's newest)")
    .option(
      '--fingerprint <hex>',
      "SHA-256 fingerprint of the site's certificate, obtained separately, such as on paper",
      fingerprintOption,
    )
    .addOption(root())
    .action((file: string | undefined, options: ReceiptShowOptions) =>
      run(async (context) =>
        (await import('./commands/receipt.ts')).receiptShow(file, options, context),
      ),
    );
  addCommand(
    receipt,
    'new-key <folder>',
    'replace the key that signs receipts; writes a handover signed with the old key',
  )
    .addOption(root())
    .action((folder: string, options: { root?: string }) =>
      run(async (context) =>
        (await import('./commands/receipt.ts')).receiptNewKey(folder, options, context),
      ),
    );
  addCommand(receipt, 'write', 'write a receipt of the current state of the site')
    .option(
      '--hold <days>',
      'promise that "stowage gc" keeps the bundles that it lists for so long, such as 90d',
      days,
    )
    .addOption(root())
    .action((options: ReceiptWriteOptions) =>
      run(async (context) =>
        (await import('./commands/receipt.ts')).receiptWrite(options, context),
      ),
    );
  command('status', 'show installed releases, their services and incomplete imports')
    .aliases(['ls', 'ps'])
    .option('--check', 'print one line per problem; exit with 0, 5 (attention) or 6 (failing)')
    .option('--live', 'show requests, KV cache, tokens/s, memory and CPU of each service')
    .addOption(root())
    .action((options: StatusOptions) =>
      run(async (context) => (await import('./commands/status.ts')).status(options, context)),
    );
  const operating = (name: ServiceCommand, about: string): Command =>
    command(`${name} <release> [service...]`, about)
      .addOption(root())
      .action((release: string, services: string[], options: { root?: string }) =>
        run(async (context) =>
          (await import('./commands/operate.ts')).operate(
            name,
            { release, services },
            options,
            context,
          ),
        ),
      );
  operating('start', 'start stopped services of a release and check that they work');
  operating('stop', 'stop services of a release until they are started again');
  operating('restart', 'restart services of a release and check that they work');
  command('logs <release> [service]', 'print what a service wrote')
    .option('-f, --follow', 'keep printing what it writes, until it ends or Ctrl-C')
    .option('--tail <lines>', 'only print the last lines (default: all)', wholeNumber)
    .addOption(root())
    .action((release: string, service: string | undefined, options: LogsOptions) =>
      run(async (context) =>
        (await import('./commands/operate.ts')).logs(release, service, options, context),
      ),
    );
  command('rollback', 'roll back to an earlier generation')
    .option('--to <generation>', 'generation to return to (default: previous)', positiveInteger)
    .option('--dry-run', 'show the plan without changing anything')
    .addOption(rehash())
    .addOption(root())
    .action((options: RollbackOptions) =>
      run(async (context) =>
        options.dryRun === true
          ? (await import('./commands/plan.ts')).planRollback(options, context)
          : (await import('./commands/apply.ts')).rollback(options, context),
      ),
    );
  command('uninstall [release]', 'stop and remove a release')
    .alias('remove')
    .option('--dry-run', 'show the plan without changing anything')
    .option('--everything', "stop and remove every release, and delete the site's folder")
    .option('--receipt <file>', 'with --everything: file for the last receipt')
    .option('--yes', 'with --everything: do not ask for confirmation')
    .addOption(root())
    .action((release: string | undefined, options: UninstallOptions) =>
      run(async (context) =>
        options.dryRun === true
          ? (await import('./commands/plan.ts')).planUninstall(release, options, context)
          : (await import('./commands/uninstall.ts')).uninstall(release, options, context),
      ),
    );
  const audit = program
    .command('audit')
    .description("verify and show the site's hash-chained ledger");
  addCommand(audit, 'verify', 'verify that the ledger was not edited, truncated or replaced')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) => (await import('./commands/history.ts')).auditVerify(options, context)),
    );
  addCommand(audit, 'show', 'print the ledger, oldest entry first')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) => (await import('./commands/history.ts')).auditShow(options, context)),
    );
}
