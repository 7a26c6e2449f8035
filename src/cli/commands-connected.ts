import type { Command } from 'commander';
import type { LockOptions } from './commands/lock.ts';
import type { PackOptions } from './commands/pack.ts';
import type { SplitOptions } from './commands/split.ts';
import type { StoreOptions, StorePruneOptions, StorePullOptions } from './commands/store.ts';
import {
  addCommand,
  caFile,
  insecure,
  positiveInteger,
  type Run,
  repeatable,
  store,
} from './options.ts';

/** The commands of the release engineer. */
export function addConnectedCommands(program: Command, run: Run): void {
  const command = (usage: string, about: string): Command => addCommand(program, usage, about);
  command(
    'init [manifest]',
    'write a commented manifest to start from (default: stowage.yaml)',
  ).action((file?: string) =>
    run(async (context) => (await import('./commands/init.ts')).init(file, context)),
  );
  command('lock [manifest]', 'replace every tag and branch of a manifest by digests')
    .addOption(store())
    .addOption(insecure())
    .addOption(caFile())
    .option(
      '--seq <number>',
      'the sequence number of this lock, where the lock before it is lost',
      positiveInteger,
    )
    .option('--explain', 'say of each finding why it matters and what to do')
    .action((file: string | undefined, options: LockOptions) =>
      run(async (context) => (await import('./commands/lock.ts')).lock(file, options, context)),
    );
  command('pack [manifest]', 'pull what the lock names and write the bundle')
    .option(
      '-o, --output <folder>',
      'the bundle to write (default: NAME-VERSION beside the manifest)',
    )
    .option(
      '--part-size <size>',
      'size of the parts, such as 512MiB, or "none" for whole blobs',
      '1GiB',
    )
    .option(
      '--disc-size <size>',
      'deal the bundle to discs of this size, such as 25GB, 23GiB, dvd or bd25',
    )
    .option(
      '--parity <number>',
      'recovery parts: so many of every 20 parts may be lost',
      positiveInteger,
    )
    .option(
      '--parity-discs <number>',
      'with --disc-size: so many recovery discs; as many discs may be lost',
      positiveInteger,
    )
    .option('--only <list>', 'only the parts on a list that stowage repair-list wrote')
    .option('--from <bundle>', 'with --only: take them from this bundle, with its signatures')
    .option('--trust-chain <folder>', 'trust documents to carry: N.trust.json and their signatures')
    .option(
      '--installer <folder>',
      'the installers to carry: stowage-linux-x64, stowage-linux-arm64 (default: beside this program)',
    )
    .option('--no-installer', 'carry no installer')
    .addOption(store())
    .addOption(insecure())
    .addOption(caFile())
    .action((file: string | undefined, options: PackOptions) =>
      run(async (context) => (await import('./commands/pack.ts')).pack(file, options, context)),
    );
  command('split <bundle>', 'deal a bundle to discs; its signatures hold for each')
    .requiredOption('--disc-size <size>', 'the size of a disc, such as 25GB, 23GiB, dvd or bd25')
    .option('-o, --output <folder>', 'where the discs are written (default: BUNDLE-discs)')
    .action((folder: string, options: SplitOptions) =>
      run(async (context) => (await import('./commands/split.ts')).split(folder, options, context)),
    );
  addStoreCommands(program, run);
}

/** `stowage store ...`: the blobs that were pulled. */
function addStoreCommands(program: Command, run: Run): void {
  const group = program.command('store').description('look after the blobs that were pulled');
  addCommand(group, 'pull [manifest]', 'pull what the lock names, and pack nothing')
    .addOption(store())
    .addOption(insecure())
    .addOption(caFile())
    .action((file: string | undefined, options: StorePullOptions) =>
      run(async (context) => (await import('./commands/store.ts')).pull(file, options, context)),
    );
  addCommand(group, 'list', 'list every blob, and what is not whole yet')
    .addOption(store())
    .action((options: StoreOptions) =>
      run(async (context) => (await import('./commands/store.ts')).list(options, context)),
    );
  addCommand(group, 'verify', 'hash every blob and name those that changed')
    .addOption(store())
    .action((options: StoreOptions) =>
      run(async (context) => (await import('./commands/store.ts')).verify(options, context)),
    );
  addCommand(
    group,
    'prune',
    'remove unfinished downloads of runs that ended, and blobs that no lock to keep names',
  )
    .addOption(
      repeatable('--keep <lock>', 'a lock whose blobs stay; without one, all do (repeatable)'),
    )
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .addOption(store())
    .action((options: StorePruneOptions) =>
      run(async (context) => (await import('./commands/store.ts')).prune(options, context)),
    );
}
