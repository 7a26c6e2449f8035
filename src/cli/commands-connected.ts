import type { Command } from 'commander';
import { type CommandContext, chosenSite, usage as usageError } from './command.ts';
import type { LockOptions } from './commands/lock.ts';
import type { PackOptions } from './commands/pack.ts';
import type { RehearseOptions } from './commands/rehearsal-files.ts';
import type { AttachRehearsalOptions } from './commands/rehearse.ts';
import type { SplitOptions } from './commands/split.ts';
import type { StoreOptions, StorePruneOptions, StorePullOptions } from './commands/store.ts';
import type { StoreVerifyOptions } from './commands/store-verify.ts';
import {
  addCommand,
  caFile,
  insecure,
  manifestFile,
  positiveInteger,
  type Run,
  repeatable,
  store,
  wholeNumber,
  withReceivers,
  withRepair,
} from './options.ts';

interface ManifestOption {
  readonly file?: string;
}

/** The manifest of the argument or of `--file`. @throws StowageError `usage-invalid` if they differ */
function manifestOf(argument: string | undefined, { file }: ManifestOption): string | undefined {
  if (argument !== undefined && file !== undefined && argument !== file)
    throw usageError('two manifests given', 'an argument or --file', `${argument} and ${file}`);
  return argument ?? file;
}

/** Commands for the release engineer. */
export function addConnectedCommands(program: Command, run: Run): void {
  const command = (usage: string, about: string): Command => addCommand(program, usage, about);
  command('init [manifest]', 'create a commented manifest (default: stowage.yaml)')
    .addOption(manifestFile())
    .option('--from <source>', 'make it from hf://organisation/name, a compose file or a folder')
    .action((file: string | undefined, options: ManifestOption & { readonly from?: string }) =>
      run(async (context) =>
        (await import('./commands/init.ts')).init(manifestOf(file, options), options, context),
      ),
    );
  command('check [manifest]', 'check a manifest for mistakes, without a network')
    .alias('validate')
    .addOption(manifestFile())
    .action((file: string | undefined, options: ManifestOption) =>
      run(async (context) =>
        (await import('./commands/lock.ts')).check(manifestOf(file, options), context),
      ),
    );
  command('lock [manifest]', 'resolve every tag and branch in a manifest to a digest')
    .addOption(manifestFile())
    .addOption(store())
    .addOption(insecure())
    .addOption(caFile())
    .option(
      '--seq <number>',
      'sequence of this lock; needed only if the previous lock was lost',
      positiveInteger,
    )
    .option('--explain', 'for each finding, explain why it matters and what to do')
    .action((file: string | undefined, options: LockOptions & ManifestOption) =>
      run(async (context) =>
        (await import('./commands/lock.ts')).lock(manifestOf(file, options), options, context),
      ),
    );
  withReceivers(command('pack [manifest]', 'pull what the lock lists and build the bundle'))
    .addOption(manifestFile())
    .option(
      '-o, --output <folder>',
      'bundle to create (default: NAME-VERSION next to the manifest)',
    )
    .option(
      '--part-size <size>',
      'split large blobs into parts of this size, such as 512MiB, or "none"',
      '1GiB',
    )
    .option(
      '--disc-size <size>',
      'split the bundle across discs of this size, such as 4.7GB, dvd, dvd-dl, bd or bd-dl',
    )
    .option(
      '--parity <number>',
      'add recovery parts: this many of every 20 parts can be lost and rebuilt',
      positiveInteger,
    )
    .option(
      '--parity-discs <number>',
      'with --disc-size: add this many recovery discs; as many discs can be lost and rebuilt',
      positiveInteger,
    )
    .option('--only <list>', 'pack only the parts in a list written by stowage repair-list')
    .option(
      '--from <bundle>',
      'with --only: copy the parts from this bundle and keep its signatures',
    )
    .option(
      '--trust-chain <folder>',
      'trust documents to include: N.trust.json and their signatures',
    )
    .option(
      '--installer <folder>',
      'installers to include: stowage-linux-x64, stowage-linux-arm64 (default: next to this program)',
    )
    .option(
      '--same-version <reason>',
      'pack changed content under an unchanged version; the reason is recorded in the lock and the bundle',
    )
    .option('--no-installer', 'do not include an installer')
    .option(
      '--toolkit',
      'include the whole program as one executable, for engineers who build bundles inside the network',
    )
    .addOption(insecure())
    .addOption(caFile())
    .action((file: string | undefined, options: PackOptions & ManifestOption) =>
      run(async (context) =>
        (await import('./commands/pack.ts')).pack(manifestOf(file, options), options, context),
      ),
    );
  withReceivers(
    command(
      'split <bundle>',
      'split a bundle across discs, or leave out what sites store; signatures stay valid',
    ),
  )
    .option('--disc-size <size>', 'disc size, such as 4.7GB, dvd, dvd-dl, bd or bd-dl')
    .option(
      '-o, --output <folder>',
      'folder to create (default: BUNDLE-discs, or BUNDLE-increment without --disc-size)',
    )
    .action((folder: string, options: SplitOptions) =>
      run(async (context) => (await import('./commands/split.ts')).split(folder, options, context)),
    );
  command(
    'rehearse [places...]',
    'install a bundle or a manifest in a sealed network, and report what it tries to reach',
  )
    .option('--target <name>', 'what runs the services: podman, docker or kubernetes', 'podman')
    .option('-o, --output <file>', 'document to write (default: NAME-VERSION.rehearsal.json)')
    .option(
      '--settings <file>',
      'a site.yaml, for the parameters and secrets of the release, and its cluster',
    )
    .option(
      '--watch <seconds>',
      'how long to watch the services after the last question',
      wholeNumber,
      15,
    )
    .option('--work <folder>', 'where to make the throw-away site (default: beside the bundle)')
    .option(
      '--listen <address:port>',
      'where nodes of a cluster pull from (default: images.registry of the settings)',
    )
    .option('--tls-certificate <file>', 'the certificate of that depot, in PEM')
    .option('--tls-key <file>', 'its key, in PEM')
    .addOption(store())
    .action((places: readonly string[], options: RehearseOptions) =>
      run(async (context) =>
        (await import('./commands/rehearse.ts')).rehearseCommand(places, options, context),
      ),
    );
  command(
    'attach <bundle> <rehearsal>',
    'put a rehearsal among the attestations of a bundle that is not signed yet',
  )
    .option('--replace', 'in the place of a rehearsal that is attached already')
    .action((bundle: string, rehearsal: string, options: AttachRehearsalOptions) =>
      run(async (context) =>
        (await import('./commands/rehearse.ts')).attachCommand(bundle, rehearsal, options, context),
      ),
    );
  addStoreCommands(program, run);
}

/** `stowage store ...`: manages downloaded blobs. */
function addStoreCommands(program: Command, run: Run): void {
  const group = program.command('store').description('manage downloaded files');
  addCommand(group, 'pull [manifest]', 'pull what the lock lists, without building a bundle')
    .addOption(manifestFile())
    .addOption(store())
    .addOption(insecure())
    .addOption(caFile())
    .action((file: string | undefined, options: StorePullOptions & ManifestOption) =>
      run(async (context) =>
        (await import('./commands/store.ts')).pull(manifestOf(file, options), options, context),
      ),
    );
  addCommand(group, 'list', 'list all blobs and the size of unfinished downloads')
    .alias('ls')
    .addOption(store())
    .action((options: StoreOptions) =>
      run(async (context) => (await import('./commands/store.ts')).list(options, context)),
    );
  withRepair(
    addCommand(
      group,
      'verify',
      'hash every blob and list the damaged ones; with --site (or STOWAGE_SITE), --repair or --repair-list, those of a site',
    ).addOption(store()),
  ).action((options: StoreOptions & StoreVerifyOptions) =>
    run(async (context) =>
      verifiesSite(options, context)
        ? (await import('./commands/store-verify.ts')).storeVerify(options, context)
        : (await import('./commands/store.ts')).verify(options, context),
    ),
  );
  addCommand(
    group,
    'prune',
    'remove abandoned downloads and, with --keep, blobs that no given lock lists',
  )
    .addOption(
      repeatable(
        '--keep <lock>',
        'lock whose blobs are kept; without this option, all blobs are kept (repeatable)',
      ),
    )
    .option('--dry-run', 'show what would be removed, without removing it')
    .addOption(store())
    .action((options: StorePruneOptions) =>
      run(async (context) => (await import('./commands/store.ts')).prune(options, context)),
    );
}

/**
 * Whether `store verify` is about a site and not about the store of this side: by its options, or else by the variables.
 * @throws StowageError `usage-invalid` if it could be either
 */
function verifiesSite(
  options: StoreOptions & StoreVerifyOptions,
  context: CommandContext,
): boolean {
  const { root, repair, repairList } = options;
  const ofSite = [root, repair, repairList].some((each) => each !== undefined);
  if (options.store !== undefined) {
    if (!ofSite) return false;
    throw usageError('conflicting options', '--store, or options of a site', 'both');
  }
  if (ofSite || chosenSite(context, undefined) === undefined) return ofSite;
  if (!context.terminal.env['STOWAGE_STORE']) return true;
  throw usageError('a site or a store', '--site or --store', 'STOWAGE_SITE and STOWAGE_STORE');
}
