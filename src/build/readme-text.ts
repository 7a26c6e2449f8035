import { fill } from '../core/text.ts';
import { type Installer, isToolkit } from '../format/installer.ts';
import type { Manifest } from '../format/manifest.ts';

const COLUMNS = 80;

/** What `uname -m` prints on each platform. */
const machines: Readonly<Record<string, string>> = {
  'linux/amd64': 'x86_64',
  'linux/arm64': 'aarch64',
};

/**
 * `README.txt`: how an operator installs a bundle. Commands are on lines indented by four spaces, three for each
 * architecture, and run in a shell in the bundle's folder, even if the medium is read-only, noexec or FAT.
 */
export function readmeText(
  { name, version }: Pick<Manifest, 'name' | 'version'>,
  installers: readonly Installer[],
): string {
  const own = installers.filter((each) => !isToolkit(each));
  const ways = own.length === 0 ? WITHOUT : `${own.map(threeLines).join('')}${NEEDS}`;
  const text = `${name} ${version}: how to install this bundle

You need the root certificate of your signers as ROOT.pem, and its SHA-256 fingerprint on paper. The paper must have reached you separately from this bundle. As root, or as the user whose rootless podman runs the services, change to the folder that contains this file, and set the path and the fingerprint with all its digits:

    ROOT=/path/to/ROOT.pem
    PAPER='digits-on-the-paper'

First follow steps 1 and 2 of VERIFY.txt, which verify the signatures on the list SHA512SUMS with openssl.
${ways}`;
  return fill(text, COLUMNS);
}

function threeLines({ platform, path }: Installer): string {
  return `
If "uname -m" prints ${machines[platform]}: check the installer against the list, copy it to the host, and install. Each command must end with status 0 before you type the next.

    grep ' ${path}$' SHA512SUMS | sha512sum --check --strict
    install -m 0755 ${path} /usr/local/bin/stowage
    /usr/local/bin/stowage install . --trust "$ROOT" --fingerprint "$PAPER"
`;
}

const NEEDS = `
If the site already has a trust document, "stowage install ." is enough. The installer is copied to the host because
programs cannot run from some media (mount option noexec, or FAT without modes). After an installation, the site's folder
also contains it, as bin/stowage.

The installer needs Linux with glibc 2.28 or later and libstdc++ 6: Debian 10, RHEL 8, Ubuntu 20.04, SLES 15 SP3 or later.
With an older C library, or with musl (Alpine), it does not start: the error is "version GLIBC_2.28 not found", or
"not found" although the file exists. You cannot install this bundle on such a host, but you can still follow VERIFY.txt.
"stowage doctor" checks whether a host meets the requirements.

OPERATOR.txt has the full instructions: preparation, import, damaged discs, failed tests, and what to send back.
`;

const WITHOUT = `
This bundle contains no installer. Use the stowage program that is already on the host:

    stowage install . --trust "$ROOT" --fingerprint "$PAPER"
`;
