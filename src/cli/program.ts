import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { PRODUCT, PRODUCT_VERSION } from '../core/product.ts';
import type { AlgorithmName } from '../format/trust.ts';
import type { CommandContext, CommandResult } from './command.ts';
import type { PackOptions } from './commands/pack.ts';
import type { PkiOptions } from './commands/pki.ts';
import type { SignOptions } from './commands/sign-options.ts';
import type { TrustApplyOptions } from './commands/trust-apply.ts';
import type { InitOptions, NextOptions } from './commands/trust-draft.ts';
import type { TrustSignOptions } from './commands/trust-sign.ts';
import type { VerifyOptions } from './commands/verify.ts';
import type { Terminal } from './terminal.ts';

/** Runs what a command does, shows its result or its error, and sets the exit status. */
export type Run = (action: (context: CommandContext) => Promise<CommandResult>) => Promise<void>;

const EXIT_HELP = `
Exit status: 0 done, 1 failed, 2 usage, 3 rolled back, 10 not trusted, 11 locked, 12 host unfit, 130 interrupted.
Results go to stdout, everything else to stderr; --json after any command gives data for programs.`;

const algorithms: readonly AlgorithmName[] = [
  'ecdsa-p384-sha384',
  'rsa-pkcs1-sha384',
  'rsa-pss-sha384',
  'ml-dsa-87',
];

const store = (): Option =>
  new Option('--store <folder>', 'where pulled blobs are kept (STOWAGE_STORE)');
const root = (): Option => new Option('--root <folder>', "the site's folder (STOWAGE_ROOT)");
const repeatable = (flags: string, about: string): Option =>
  new Option(flags, about)
    .default([] as string[], 'none')
    .argParser((value: string, before: string[]) => [...before, value]);
const insecure = (): Option =>
  repeatable('--insecure-registry <host>', 'a registry to ask over plain http (repeatable)');
const passphraseFile = (): Option =>
  new Option('--passphrase-file <file>', 'holds the passphrase of the key on its first line');
const passphraseFd = (): Option =>
  new Option(
    '--passphrase-fd <number>',
    'a file descriptor to read that line from, such as 0',
  ).argParser(descriptor);

/** Every command on one page; what each does is loaded when it is called. */
export function createProgram(terminal: Terminal, run: Run): Command {
  const program = new Command(PRODUCT)
    .description('carry open-weight AI into networks that have no way out')
    .version(PRODUCT_VERSION)
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text.replace(/^error: /, 'stowage: error: ')),
    })
    .exitOverride()
    .showHelpAfterError('  hint: stowage help names the commands and their options')
    .addHelpText('after', EXIT_HELP);
  const command = (usage: string, about: string): Command =>
    program.command(usage).description(about).option('--json', 'print the result as JSON');

  program.commandsGroup('Connected side:');
  command(
    'init [manifest]',
    'write a commented manifest to start from (default: stowage.yaml)',
  ).action((file?: string) =>
    run(async (context) => (await import('./commands/init.ts')).init(file, context)),
  );
  command('lock [manifest]', 'replace every tag and branch of a manifest by digests')
    .addOption(store())
    .addOption(insecure())
    .option(
      '--seq <number>',
      'the number of this lock, where the one before it is lost',
      positiveInteger,
    )
    .action(
      (
        file: string | undefined,
        options: { store?: string; insecureRegistry: string[]; seq?: number },
      ) =>
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
    .option('--trust-chain <folder>', 'trust documents to carry: N.trust.json and their signatures')
    .addOption(store())
    .addOption(insecure())
    .action((file: string | undefined, options: PackOptions) =>
      run(async (context) => (await import('./commands/pack.ts')).pack(file, options, context)),
    );

  program.commandsGroup('Anywhere:');
  command('pki <folder>', 'make a throwaway root and release certificate, for trials')
    .option('--organization <name>', 'whose they are', 'Stowage Trial')
    .option('--encrypt', 'encrypt the keys, with a passphrase that is asked for twice')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .action((folder: string, options: PkiOptions) =>
      run(async (context) => (await import('./commands/pki.ts')).pki(folder, options, context)),
    );
  command('sign <bundle>', 'sign a bundle, or countersign it')
    .option('--certificate <file>', 'whose signature it will be, in PEM or DER')
    .addOption(
      new Option('--role <role>', 'what the signature is for: it names the file')
        .choices(['release', 'approval'])
        .default('release'),
    )
    .option('--name <name>', 'the name of the signature file (default: from role and certificate)')
    .addOption(
      new Option('--algorithm <name>', "not the default of the certificate's key").choices(
        algorithms,
      ),
    )
    .option('--key <file>', 'the private key in a file, PKCS#8 in PEM')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .option('--prepare <file>', 'write what a key elsewhere must sign, here and to FILE.tbs')
    .option('--attach <file>', 'make the signature file of what --prepare wrote')
    .option('--signature <file>', 'with --attach: what the key answered, DER, raw or base64')
    .option('--signer-command <program>', 'a program that signs what it reads')
    .addOption(
      repeatable('--signer-argument <argument>', 'an argument of that program (repeatable)'),
    )
    .option('--signer-timeout <seconds>', 'how long it may take', positiveInteger, 120)
    .action((folder: string, options: SignOptions) =>
      run(async (context) => (await import('./commands/sign.ts')).sign(folder, options, context)),
    );
  command('doctor', 'check that this host can do what stowage asks of it').action(() =>
    run(async (context) => (await import('./commands/doctor.ts')).doctor(context)),
  );
  command('inspect <bundle>', 'show what a bundle holds')
    .option(
      '--trust <file>',
      'also check its signatures, against this root certificate or trust document',
    )
    .action((folder: string, options: { trust?: string }) =>
      run(async (context) =>
        (await import('./commands/inspect.ts')).inspect(folder, options, context),
      ),
    );
  command('verify <bundle>', 'check signatures and every byte of a bundle')
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
    .action((folder: string, options: VerifyOptions) =>
      run(async (context) =>
        (await import('./commands/verify.ts')).verify(folder, options, context),
      ),
    );

  addTrustCommands(
    program.command('trust').description('make, show, sign and pin trust documents'),
    run,
  );

  program.commandsGroup('Site:');
  command(
    'install <bundle>',
    'verify, stage, run and prove a bundle; put back what was there if it does not answer',
  )
    .option('--trust <file>', 'the root certificate, at the first install of a site')
    .option('--fingerprint <hex>', 'its SHA-256 fingerprint, as on paper')
    .option(
      '--accept-age <reason>',
      'let a bundle in whose age alone is against it; kept in the ledger',
    )
    .addOption(root())
    .action(
      (
        folder: string,
        options: { trust?: string; fingerprint?: string; acceptAge?: string; root?: string },
      ) =>
        run(async (context) =>
          (await import('./commands/install.ts')).install(folder, options, context),
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
  audit
    .command('verify')
    .description('check that the ledger was neither edited, cut nor replaced')
    .option('--json', 'print the result as JSON')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) => (await import('./commands/audit.ts')).auditVerify(options, context)),
    );
  audit
    .command('show')
    .description('print what the ledger says, oldest first')
    .option('--json', 'print the result as JSON')
    .addOption(root())
    .action((options: { root?: string }) =>
      run(async (context) => (await import('./commands/audit.ts')).auditShow(options, context)),
    );
  return program;
}

function addTrustCommands(trust: Command, run: Run): void {
  const command = (usage: string, about: string): Command =>
    trust.command(usage).description(about).option('--json', 'print the result as JSON');
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
  command('sign <file>', 'sign a trust document, into FILE.NAME.p7s beside it')
    .requiredOption('--key <file>', 'the private key, PKCS#8 in PEM')
    .requiredOption('--certificate <file>', 'its certificate, in PEM or DER')
    .option('--name <name>', 'the name of the signature (default: from the certificate)')
    .addOption(
      new Option('--algorithm <name>', "not the default of the certificate's key").choices(
        algorithms,
      ),
    )
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .action((file: string, options: TrustSignOptions) =>
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

/** Whether commander ended by itself, and with which status: help and version are 0, the rest is usage. */
export function commanderStatus(error: unknown): number | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  return error.exitCode === 0 ? 0 : 2;
}

function descriptor(text: string): number {
  if (/^(?:0|[1-9][0-9]{0,5})$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected the number of an open descriptor');
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a whole number from 1');
}
