import { type Command, Option } from 'commander';
import type { DiffOptions } from './commands/diff.ts';
import type { InspectOptions } from './commands/inspect.ts';
import type { PkiOptions } from './commands/pki.ts';
import type { SignOptions } from './commands/sign-options.ts';
import type { StreamOptions } from './commands/stream.ts';
import type { VerifyOptions } from './commands/verify.ts';
import {
  addCommand,
  algorithms,
  passphraseFd,
  passphraseFile,
  positiveInteger,
  type Run,
  repeatable,
} from './options.ts';

/** The commands that either side has; the security officer needs no others. */
export function addAnywhereCommands(program: Command, run: Run): void {
  const command = (usage: string, about: string): Command => addCommand(program, usage, about);
  command('pki <folder>', 'make a throwaway root and release certificate, for trials')
    .option('--organization <name>', 'the organization in the certificates', 'Stowage Trial')
    .option('--encrypt', 'encrypt the keys, with a passphrase that is asked for twice')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .action((folder: string, options: PkiOptions) =>
      run(async (context) => (await import('./commands/pki.ts')).pki(folder, options, context)),
    );
  command('sign <bundle>', 'sign a bundle, or countersign it')
    .option('--certificate <file>', "the signer's certificate, in PEM or DER")
    .addOption(
      new Option('--role <role>', 'what the signature is for: it names the file')
        .choices(['release', 'approval'])
        .default('release'),
    )
    .option('--name <name>', 'the name of the signature file (default: from role and certificate)')
    .addOption(
      new Option(
        '--algorithm <name>',
        "the signature algorithm (default: from the certificate's key)",
      ).choices(algorithms),
    )
    .option('--key <file>', 'the private key in a file, PKCS#8 in PEM')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .option(
      '--prepare <file>',
      'for a key elsewhere: write a signing request, and what must be signed to FILE.tbs',
    )
    .option('--attach <file>', 'the request that --prepare wrote: make the signature file')
    .option(
      '--signature <file>',
      'with --attach: the signature that the key made, DER, raw or base64',
    )
    .option('--signer-command <program>', 'a program that signs what it reads from stdin')
    .addOption(
      repeatable('--signer-argument <argument>', 'an argument of that program (repeatable)'),
    )
    .option('--signer-timeout <seconds>', 'how long that program may take', positiveInteger, 120)
    .action((folder: string, options: SignOptions) =>
      run(async (context) => (await import('./commands/sign.ts')).sign(folder, options, context)),
    );
  command('doctor', 'check that this host can do what stowage asks of it').action(() =>
    run(async (context) => (await import('./commands/doctor.ts')).doctor(context)),
  );
  command('inspect <bundle>', 'show what a bundle holds, with sizes, without reading its parts')
    .option(
      '--trust <file>',
      'also check its signatures, against this root certificate or trust document',
    )
    .option('--all', 'show every line of long lists')
    .option('--html <file>', 'also write it as one page, for reading offline and printing')
    .action((folder: string, options: InspectOptions) =>
      run(async (context) =>
        (await import('./commands/inspect.ts')).inspect(folder, options, context),
      ),
    );
  command('diff <from> <to>', 'show what changed between two bundles, or two locks')
    .option(
      '--trust <file>',
      'also check the signatures of both, against this root certificate or trust document',
    )
    .option('--all', 'show every line of long lists')
    .option('--exit-code', 'end with status 1 where the contents differ')
    .action((from: string, to: string, options: DiffOptions) =>
      run(async (context) => (await import('./commands/diff.ts')).diff(from, to, options, context)),
    );
  command('verify <bundle...>', 'check signatures and every byte of a bundle, or of discs')
    .requiredOption('--trust <file>', 'the root certificate, or the trust document')
    .addOption(
      repeatable(
        '--report <file>',
        'write what was checked, as .json or .html by its ending (repeatable)',
      ),
    )
    .option('--report-key <file>', 'sign the JSON report with this key, into FILE.p7s')
    .option('--report-certificate <file>', 'the certificate of that key')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .action((places: string[], options: VerifyOptions) =>
      run(async (context) =>
        (await import('./commands/verify.ts')).verify(places, options, context),
      ),
    );
  command('stream <bundle>', 'write a bundle as one tar, for stowage import - on the other side')
    .option('-o, --output <file>', 'a file, pipe or tape in place of stdout')
    .action((folder: string, options: StreamOptions) =>
      run(async (context) =>
        (await import('./commands/stream.ts')).stream(folder, options, context),
      ),
    );
}
