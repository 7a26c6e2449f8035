import { type Command, Option } from 'commander';
import { targetNames } from '../format/target-name.ts';
import type { FleetInitOptions, FleetSignOptions } from './commands/fleet/folder.ts';
import type { NextOptions } from './commands/fleet/next.ts';
import type { FleetOption } from './commands/fleet/open-fleet.ts';
import type { FleetStatusOptions } from './commands/fleet/overview.ts';
import type { PromoteOptions, RecallOptions } from './commands/fleet/releases.ts';
import type { ScanCommandOptions } from './commands/fleet/scan.ts';
import type { AddSiteOptions, ChangeSiteOptions } from './commands/fleet/sites.ts';
import {
  addCommand,
  fingerprintOption,
  passphraseFd,
  passphraseFile,
  type Run,
  repeatable,
  withKey,
} from './options.ts';

const fleet = (): Option =>
  new Option(
    '--fleet <folder>',
    'folder of the fleet (STOWAGE_FLEET; default: the current folder)',
  );
const label = (about: string): Option => repeatable('--label <name=value>', about);

/** `stowage fleet ...`: the sites that a team releases to. */
export function addFleetCommands(program: Command, run: Run): void {
  const group = program
    .command('fleet')
    .description('keep track of many sites by the receipts that they send home');
  const command = (usage: string, about: string): Command =>
    addCommand(group, usage, about).addOption(fleet());
  addCommand(group, 'init [folder]', 'create the folder of a fleet (default: the current folder)')
    .requiredOption('--name <name>', 'name of the fleet')
    .requiredOption(
      '--trust <file>',
      'trust document or root certificate, whose roles may change the fleet',
    )
    .option(
      '--fingerprint <hex>',
      'SHA-256 of the trust document or root certificate, obtained separately, such as on paper',
      fingerprintOption,
    )
    .action((folder: string | undefined, options: FleetInitOptions) =>
      run(async (context) =>
        (await import('./commands/fleet/folder.ts')).fleetInit(folder, options, context),
      ),
    );
  const described = (made: Command): Command =>
    withKey(made)
      .addOption(new Option('--target <name>', 'what its services run on').choices(targetNames))
      .addOption(label('label of the site (repeatable)'))
      .addOption(repeatable('--channel <name>', 'channel whose releases it takes (repeatable)'))
      .option('--contact <text>', 'whom to ask about the site')
      .option(
        '--fingerprint <hex>',
        "SHA-256 fingerprint of the site's certificate, obtained separately, such as on paper",
        fingerprintOption,
      );
  described(
    command(
      'add-site <receipt>',
      'add the site that signed a receipt, after a person confirmed its key',
    ),
  ).action((receipt: string, options: AddSiteOptions) =>
    run(async (context) =>
      (await import('./commands/fleet/sites.ts')).addSite(receipt, options, context),
    ),
  );
  described(
    command(
      'change-site <site>',
      'change what the fleet records of a site; what is not given stays',
    ),
  )
    .option('--receipt <file>', 'receipt signed with a new key, for a site that lost its old one')
    .addOption(repeatable('--remove-label <name>', 'label to remove (repeatable)'))
    .option('--retire', 'expect nothing of the site any more')
    .action((site: string, options: ChangeSiteOptions) =>
      run(async (context) =>
        (await import('./commands/fleet/sites.ts')).changeSite(site, options, context),
      ),
    );
  command('sites', 'list the sites of the fleet, with the fingerprints of their keys')
    .addOption(label('only sites with this label (repeatable)'))
    .action((options: FleetOption & { readonly label: readonly string[] }) =>
      run(async (context) =>
        (await import('./commands/fleet/sites.ts')).listSites(options, context),
      ),
    );
  command(
    'take <receipt...>',
    'verify and record receipts and key handovers, from files and folders',
  ).action((paths: string[], options: FleetOption) =>
    run(async (context) =>
      (await import('./commands/fleet/folder.ts')).take(paths, options, context),
    ),
  );
  command('check', 'verify every document of the fleet, and build its index anew').action(
    (options: FleetOption) =>
      run(async (context) => (await import('./commands/fleet/folder.ts')).check(options, context)),
  );
  command('status', 'show what every site runs, and what is wrong, as their receipts say')
    .addOption(label('only sites with this label (repeatable)'))
    .option('--release <name[@version]>', 'only sites that run this release')
    .option('--by-release', 'count the sites that run each version')
    .option('--check', 'print one line per problem; exit with 0, 5 (attention) or 6 (failing)')
    .option('--prometheus', 'print metrics in the text format of Prometheus')
    .action((options: FleetStatusOptions) =>
      run(async (context) =>
        (await import('./commands/fleet/overview.ts')).status(options, context),
      ),
    );
  command('show <site>', 'show a site with its alarms and the history of its receipts')
    .option('--all', 'show all receipts')
    .action((site: string, options: FleetOption & { readonly all?: boolean }) =>
      run(async (context) =>
        (await import('./commands/fleet/overview.ts')).show(site, options, context),
      ),
    );
  command(
    'add-release <bundle...>',
    'record the signed lists of bundles; their parts are not read',
  ).action((places: string[], options: FleetOption) =>
    run(async (context) =>
      (await import('./commands/fleet/releases.ts')).addReleases(places, options, context),
    ),
  );
  command('releases', 'list releases with their channels, and where each recall stands').action(
    (options: FleetOption) =>
      run(async (context) =>
        (await import('./commands/fleet/releases.ts')).listReleases(options, context),
      ),
  );
  command('promote <release>', 'give a release, as NAME@VERSION, to the next channel')
    .requiredOption('--to <channel>', 'channel of fleet.yaml that gets the release')
    .option('--check', 'only show what is missing; exit with 0, or 4 if something is')
    .option('--key <file>', 'private key file, PKCS#8 PEM')
    .option('--certificate <file>', 'certificate of the key, PEM or DER')
    .option('--name <name>', 'name of the signature (default: from the certificate)')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .action((release: string, options: PromoteOptions) =>
      run(async (context) =>
        (await import('./commands/fleet/releases.ts')).promote(release, options, context),
      ),
    );
  withKey(command('recall <release>', 'record that versions of a release must no longer run'))
    .requiredOption('--versions <range>', 'versions, such as ">=1.2.0 <1.2.4"')
    .requiredOption('--reason <text>', 'why, for the operators')
    .option('--forward', 'sites upgrade, and do not go back')
    .option('--back-to <version>', 'sites may also go back, to this version or a later one')
    .action((release: string, options: RecallOptions) =>
      run(async (context) =>
        (await import('./commands/fleet/releases.ts')).recall(release, options, context),
      ),
    );
  withKey(
    command(
      'scan [release...]',
      'scan the SBOMs of what the sites run, or of these releases, and record signed advisories',
    ),
  )
    .option('--scanner <program>', 'grype or trivy, in PATH or as a path', 'grype')
    .option('--db <folder>', 'database of the scanner, which is not updated')
    .option(
      '--verdicts <file>',
      'what people say of vulnerabilities (default: verdicts.yaml of the fleet, if there is one)',
    )
    .action((names: string[], options: ScanCommandOptions) =>
      run(async (context) =>
        (await import('./commands/fleet/scan.ts')).scan(names, options, context),
      ),
    );
  command('page <file>', 'write the state of the fleet as a single HTML page')
    .addOption(label('only sites with this label (repeatable)'))
    .action((file: string, options: FleetOption & { label: readonly string[] }) =>
      run(async (context) =>
        (await import('./commands/fleet/overview.ts')).fleetPageTo(file, options, context),
      ),
    );
  command('next [site]', 'show what must travel to a site now, or to each, in which order')
    .addOption(label('only sites with this label (repeatable)'))
    .option(
      '--write <folder>',
      'write the increments and a notice for the site to a new folder, and record that',
    )
    .addOption(repeatable('--from <bundle>', 'with --write: bundle that must travel (repeatable)'))
    .option(
      '--disc-size <size>',
      'with --write: disc size, such as 4.7GB (default: the label disc-size of the site)',
    )
    .option('--key <file>', 'with --write: key that signs the notice, PKCS#8 PEM')
    .option('--certificate <file>', 'with --write: certificate of the key, PEM or DER')
    .addOption(passphraseFile())
    .addOption(passphraseFd())
    .action((site: string | undefined, options: NextOptions) =>
      run(async (context) =>
        (await import('./commands/fleet/next.ts')).next(site, options, context),
      ),
    );
  withKey(
    command('sign <document>', 'add a signature to a document of the fleet that needs several'),
  )
    .addOption(
      new Option('--role <role>', 'what the signature counts for')
        .choices(['release', 'approval'])
        .default('release'),
    )
    .action((document: string, options: FleetSignOptions) =>
      run(async (context) =>
        (await import('./commands/fleet/folder.ts')).fleetSign(document, options, context),
      ),
    );
  command(
    'trust <file>',
    'record the next trust document, signed as the present one requires',
  ).action((file: string, options: FleetOption) =>
    run(async (context) =>
      (await import('./commands/fleet/folder.ts')).fleetTrust(file, options, context),
    ),
  );
}
