import { exitStatus, type StatusName, statusMeanings } from '../core/error.ts';
import { fill } from '../core/text.ts';
import { type Installer, isToolkit } from '../format/installer.ts';
import type { Manifest } from '../format/manifest.ts';
import { siteText } from '../format/site-text.ts';
import { siteRequirements } from './operator-asks.ts';

const COLUMNS = 80;

/**
 * `OPERATOR.txt`: how a person without a network installs a release, from preparation to receipt. Lines indented by
 * four spaces are commands that run in order, in bash, in the bundle's folder; those indented by six apply only in the
 * case described above them. ASCII, at most 80 columns, except where names are longer.
 */
export function operatorText(
  manifest: Manifest,
  installers: readonly Pick<Installer, 'platform' | 'path'>[],
): string {
  const { name, version } = manifest;
  const release = `${name}@${version}`;
  const guide = `${name} ${version}: operator's guide

Type the lines that are indented by four spaces, in order. Lines that are indented by six spaces apply only in the case described above them. If a command fails, it prints what it expected, what it found and what to do. Section 12 explains exit statuses, and "stowage help errors CODE" explains the code that an error shows in brackets. README.txt is the short version of this guide. The program "stowage" is installed in section 4.

Type the commands as root, or as the user whose rootless podman runs the services. A site belongs to one user: no other user can change it.

1. BEFORE YOU TRAVEL

* Verify the media themselves, not the folder that you copied. On the connected machine, with the root certificate of your signers:

      stowage verify /media/stick/${name}-${version} --trust root.pem

* For the first installation at a site, take the root certificate as ROOT.pem and its SHA-256 fingerprint on paper. Carry the paper separately from the media. Later installations need neither.
* Take the phone numbers of the release engineer (for failed tests) and of the security officer (for exit status 10).
* Prepare the host: Linux with podman (4.3 or later) or docker (20.10 or later), the drivers of its GPUs, and enough disk space for this bundle plus a second copy of its images. If the host already has stowage:

      stowage doctor

* If a user's rootless podman will run the services, enable lingering for this user ("loginctl enable-linger USER"). Otherwise systemd stops the services when the user logs out, and does not start them at boot. Stowage does not enable it.

${siteRequirements(manifest)}
2. MOUNT THE MEDIA

Mount the media read-only if you can. Stowage never writes to them. FAT file systems and the mount option noexec are supported.

      mkdir -p /media/stick
      mount -o ro /dev/sdX1 /media/stick

Change to the folder that contains this file. Set the path of the root certificate, and the fingerprint on your paper with all its digits:

    ROOT=/path/to/ROOT.pem
    PAPER='digits-on-the-paper'

3. CHECK BY HAND

Follow steps 1 and 2 of VERIFY.txt: with openssl, they verify the signatures on the list SHA512SUMS. You can leave out steps 3 to 5, because "stowage import" checks every byte as well. Compare the fingerprint that this command shows with the one on your paper, digit by digit:

    openssl x509 -in "$ROOT" -noout -subject -fingerprint -sha256

4. INSTALL THE PROGRAM
${program(installers)}
5. IMPORT

Import the bundle. Stowage copies and verifies every file; running services are not affected. You can interrupt the import and run it again: it resumes where it stopped.

    stowage import . --trust "$ROOT" --fingerprint "$PAPER"

If the site already has a trust document, omit the options. "stowage inspect" shows the contents of the bundle:

      stowage import .
      stowage inspect .

If the bundle is on several discs, import them in any order, one by one or together. Until the last disc is imported, the command exits with status 1 and lists what is missing.

      stowage import /media/disc-2-of-4
      stowage status

To import from a pipe, a tape, or a file in which "stowage stream" recorded the bundle (give the path of that file):

      stowage import - < /dev/nst0

6. WRITE SITE.YAML

The settings of a site are in site.yaml in the site's folder: /var/lib/stowage for root, ~/.local/share/stowage for other users, or what --site or STOWAGE_SITE names. Set the path of that folder:

    SITE=/var/lib/stowage

${settingSteps(manifest)}
7. INSTALL

Review the planned steps and the requirements that they must meet:

    stowage plan ${release} --explain

Then install the release:

    stowage install ${release}

The command starts the services, waits until they are ready, and sends the model its test prompts. If all tests pass, the new generation is kept.

If the site requires signed plans, use these commands instead. The security officer compares the SHA-512 that the first command prints, and signs the plan with the second, on any machine with stowage; PLAN.NAME.p7s, which it writes next to the plan, must be there for the third:

      stowage plan ${release} --output ~/plan.json
      stowage approve ~/plan.json --digest SHA512 --key KEY --certificate CERT
      stowage apply ~/plan.json

8. CHECK THE STATUS

    stowage status

Each service must be "running", with the address where clients on this host reach it. Other words in capitals:

* NOT READY: the service does not answer its readiness check.
* DRIFT: someone changed the service outside stowage; the line names the field.
* RECALLED, NOT TRUSTED: this version must not run any more, or its signer was revoked. The line ends with the next command.
* DAMAGED: a stored file is damaged; section 9 says how to repair it.

To repair changed and stopped services, install the version that "stowage status" shows:

      stowage install ${release}

To restart, stop or start the services, or to read what they wrote (with several services, add the name of one to "logs"). A service that you stopped stays stopped until you start it:

      stowage restart ${name}
      stowage stop ${name}
      stowage start ${name}
      stowage logs ${name} --tail 100

At a site with "target: depot", no service runs. Serve the release to other hosts with "stowage depot", which runs until it is stopped; with --install, it becomes a service of this host.

9. TROUBLESHOOTING

A part is damaged or missing (part-damaged, part-missing, bundle-incomplete). All other files are imported. Clean the disc or try another drive, and import again. If the problem persists, write a repair list and send it to the release engineer:

      stowage repair-list ${name} --output ~/repair.json

The engineer runs "stowage pack --only repair.json --from BUNDLE" and sends you the resulting folder. Import it like a disc. If the bundle has recovery parts, "stowage import" uses them automatically. If the missing discs will never arrive, free the space that the incomplete import takes:

      stowage gc --incomplete

A file does not belong to the bundle (file-unexpected). Another machine added files to the bundle's folder, for example ._names, .DS_Store or Thumbs.db. Find out which machine it was. Then copy the listed files to an empty folder and import that. On one disc of several, cp reports the files of the other discs as missing; this is expected.

      mkdir /var/tmp/bundle
      cp -r SHA512SUMS signatures /var/tmp/bundle/
      cut -c131- SHA512SUMS | xargs cp --parents -t /var/tmp/bundle
      stowage import /var/tmp/bundle

The bundle is not trusted for any other reason (exit status 10). Do not try to work around it. Keep the media, write down the code in brackets, and call the security officer.

A stored file is damaged (blob-damaged). Repair it from the media of the release, check the disk, and restart the services that used it:

      stowage store verify --repair .
      stowage restart ${name}

A test failed (exit status 3). The previous version was restored. The error shows the prompt, the expected and actual answer, the first lines of the service log with an error, and its last lines. It also names the file with the complete log, in the folder logs/ of the site.

The command was killed, or the power failed. Run the same command again. It finishes the change or undoes it. You do not have to clean up.

The host does not meet the requirements (exit status 12). Each line shows what is required and what was found. Nothing was changed. Fix each point and run the command again.

The clock is wrong. "stowage doctor" detects this if the time is impossible. Set the clock and run the command again. Stowage never uses a time that is earlier than the newest signature it has seen.

10. ROLL BACK OR REMOVE

      stowage rollback
      stowage uninstall ${name}
      stowage history
      stowage gc

"rollback" returns to the previous generation, and "rollback --to NUMBER" to one that "history" lists. "gc" deletes files that no rollback needs, and lists what stays and why. "stowage forget NAME@VERSION" deletes the stored files of a release that is not installed; one that is older than the newest import cannot be imported again. With --dry-run, rollback, uninstall, gc and forget only show what they would do.

To remove the site itself, with every release and all stored files, keys, receipts and the ledger, give the path where its last receipt is to be kept. The command asks for the name of the site first. It cannot be undone:

      stowage uninstall --everything --receipt ~/last.json

11. SEND BACK A RECEIPT

A receipt states what the site stores and runs. The site signs it with its own key.

    stowage receipt write
    stowage receipt show
    stowage audit verify

Send back the newest .json and .p7s files from "receipts" in the site's folder. With the first receipt, also send keys/site.pem. None of these contain secrets.

12. EXIT STATUS

  0    success
${exitStatuses()}

13. FILES

In the site's folder, which section 6 names:

  site.yaml     settings of this site, which you edit
  trust.json    the signers that this site trusts
  ledger        tamper-evident log of imports and commands
  notices/      imported notices
  receipts/     a signed statement of each change
  staging/      incomplete imports
  apply/        plan and journal of a change in progress
  store/        every blob, named by its SHA-256
  logs/         the complete logs of services that failed
  bin/stowage   the program from the last installed bundle

The engine keeps the logs of running services, which "stowage logs" prints. Stowage itself has no log file: it prints errors to the screen and records its actions in the ledger ("stowage audit show").

14. SITE.YAML FOR THIS RELEASE

The following lines are a complete site.yaml for this release; section 6 says what to do with them. "stowage help site.yaml" explains every field.

`;
  return `${fill(guide, COLUMNS)}${siteText(manifest, '/var/lib/stowage')}`;
}

/** How to make `site.yaml` of the last section, and the files of the secrets. */
function settingSteps({ name, parameters, secrets }: Manifest): string {
  const required = Object.entries(parameters)
    .filter(([, { default: value }]) => value === undefined)
    .map(([key]) => key)
    .toSorted();
  const optional = Object.keys(parameters)
    .filter((key) => !required.includes(key))
    .toSorted();
  const names = Object.keys(secrets).toSorted();
  const files = names.flatMap((secret) => [
    `      (umask 077 && cat > "$SITE/secrets/${name}/${secret}")`,
  ]);
  return [
    'If there is no site.yaml yet, create it from the last section of this file:',
    '',
    `      sed -n '/^apiVersion:/,$p' OPERATOR.txt > "$SITE/site.yaml"`,
    '      sed -i "s|/var/lib/stowage|$SITE|" "$SITE/site.yaml"',
    '',
    'Otherwise, add the entries below "parameters" and "secrets" of that section to it. Then edit it:',
    '',
    ...(required.length === 0 && names.length === 0 ? ['* This release requires no values.'] : []),
    ...listOf('Set every value that is marked REQUIRED:', required),
    ...listOf(
      `${required.length === 0 ? 'These' : 'Other'} values have a default, which you can change:`,
      optional,
    ),
    '* If the services run on docker, set "target: docker". If this host only serves the release to other hosts and runs no services, set "target: depot". For a Kubernetes cluster, set "target: kubernetes" and its fields, which "stowage help site.yaml" explains.',
    ...(names.length === 0
      ? []
      : [
          '',
          'Write the value of each secret to its file, which only its owner may read: type the value, Enter and Ctrl-D.',
          '',
          `      install -d -m 0700 "$SITE/secrets" "$SITE/secrets/${name}"`,
          ...files,
        ]),
    '',
  ].join('\n');
}

function listOf(title: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`* ${title}`, ...names.map((each) => `  - ${each}`)];
}

function program(installers: readonly Pick<Installer, 'platform' | 'path'>[]): string {
  if (installers.every(isToolkit))
    return `
This bundle contains no installer. Use the program that is already on the host.
${toolkits(installers)}`;
  const own = installers.filter((each) => !isToolkit(each));
  const lines = own.map(
    ({ platform, path }) => `
If "uname -m" prints ${machineOf(platform)}:

    grep ' ${path}$' SHA512SUMS | sha512sum --check --strict
    install -m 0755 ${path} /usr/local/bin/stowage
`,
  );
  return `
The first command must print OK before you type the second.
${lines.join('')}
    stowage doctor

If the shell does not find it, type /usr/local/bin/stowage. A user other than root cannot write there, and copies it to a folder of their own in the PATH.

The program needs glibc 2.28 and libstdc++ 6, but no network. If it does not start, see README.txt.
${toolkits(installers)}`;
}

/** For those who build bundles inside the network; empty if there is no toolkit. */
function toolkits(programs: readonly Pick<Installer, 'platform' | 'path'>[]): string {
  const found = programs.filter(isToolkit);
  if (found.length === 0) return '';
  const lines = found.map(
    ({ platform, path }) => `
If "uname -m" prints ${machineOf(platform)}:

      grep ' ${path}$' SHA512SUMS | sha512sum --check --strict
      install -m 0755 ${path} /usr/local/bin/stowage-toolkit
`,
  );
  return `
This bundle also contains the whole program. Only engineers who build bundles inside this network need it, on the machine on which they build.
${lines.join('')}`;
}

function machineOf(platform: string): string {
  return platform === 'linux/arm64' ? 'aarch64' : 'x86_64';
}

function exitStatuses(): string {
  return (Object.keys(exitStatus) as StatusName[])
    .map((name) => `  ${String(exitStatus[name]).padEnd(5)}${statusMeanings[name]}`)
    .join('\n');
}
