import type { Installer } from '../format/installer.ts';
import type { Manifest } from '../format/manifest.ts';

/** What `uname -m` says where an installer runs. */
const machines: Readonly<Record<string, string>> = {
  'linux/amd64': 'x86_64',
  'linux/arm64': 'aarch64',
};

/**
 * `README.txt`: what an operator does with a bundle. The commands stand on lines indented by four spaces, three for
 * each machine, and run in a shell inside the bundle's folder, also on a medium that is read-only, noexec or FAT.
 */
export function readmeText(
  { name, version }: Pick<Manifest, 'name' | 'version'>,
  installers: readonly Installer[],
): string {
  const ways = installers.length === 0 ? WITHOUT : `${installers.map(threeLines).join('')}${NEEDS}`;
  return `${name} ${version}: how to install this bundle

You need the root certificate of who signs for you as ROOT.pem, and its SHA-256 fingerprint on paper. You got both on
another way than this bundle. Begin in the folder that holds this file, with the path and the digits:

    ROOT=/path/to/ROOT.pem
    PAPER=digits-on-the-paper

Do steps 1 and 2 of VERIFY.txt first, with openssl: they show that the list SHA512SUMS is what was signed.
${ways}`;
}

function threeLines({ platform, path }: Installer): string {
  return `
Where uname -m says ${machines[platform]}: compare the installer with the list, copy it to the host, install. Each line must
end with status 0 before the next.

    grep ' ${path}$' SHA512SUMS | sha512sum --check --strict
    install -m 0755 ${path} /usr/local/bin/stowage
    /usr/local/bin/stowage install . --trust "$ROOT" --fingerprint "$PAPER"
`;
}

const NEEDS = `
A site that has its trust document needs "stowage install ." alone. The copy serves media that are read-only, mounted
noexec, or FAT without modes. Installed once, the program also lies in the site's folder as bin/stowage.

The installer needs Linux with glibc 2.28 or later and libstdc++ 6, and nothing else: Debian 10, RHEL 8, Ubuntu 20.04,
SLES 15 SP3 and all that came later. Where the C library is older, or is musl (Alpine), the system refuses to start it:
"version GLIBC_2.28 not found", or "not found" though the file is there. That host cannot install this bundle; VERIFY.txt
works there all the same. "stowage doctor" says whether a host that starts it is fit.

OPERATOR.txt goes through all of it: before the way, a bad disc, a model that does not answer, what to send home.
`;

const WITHOUT = `
No installer travels in this bundle. Install it with the stowage that is on the host already:

    stowage install . --trust "$ROOT" --fingerprint "$PAPER"
`;
