import { type Command, Option } from 'commander';
import type { DiffOptions } from './commands/diff.ts';
import type { DoctorOptions } from './commands/doctor.ts';
import type { InspectOptions } from './commands/inspect.ts';
import type { NoticeOptions } from './commands/notice.ts';
import type { PkiOptions } from './commands/pki.ts';
import type { SignOptions } from './commands/signing-key.ts';
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
  root,
  withReceivers,
} from './options.ts';

/** Commands for both sides. A security officer needs no others. */
export function addAnywhereCommands(program: Command, run: Run): void {
  const command = (usage: string, about: string): Command => addCommand(program, usage, about);
  command('pki <folder>', 'create a throwaway root and release certificate, for trials only')
    .option('--organization <name>', 'organization name in the certificates', 'Stowage Trial')
    .addOption(
      new Option('--algorithm <name>', 'algorithm of both keys')
        .choices(['ecdsa-p384-sha384', 'ml-dsa-87'])
        .default('ecdsa-p384-sha384'),
    )
    .option('--encrypt', 'encrypt the private keys; prompts for a passphrase')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .action((folder: string, options: PkiOptions) =>
      run(async (context) => (await import('./commands/pki.ts')).pki(folder, options, context)),
    );
  command('sign <bundle>', 'sign or countersign a bundle')
    .option('--certificate <file>', "signer's certificate, PEM or DER")
    .addOption(
      new Option('--role <role>', 'purpose of the signature; part of its file name')
        .choices(['release', 'approval'])
        .default('release'),
    )
    .option('--name <name>', 'name of the signature file (default: from role and certificate)')
    .option(
      '--trust <file>',
      'also require that this root certificate or trust document accepts the signature',
    )
    .addOption(
      new Option(
        '--algorithm <name>',
        "signature algorithm (default: from the certificate's key)",
      ).choices(algorithms),
    )
    .option('--key <file>', 'private key file, PKCS#8 PEM')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .option(
      '--prepare <file>',
      'for a key held elsewhere: write a signing request, and the bytes to sign to FILE.tbs',
    )
    .option('--attach <file>', 'create the signature file from the request that --prepare wrote')
    .option(
      '--signature <file>',
      'with --attach: the signature made with the key (DER, raw or base64)',
    )
    .option('--signer-command <program>', 'program that signs the bytes it reads from stdin')
    .addOption(
      repeatable('--signer-argument <argument>', 'argument for the signer command (repeatable)'),
    )
    .option('--signer-timeout <seconds>', 'timeout for the signer command', positiveInteger, 120)
    .action((folder: string, options: SignOptions) =>
      run(async (context) => (await import('./commands/sign.ts')).sign(folder, options, context)),
    );
  command('notice <document...>', 'make a notice: a signed folder of documents alone, for sites')
    .requiredOption('--issuer <name>', 'who counts the serials, such as the name of a fleet')
    .requiredOption(
      '--serial <number>',
      'higher than that of every earlier notice of this issuer',
      positiveInteger,
    )
    .addOption(
      repeatable('--to <site>', 'name of a site that it is for (repeatable; default: every site)'),
    )
    .option('-o, --output <folder>', 'folder to write (default: notice-ISSUER-SERIAL)')
    .option('--key <file>', 'private key file, PKCS#8 PEM; without it, sign with stowage sign')
    .option('--certificate <file>', 'certificate of the key, PEM or DER')
    .option('--name <name>', 'name of the signature (default: from the certificate)')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .action((documents: string[], options: NoticeOptions) =>
      run(async (context) =>
        (await import('./commands/notice.ts')).notice(documents, options, context),
      ),
    );
  command('doctor', 'check that this host, and the cluster of its site, can run stowage')
    .option('--role', "print the rights that the site's account needs, to apply with kubectl")
    .addOption(root())
    .action((options: DoctorOptions) =>
      run(async (context) => (await import('./commands/doctor.ts')).doctor(options, context)),
    );
  command('inspect <bundle>', 'show the contents and sizes of a bundle, without reading its parts')
    .option(
      '--trust <file>',
      'also verify the signatures, against this root certificate or trust document',
    )
    .option('--all', 'show long lists in full')
    .option('--html <file>', 'also write the result as a single HTML page')
    .action((folder: string, options: InspectOptions) =>
      run(async (context) =>
        (await import('./commands/inspect.ts')).inspect(folder, options, context),
      ),
    );
  command('diff <from> <to>', 'show the differences between two bundles or two locks')
    .option(
      '--trust <file>',
      'also verify the signatures of both, against this root certificate or trust document',
    )
    .option('--all', 'show long lists in full')
    .option('--exit-code', 'exit with status 1 if the contents differ')
    .action((from: string, to: string, options: DiffOptions) =>
      run(async (context) => (await import('./commands/diff.ts')).diff(from, to, options, context)),
    );
  command(
    'verify <bundle...>',
    'verify the signatures and every byte of a bundle, or of some of its discs',
  )
    .requiredOption('--trust <file>', 'root certificate or trust document')
    .option('--partial', 'accept that parts are missing, as in an increment, and state how many')
    .addOption(
      repeatable(
        '--report <file>',
        'write a verification report, as .json or .html by its extension (repeatable)',
      ),
    )
    .option('--report-key <file>', 'sign the JSON report with this key; writes FILE.p7s')
    .option('--report-certificate <file>', 'certificate of the report key')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .action((places: string[], options: VerifyOptions) =>
      run(async (context) =>
        (await import('./commands/verify.ts')).verify(places, options, context),
      ),
    );
  withReceivers(
    command('stream <bundle>', 'write a bundle as a tar stream, for "stowage import -" at a site'),
  )
    .option('-o, --output <file>', 'write to a file, pipe or tape instead of stdout')
    .action((folder: string, options: StreamOptions) =>
      run(async (context) =>
        (await import('./commands/stream.ts')).stream(folder, options, context),
      ),
    );
}
