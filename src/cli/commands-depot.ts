import { type Command, Option } from 'commander';
import { MIB } from '../core/limits.ts';
import { engines } from '../depot/mirror-config.ts';
import { DEFAULT_NAME_RULE } from '../push/name-rule.ts';
import type { DepotCommandOptions, DepotExportOptions } from './commands/depot.ts';
import type { ExportCommandOptions } from './commands/export.ts';
import type { PushCommandOptions } from './commands/push.ts';
import {
  addCommand,
  caFile,
  type Run,
  repeatable,
  root,
  sizeOption,
  withReceivers,
} from './options.ts';

/** Commands that pass on what a site imported. */
export function addDeliveryCommands(program: Command, run: Run): void {
  const command = (usage: string, about: string): Command => addCommand(program, usage, about);
  command('depot', 'serve imported releases as a read-only OCI registry and Hugging Face Hub')
    .option(
      '--listen <address:port>',
      'address and port to listen on; port 0 selects a free port',
      '127.0.0.1:5080',
    )
    .addOption(
      repeatable(
        '--release <release>',
        'serve only this release: NAME or NAME@VERSION (repeatable)',
      ),
    )
    .option('--tls-certificate <file>', 'TLS certificate and its intermediates, PEM')
    .option('--tls-key <file>', 'private key of the TLS certificate, PEM')
    .option(
      '--token-file <file>',
      'require a token from this file, with lines of NAME:TOKEN or NAME:sha256=HEX',
    )
    .option(
      '--hub-path <path>',
      'also serve the Hub below this path, such as /hub, for a proxy that does not strip it',
    )
    .option('--access-log <file>', 'file for the access log (default: stderr)')
    .option('--modelcars', 'build all modelcar images before listening instead of on first request')
    .addOption(
      new Option(
        '--print-config <engine>',
        'print the configuration that makes an engine use the depot as a mirror, and exit',
      ).choices(engines),
    )
    .option('--as <host:port>', 'with --print-config: host and port that clients use for the depot')
    .option(
      '--ca-file <file>',
      'with --print-config: the CA that issued the certificate of the depot, PEM',
    )
    .option('--install', 'make the depot, with these options, a service of this host (systemd)')
    .option('--uninstall', 'stop that service and remove it')
    .option(
      '--dry-run',
      'with --install, --uninstall: show what would be written, and change nothing',
    )
    .option('--yes', 'with --install, --uninstall: do not ask for confirmation')
    .addOption(root())
    .action((options: DepotCommandOptions) =>
      run(async (context) => (await import('./commands/depot.ts')).depot(options, context)),
    );
  command(
    'push <release> <registry>',
    'push the images, models and files of a release to a registry',
  )
    .option(
      '--name-rule <rule>',
      'pattern for repository names, from {release}, {version}, {name}, {path}, {registry}',
      DEFAULT_NAME_RULE,
    )
    .addOption(
      new Option('--chunk-size <size>', 'size of one upload request')
        .argParser(sizeOption)
        .default(64 * MIB, '64MiB'),
    )
    .option(
      '--max-layer-size <size>',
      'fail before uploading if a blob is larger than this',
      sizeOption,
    )
    .option('--modelcars', 'also push models and files as images (NAME-car)')
    .option(
      '--bundle',
      'push the bundle itself to oci://registry/repository[:tag], for stowage import on other hosts',
    )
    .option('--insecure', 'allow plain HTTP (always allowed for a registry on this machine)')
    .addOption(caFile())
    .addOption(root())
    .action((release: string, registry: string, options: PushCommandOptions) =>
      run(async (context) =>
        (await import('./commands/push.ts')).push(release, registry, options, context),
      ),
    );
  withReceivers(
    command(
      'export <release>',
      'write an imported bundle again for another network, with its first signatures',
    )
      .requiredOption('--to <folder>', 'folder to write; it must not exist')
      .option(
        '--disc-size <size>',
        'split it across discs, such as 4.7GB, dvd, dvd-dl, bd or bd-dl',
      ),
    root(),
  ).action((release: string, options: ExportCommandOptions) =>
    run(async (context) =>
      (await import('./commands/export.ts')).exportCommand(release, options, context),
    ),
  );
}

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
