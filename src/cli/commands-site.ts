import { type Command, Option } from 'commander';
import { MIB } from '../core/limits.ts';
import { engines } from '../depot/mirror-config.ts';
import { DEFAULT_NAME_RULE } from '../push/name-rule.ts';
import type { ApproveOptions } from './commands/approve.ts';
import type { DepotCommandOptions } from './commands/depot.ts';
import type { GcOptions } from './commands/gc.ts';
import type { InstallOptions } from './commands/install.ts';
import type { OverrideOptions } from './commands/override.ts';
import type { PlanOptions } from './commands/plan.ts';
import type { PushCommandOptions } from './commands/push.ts';
import type { ReceiptShowOptions } from './commands/receipt.ts';
import type { RepairListOptions } from './commands/repair-list.ts';
import type { UninstallOptions } from './commands/uninstall.ts';
import {
  addCommand,
  caFile,
  positiveInteger,
  type Run,
  repeatable,
  root,
  sizeOption,
  wholeNumber,
  withKey,
} from './options.ts';

/** The commands of the operator. */
export function addSiteCommands(program: Command, run: Run): void {
  const command = (usage: string, about: string): Command => addCommand(program, usage, about);
  const taking = (made: Command): Command =>
    made
      .option('--trust <file>', 'the root certificate or trust document, while the site has none')
      .option('--fingerprint <hex>', 'its SHA-256 fingerprint, as on paper')
      .option(
        '--accept-age <reason>',
        'let a bundle in whose age alone is against it; kept in the ledger',
      )
      .addOption(root());
  taking(
    command(
      'import <bundle...>',
      'verify and stage a bundle or some of its discs (- for stdin); change nothing that runs',
    ),
  ).action((places: string[], options: InstallOptions) =>
    run(async (context) =>
      (await import('./commands/import.ts')).importCommand(places, options, context),
    ),
  );
  taking(
    command(
      'install <bundle...>',
      'verify, stage and run a bundle (- for stdin), or a release that was imported; if it does not answer as it should, what ran before runs again',
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
  command('plan [release]', 'show what a change would do, and whether it may; changes nothing')
    .option('--rollback', 'plan a return to an earlier generation')
    .option(
      '--to <generation>',
      'with --rollback: the generation to return to (default: the one before)',
      positiveInteger,
    )
    .option('--uninstall', 'plan to take the release off the site')
    .option('--explain', 'show every constraint, satisfied or not')
    .option('--output <file>', 'write the plan, to be approved and applied')
    .addOption(root())
    .action((release: string | undefined, options: PlanOptions) =>
      run(async (context) => (await import('./commands/plan.ts')).plan(release, options, context)),
    );
  command('override <rule>', 'let a constraint be violated for a while, in an emergency')
    .requiredOption('--by <who>', 'who answers for it; kept in the ledger')
    .requiredOption('--reason <why>', 'why; kept in the ledger')
    .requiredOption(
      '--until <moment>',
      'when it ends, such as 2026-11-21T18:00:00Z: 7 days at most',
    )
    .addOption(root())
    .action((rule: string, options: OverrideOptions) =>
      run(async (context) =>
        (await import('./commands/override.ts')).override(rule, options, context),
      ),
    );
  withKey(
    command(
      'approve <plan>',
      'approve a plan: sign it, into PLAN.NAME.p7s beside it',
    ).requiredOption('--digest <hex>', 'the SHA-512 of the plan that was read'),
  ).action((file: string, options: ApproveOptions) =>
    run(async (context) => (await import('./commands/approve.ts')).approve(file, options, context)),
  );
  command('apply <plan>', 'carry out a plan, if nothing changed since it was made')
    .addOption(root())
    .action((file: string, options: { root?: string }) =>
      run(async (context) => (await import('./commands/apply.ts')).apply(file, options, context)),
    );
  command('history', 'show what was done at the site, and the generations it can return to')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) => (await import('./commands/history.ts')).history(options, context)),
    );
  command('gc', "remove from the site's store what no rollback needs")
    .option('--keep <number>', 'generations before the current one that stay', wholeNumber, 2)
    .option('--incomplete', 'also what came of bundles that never became whole')
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .addOption(root())
    .action((options: GcOptions) =>
      run(async (context) => (await import('./commands/gc.ts')).gc(options, context)),
    );
  const receipt = program.command('receipt').description("the site's signed statements");
  addCommand(receipt, 'show [file]', "check and show a receipt (default: the site's newest)")
    .option('--fingerprint <hex>', "the SHA-256 of the site's certificate, as on paper")
    .addOption(root())
    .action((file: string | undefined, options: ReceiptShowOptions) =>
      run(async (context) =>
        (await import('./commands/receipt.ts')).receiptShow(file, options, context),
      ),
    );
  addCommand(receipt, 'write', 'write a receipt of what the site holds and runs now')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) =>
        (await import('./commands/receipt.ts')).receiptWrite(options, context),
      ),
    );
  command('status', 'show what the site runs')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) => (await import('./commands/status.ts')).status(options, context)),
    );
  command('rollback', 'return to an earlier generation')
    .option(
      '--to <generation>',
      'the generation to return to (default: the one before)',
      positiveInteger,
    )
    .addOption(root())
    .action((options: { to?: number; root?: string }) =>
      run(async (context) => (await import('./commands/rollback.ts')).rollback(options, context)),
    );
  command('uninstall [release]', 'take a release off the site')
    .option(
      '--everything',
      "take every release off, and the site's own folder with all it remembers",
    )
    .option('--receipt <file>', 'with --everything: where the last receipt goes')
    .addOption(root())
    .action((release: string | undefined, options: UninstallOptions) =>
      run(async (context) =>
        (await import('./commands/uninstall.ts')).uninstall(release, options, context),
      ),
    );
  command('depot', 'serve what was imported: an OCI registry and a Hugging Face Hub, read-only')
    .option(
      '--listen <address:port>',
      'address and port; port 0 takes a free one',
      '127.0.0.1:5080',
    )
    .addOption(
      repeatable('--release <name>', 'serve only this release: NAME or NAME@VERSION (repeatable)'),
    )
    .option('--tls-certificate <file>', 'the certificate for TLS, in PEM, with its intermediates')
    .option('--tls-key <file>', 'its private key, in PEM')
    .option('--token-file <file>', 'who may ask: lines of NAME:TOKEN or NAME:sha256=HEX')
    .option(
      '--hub-path <path>',
      'also answer as a Hub below this path, such as /hub, behind a proxy that keeps it',
    )
    .option('--access-log <file>', 'where a line for each answer goes (default: stderr)')
    .option(
      '--modelcars',
      'calculate all modelcar images before listening, not when first asked for',
    )
    .addOption(
      new Option(
        '--print-config <engine>',
        'print what makes an engine ask the depot for original references, and end',
      ).choices(engines),
    )
    .option('--as <host:port>', 'with --print-config: what clients call the depot')
    .addOption(root())
    .action((options: DepotCommandOptions) =>
      run(async (context) => (await import('./commands/depot.ts')).depot(options, context)),
    );
  command('push <release> <registry>', 'copy images, models and files into a registry of the site')
    .option(
      '--name-rule <rule>',
      'how repositories are named there: {release}, {version}, {name}, {path}, {registry}',
      DEFAULT_NAME_RULE,
    )
    .addOption(
      new Option('--chunk-size <size>', 'the size of one request')
        .argParser(sizeOption)
        .default(64 * MIB, '64MiB'),
    )
    .option(
      '--max-layer-size <size>',
      'refuse, before the first byte, a blob that is larger',
      sizeOption,
    )
    .option('--modelcars', 'push models as images, too')
    .option('--insecure', 'speak plain http with the registry')
    .addOption(caFile())
    .addOption(root())
    .action((release: string, registry: string, options: PushCommandOptions) =>
      run(async (context) =>
        (await import('./commands/push.ts')).push(release, registry, options, context),
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
