import type { Manifest } from './manifest.ts';

/**
 * `VERIFY.txt`: how to check a bundle with openssl and coreutils alone. The commands stand on lines indented by
 * four spaces and run one after another in bash, inside the bundle's folder.
 */
export function verifyText({ name, version }: Pick<Manifest, 'name' | 'version'>): string {
  return `${name} ${version}: how to check this bundle by hand

You need bash, openssl (1.1.1 or later), GNU coreutils, findutils and grep, and the root certificate of who signs
for you as ROOT.pem. You got it on another way than this bundle; nothing here can vouch for itself. Every command
must end with status 0. Begin in the folder that holds this file, with the certificate's path:

    ROOT=/path/to/ROOT.pem

1. Compare the fingerprint with the one on paper, digit by digit.

    openssl x509 -in "$ROOT" -noout -subject -fingerprint -sha256

2. The signatures: each says who signed the list SHA512SUMS. There must be one at least, and each must verify.

    [ -n "$(ls signatures/*.p7s)" ]
    bad=0; for s in signatures/*; do openssl cms -verify -binary -purpose any -no-CApath -no-CAstore -CAfile "$ROOT" -inform DER -in "$s" -content SHA512SUMS -out /dev/null || bad=1; done; [ "$bad" = 0 ]

   A signature by ML-DSA-87 needs openssl 3.5 or later; older ones say "unknown". Check the others with what you have.

3. The list has plain lines only: a digest, two spaces, a path that stays in this folder.

    [ -z "$(LC_ALL=C grep -avE '^[0-9a-f]{128}  [A-Za-z0-9_.][A-Za-z0-9._/-]*$' SHA512SUMS)" ]
    [ -z "$(cut -c131- SHA512SUMS | grep -E '(^|/)\\.\\.?(/|$)')" ]

4. Every file on the list is what it was.

    LC_ALL=C sha512sum --check --strict --quiet SHA512SUMS

5. There is no file here that is not on the list, nor a link or device.

    cmp <(cut -c131- SHA512SUMS | LC_ALL=C sort) <(find . -type f ! -path './signatures/[!.]*.p7s' ! -path ./SHA512SUMS | cut -c3- | LC_ALL=C sort)
    [ -z "$(find . ! -type f ! -type d)" ]

One disc of several, a folder disc-K-of-N: do 1 to 3 in it, and in place of 4 and 5 these, indented by two spaces.
What is here must be on the list; what is not here is on other discs, which carry the same list.

  LC_ALL=C sha512sum --check --strict --quiet --ignore-missing SHA512SUMS
  [ -z "$(comm -13 <(cut -c131- SHA512SUMS | LC_ALL=C sort) <(find . -type f ! -path './signatures/[!.]*.p7s' ! -path ./SHA512SUMS | cut -c3- | LC_ALL=C sort))" ]
  [ -z "$(find . ! -type f ! -type d)" ]

All discs together are the bundle when each holds, all have one SHA512SUMS, and no line of it is on none of them. In
the folder that holds them all:

   [ "$(cat disc-*-of-*/SHA512SUMS | LC_ALL=C sort -u | wc -l)" = "$(cat disc-1-of-*/SHA512SUMS | wc -l)" ]
   [ -z "$(comm -23 <(cut -c131- disc-1-of-*/SHA512SUMS | LC_ALL=C sort) <(find disc-*-of-* -type f | cut -d/ -f2- | LC_ALL=C sort -u))" ]

When all five hold, this bundle is whole and is what the signers signed. The bundle is known by this digest:

    sha512sum SHA512SUMS
`;
}
