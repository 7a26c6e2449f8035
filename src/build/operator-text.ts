import { exitStatus, type StatusName, statusMeanings } from '../core/error-table.ts';
import type { Installer } from '../format/installer.ts';
import type { Manifest } from '../format/manifest.ts';
import { siteRequirements } from './operator-asks.ts';

/**
 * `OPERATOR.txt`: a release at a site from the drive to the receipt, for a person without a network. Commands on
 * lines indented by four spaces run one after another, in bash inside the bundle's folder; those indented by six
 * are for the case that stands above them. ASCII, at most 80 columns but for names that are longer.
 */
export function operatorText(
  manifest: Manifest,
  installers: readonly Pick<Installer, 'platform' | 'path'>[],
): string {
  const { name, version } = manifest;
  const release = `${name}@${version}`;
  return `${name} ${version}: the operator's guide

Lines indented by four spaces are typed as they stand, in this order. Lines
indented by six are for the case that stands above them. A command that fails
says what it expected, what it found and what to do; its last status is not 0,
and section 11 says what the number means. README.txt is the short form of this
page. "stowage" below is the program of section 4; "stowage help errors CODE"
explains the code that an error shows in brackets.

1. BEFORE THE WAY

* Read the media back, not the folder that they were copied from. Where they
  were written, with the root certificate of who signs:

      stowage verify /media/stick/${name}-${version} --trust root.pem

* The root certificate as ROOT.pem, and its SHA-256 fingerprint on paper. Both
  travel by another way than the media. A site that ran a release of the same
  signers before needs neither.
* The names of two people whom you can call: the release engineer for what the
  model answers, the security officer for anything with exit status 10.
* The host, ahead of time: Linux, podman 4.3 or docker 20.10 or later, the
  driver of its GPUs, room for this bundle, and once more for its images. On a
  host that has the program:

      stowage doctor

${siteRequirements(manifest)}
2. IN THE DRIVE

Mount the media read-only where you can: nothing is written to them, and nothing
that another machine left there is let pass. noexec and FAT are fine.

      mount -o ro /dev/sdX1 /media/stick

Begin in the folder that holds this file, with your own path and digits:

    ROOT=/path/to/ROOT.pem
    PAPER=digits-on-the-paper

3. BY HAND

Steps 1 and 2 of VERIFY.txt with openssl show that the list SHA512SUMS is what
was signed. All five steps check every byte; "stowage import" does so too.

    openssl x509 -in "$ROOT" -noout -subject -fingerprint -sha256

4. THE PROGRAM
${program(installers)}
5. TAKE IT IN

Import reads everything, checks everything, and changes nothing that runs. It
can be broken off and run again; what was finished is not read again.

    stowage import . --trust "$ROOT" --fingerprint "$PAPER"

A site that has its trust document already takes it from there, and what the
bundle holds can be seen before:

      stowage import .
      stowage inspect .

Several discs: one after another, in any order, or all at once. It ends with
status 1 and names what is missing until the last one was read.

      stowage import /media/disc-2-of-4
      stowage status

From a pipe or a tape:

      stowage import - < /dev/nst0

Look before anything changes: the steps, and everything that must hold.

    stowage plan ${name} --explain

6. RUN IT

    stowage install ${release}

It starts the services, waits for them, asks the model its acceptance prompts,
and keeps the new generation if they hold. Where the site asks for the approval
of plans, these take its place; the officer signs plan.json in between:

      stowage plan ${name} --output plan.json
      stowage approve plan.json --digest SHA512 --key KEY --certificate CERT
      stowage apply plan.json

7. LOOK

    stowage status

Each service must be "running". DRIFT means that somebody changed it; RECALLED
means that it must not run any more, and what to go back to. The port of a
service stands in its line; any client on this host can ask it.

8. WHEN IT GOES WRONG

A part is damaged or missing (part-damaged, part-missing, bundle-incomplete).
Everything else was taken in. Clean the disc, try another drive, then import
again. If it stays so, write a list of what is missing and carry the list home:

      stowage repair-list ${name} --output repair.json

The engineer runs "stowage pack --only repair.json --from BUNDLE" and sends back
the folder that it writes, which is imported like a disc. Recovery parts, where
the bundle carries them, are used by "stowage import" without being asked. Discs
whose others will never come take room until they are given up:

      stowage gc --incomplete

A file that does not belong (file-unexpected). A machine on the way wrote into
the bundle's folder: ._names, .DS_Store, Thumbs.db. Find out which. Then copy
what the list names into an empty folder, and import that (on one disc of
several, cp says of the rest that it lies elsewhere):

      mkdir /var/tmp/bundle
      cp -r SHA512SUMS signatures /var/tmp/bundle/
      cut -c131- SHA512SUMS | xargs cp --parents -t /var/tmp/bundle
      stowage import /var/tmp/bundle

Not trusted (exit status 10) for any other cause. Do not try to get round it.
Keep the media, write down the code in brackets, call the security officer.

The model does not answer, or not as it should (exit status 3). What ran before
runs again; nothing is left half done. The error shows what was asked, what was
expected and seen, and the last lines of the service's log. More of the log of
a service that is called SERVICE:

      podman logs --tail 100 stowage-${name}-SERVICE
      journalctl CONTAINER_NAME=stowage-${name}-SERVICE
      docker logs --tail 100 stowage-${name}-SERVICE

Killed, or the power went. Nothing is to be cleaned up. Run the same command
again: it goes on, or undoes what was half done.

The host is not fit (exit status 12). Each line says what was needed and what
was found. Mend those; nothing was changed.

The clock is wrong. "stowage doctor" says when it cannot be right. Set it, then
run the command again; the program never goes back behind what was signed.

9. GO BACK, TAKE IT OFF

      stowage rollback
      stowage uninstall ${name}
      stowage history
      stowage gc

"rollback" returns to the generation before; "rollback --to NUMBER" to one that
"history" lists. "gc" frees what no rollback needs.

10. SEND HOME

A receipt says what the site holds and runs, signed by the site's own key.

    stowage receipt write
    stowage receipt show
    stowage audit verify

Carry back the newest files in "receipts" of the site's folder, .json and .p7s
both, and keys/site.pem with the first of them. They hold no secret.

11. EXIT STATUS

  0    done
${exitStatuses()}

12. WHERE THINGS LIE

The site's folder is /var/lib/stowage for root, else ~/.local/share/stowage;
STOWAGE_ROOT or --root name another.

  site.yaml     what this site chose; yours to write
  trust.json    whose signatures count here
  ledger        what was taken in and done, chained line by line
  receipts/     a signed statement of each change
  staging/      releases that are not complete yet
  apply/        the plan and the journal of a change, while it is under way
  store/        every blob, by its SHA-256
  bin/stowage   the program that was installed last

Logs of services are with the engine ("podman logs") and, where systemd runs,
in its journal. stowage writes no log of its own: its errors go to the screen,
and what it did to the ledger ("stowage audit show").
`;
}

function program(installers: readonly Pick<Installer, 'platform' | 'path'>[]): string {
  if (installers.length === 0)
    return `
No installer travels in this bundle: the program is on the host already.
`;
  const lines = installers.map(
    ({ platform, path }) => `
Where uname -m says ${platform === 'linux/arm64' ? 'aarch64' : 'x86_64'}:

    grep ' ${path}$' SHA512SUMS | sha512sum --check --strict
    install -m 0755 ${path} /usr/local/bin/stowage
`,
  );
  return `
The first line must say OK before the second is typed.
${lines.join('')}
    stowage doctor

It needs glibc 2.28 and libstdc++ 6, and no network. README.txt says what to do
where the system refuses to start it.
`;
}

function exitStatuses(): string {
  return (Object.keys(exitStatus) as StatusName[])
    .map((name) => `  ${String(exitStatus[name]).padEnd(5)}${statusMeanings[name]}`)
    .join('\n');
}
