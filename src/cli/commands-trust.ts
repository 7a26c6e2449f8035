import type { Command } from 'commander';
import type { KeyOptions } from './commands/signing-key.ts';
import type { TrustApplyOptions } from './commands/trust-apply.ts';
import type { InitOptions, NextOptions } from './commands/trust-draft.ts';
import { addCommand, positiveInteger, type Run, repeatable, root, withKey } from './options.ts';

/** `stowage trust ...`: documents that say whose signatures count. */
export function addTrustCommands(program: Command, run: Run): void {
  const trust = program.command('trust').description('make, show, sign and pin trust documents');
  const command = (usage: string, about: string): Command => addCommand(trust, usage, about);
  const draft = (made: Command): Command =>
    made
      .addOption(
        repeatable('--release <name>', 'a root whose signers release bundles (repeatable)'),
      )
      .addOption(repeatable('--approval <name>', 'a root whose signers approve them (repeatable)'))
      .addOption(
        repeatable(
          '--root-role <name>',
          'a root whose signers sign the next document (repeatable)',
        ),
      )
      .addOption(
        repeatable('--threshold <role=number>', 'how many keys a role needs, from 1 (repeatable)'),
      )
      .addOption(
        repeatable('--require <role=algorithm>', 'what must be among its signatures (repeatable)'),
      )
      .addOption(repeatable('--algorithm <name>', 'an algorithm that may count (repeatable)'))
      .addOption(repeatable('--channel <name>', 'a channel that may enter (repeatable)'))
      .addOption(
        repeatable('--seq-floor <product/channel=number>', 'the lowest number that may enter'),
      )
      .option('--max-age-days <days>', 'how old the newest signature may be', positiveInteger)
      .option('--expires <date>', 'when it ends, such as 2027-11-21')
      .requiredOption('--output <file>', 'the document to write, such as 2.trust.json');
  draft(
    command('init', 'write the first trust document').addOption(
      repeatable('--root <name=file>', 'a root certificate (repeatable)'),
    ),
  ).action((options: InitOptions) =>
    run(async (context) => (await import('./commands/trust-draft.ts')).trustInit(options, context)),
  );
  draft(
    command('next <file>', 'write the document that follows another')
      .addOption(repeatable('--add-root <name=file>', 'a further root certificate (repeatable)'))
      .addOption(repeatable('--remove-root <name>', 'a root that goes (repeatable)'))
      .addOption(
        repeatable(
          '--revoke <issuer:serial=reason>',
          'a certificate that counts no more, by SHA-256 of its issuer (repeatable)',
        ),
      ),
  ).action((file: string, options: NextOptions) =>
    run(async (context) =>
      (await import('./commands/trust-draft.ts')).trustNext(file, options, context),
    ),
  );
  command('show <file>', 'show whom a trust document trusts with what').action((file: string) =>
    run(async (context) => (await import('./commands/trust-show.ts')).trustShow(file, context)),
  );
  withKey(command('sign <file>', 'sign a trust document, into FILE.NAME.p7s beside it')).action(
    (file: string, options: KeyOptions) =>
      run(async (context) =>
        (await import('./commands/trust-sign.ts')).trustSign(file, options, context),
      ),
  );
  command('apply <file>', 'pin a trust document at a site')
    .option('--fingerprint <hex>', 'its SHA-256, as on paper, for the first of a site')
    .addOption(root())
    .action((file: string, options: TrustApplyOptions) =>
      run(async (context) =>
        (await import('./commands/trust-apply.ts')).trustApply(file, options, context),
      ),
    );
}
