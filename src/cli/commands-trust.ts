import type { Command } from 'commander';
import type { KeyOptions } from './commands/signing-key.ts';
import type { TrustApplyOptions } from './commands/trust.ts';
import type { InitOptions, NextOptions } from './commands/trust-draft.ts';
import {
  addCommand,
  fingerprintOption,
  positiveInteger,
  type Run,
  repeatable,
  root,
  withKey,
} from './options.ts';

/** `stowage trust ...`: manages trust documents. */
export function addTrustCommands(program: Command, run: Run): void {
  const trust = program
    .command('trust')
    .description('create, show, sign and apply trust documents');
  const command = (usage: string, about: string): Command => addCommand(trust, usage, about);
  const draft = (made: Command): Command =>
    made
      .addOption(
        repeatable('--release <name>', 'root whose signers may release bundles (repeatable)'),
      )
      .addOption(
        repeatable('--approval <name>', 'root whose signers may approve bundles (repeatable)'),
      )
      .addOption(
        repeatable(
          '--root-role <name>',
          'root whose signers may sign the next document (repeatable)',
        ),
      )
      .addOption(
        repeatable(
          '--threshold <role=number>',
          'number of keys that must sign for a role (repeatable)',
        ),
      )
      .addOption(
        repeatable(
          '--require <role=algorithm>',
          'algorithm that at least one signature of a role must use (repeatable)',
        ),
      )
      .addOption(repeatable('--algorithm <name>', 'accepted signature algorithm (repeatable)'))
      .addOption(repeatable('--channel <name>', 'accepted channel (repeatable)'))
      .addOption(
        repeatable('--seq-floor <product/channel=number>', 'lowest accepted sequence (repeatable)'),
      )
      .addOption(
        repeatable(
          '--rehearsal <channel=days>',
          'maximum age of the rehearsal that releases of a channel need; with :podman also the target (repeatable)',
        ),
      )
      .option(
        '--max-age-days <days>',
        'maximum age of the newest signature of a bundle',
        positiveInteger,
      )
      .option('--expires <date>', 'expiry date, such as 2027-11-21')
      .requiredOption('--output <file>', 'file to write, such as 2.trust.json');
  draft(
    command('init', 'create the first trust document').addOption(
      repeatable('--root <name=file>', 'root certificate, and a name for it (repeatable)'),
    ),
  ).action((options: InitOptions) =>
    run(async (context) => (await import('./commands/trust-draft.ts')).trustInit(options, context)),
  );
  draft(
    command('next <file>', 'create the next version of a trust document')
      .addOption(repeatable('--add-root <name=file>', 'root certificate to add (repeatable)'))
      .addOption(repeatable('--remove-root <name>', 'root to remove (repeatable)'))
      .addOption(
        repeatable(
          '--revoke <issuer:serial=reason>',
          'certificate to revoke, by the SHA-256 of its issuer and its serial number (repeatable)',
        ),
      ),
  ).action((file: string, options: NextOptions) =>
    run(async (context) =>
      (await import('./commands/trust-draft.ts')).trustNext(file, options, context),
    ),
  );
  command('show <file>', 'show the roots, roles and limits of a trust document').action(
    (file: string) =>
      run(async (context) => (await import('./commands/trust.ts')).trustShow(file, context)),
  );
  withKey(command('sign <file>', 'sign a trust document; writes FILE.NAME.p7s')).action(
    (file: string, options: KeyOptions) =>
      run(async (context) =>
        (await import('./commands/trust.ts')).trustSign(file, options, context),
      ),
  );
  command('apply <file>', 'pin a trust document at a site')
    .option(
      '--fingerprint <hex>',
      'SHA-256 of the first trust document of a site, obtained separately, such as on paper',
      fingerprintOption,
    )
    .addOption(root())
    .action((file: string, options: TrustApplyOptions) =>
      run(async (context) =>
        (await import('./commands/trust.ts')).trustApply(file, options, context),
      ),
    );
}
