import type { Manifest } from './manifest.ts';

/**
 * `VERIFY.txt`: how to check a bundle with openssl and coreutils alone. Commands are on lines indented by four
 * spaces, and run in order, in bash, in the bundle's folder.
 */
export function verifyText({ name, version }: Pick<Manifest, 'name' | 'version'>): string {
  return `${name} ${version}: how to check this bundle by hand

You need bash, openssl (1.1.1 or later), GNU coreutils, findutils and grep. You also need the root certificate of your
signers as ROOT.pem. It must have reached you separately from this bundle, because a bundle cannot prove its own origin.
Every command must end with status 0. Change to the folder that contains this file, and set the path of the certificate:

    ROOT=/path/to/ROOT.pem

1. The root certificate. Compare its fingerprint with the one on paper, digit by digit.

    openssl x509 -in "$ROOT" -noout -subject -fingerprint -sha256

2. The signatures of the list SHA512SUMS. There must be at least one, and every one must verify.

    [ -n "$(ls signatures/*.p7s)" ]
    bad=0; for s in signatures/*; do openssl cms -verify -binary -purpose any -no-CApath -no-CAstore -CAfile "$ROOT" -inform DER -in "$s" -content SHA512SUMS -out /dev/null || bad=1; done; [ "$bad" = 0 ]

   ML-DSA-87 signatures need openssl 3.5 or later; older versions report an error with "unknown". All other
   signatures must still verify.

3. The format of the list. Each line has a digest, two spaces and a path inside this folder.

    [ -z "$(LC_ALL=C grep -avE '^[0-9a-f]{128}  [A-Za-z0-9_.][A-Za-z0-9._/-]*$' SHA512SUMS)" ]
    [ -z "$(cut -c131- SHA512SUMS | grep -E '(^|/)\\.\\.?(/|$)')" ]

4. The content. Every file on the list has the digest in the list.

    LC_ALL=C sha512sum --check --strict --quiet SHA512SUMS

5. No other files. The folder contains no file that is not on the list, no link and no device.

    cmp <(cut -c131- SHA512SUMS | LC_ALL=C sort) <(find . -type f ! -path './signatures/[!.]*.p7s' ! -path ./SHA512SUMS | cut -c3- | LC_ALL=C sort)
    [ -z "$(find . ! -type f ! -type d)" ]

To check a single disc (a folder named disc-K-of-N), follow steps 1 to 3 in that folder. Instead of steps 4 and 5, type
these three lines. They check that every file on this disc is on the list. The other files of the list are on other discs.

  LC_ALL=C sha512sum --check --strict --quiet --ignore-missing SHA512SUMS
  [ -z "$(comm -13 <(cut -c131- SHA512SUMS | LC_ALL=C sort) <(find . -type f ! -path './signatures/[!.]*.p7s' ! -path ./SHA512SUMS | cut -c3- | LC_ALL=C sort))" ]
  [ -z "$(find . ! -type f ! -type d)" ]

To check a complete set of discs, check each disc as above. Then check that all discs have the same SHA512SUMS, and that
every file on the list is on one of them. Type these two lines in the folder that contains all disc folders:

   [ "$(cat disc-*-of-*/SHA512SUMS | LC_ALL=C sort -u | wc -l)" = "$(cat disc-1-of-*/SHA512SUMS | wc -l)" ]
   [ -z "$(comm -23 <(cut -c131- disc-1-of-*/SHA512SUMS | LC_ALL=C sort) <(find disc-*-of-* -type f | cut -d/ -f2- | LC_ALL=C sort -u))" ]

If all five steps succeed, the bundle is complete and unchanged since it was signed. This digest identifies it:

    sha512sum SHA512SUMS
`;
}
