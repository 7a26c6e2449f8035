import { fill } from '../core/text.ts';
import type { Manifest } from './manifest.ts';

const COLUMNS = 80;

type Named = Pick<Manifest, 'name' | 'version'>;

/**
 * `VERIFY.txt`: how to check a bundle with openssl and coreutils alone. Commands are on lines indented by four
 * spaces, and run in order, in bash, in the bundle's folder. ASCII, at most 80 columns, except commands.
 */
export function verifyText(
  bundle: Named,
  { rehearsal = false }: { readonly rehearsal?: boolean } = {},
): string {
  const rehearsed = rehearsal ? REHEARSAL : '';
  return fill(`${verifySteps(bundle)}${rehearsed}${DISCS}${digestText('bundle')}`, COLUMNS);
}

/** `VERIFY.txt` of a notice: the same steps. */
export function noticeVerifyText(name: string): string {
  return fill(`${verifySteps({ name, version: '' }, 'notice')}${digestText('notice')}`, COLUMNS);
}

/** The five steps of it, for a whole bundle, as paragraphs that are not filled. */
export function verifySteps(
  { name, version }: Named,
  what: 'bundle' | 'notice' = 'bundle',
): string {
  return `${[name, version].filter((each) => each !== '').join(' ')}: how to check this ${what} by hand

You need bash, openssl (1.1.1 or later), GNU coreutils, findutils and grep. You also need the root certificate of your
signers as ROOT.pem. Its fingerprint must have reached you separately from this ${what}, because a ${what} cannot prove its own origin.
Each check prints "ok" or, after "WRONG", what is wrong. Change to the ${what}'s folder, which contains VERIFY.txt, and set the path of
the certificate. If signers have different roots, name all of them, separated by spaces: ROOTS=(/path/A.pem /path/B.pem)

    ROOTS=(/path/to/ROOT.pem)

1. The root certificates. Compare each fingerprint with the one on paper, digit by digit.

    bad=0; for r in "\${ROOTS[@]}"; do openssl x509 -in "$r" -noout -subject -fingerprint -sha256 || bad=1; done; [ "$bad" = 0 ] && echo ok || { echo 'WRONG: not a certificate'; false; }

2. The signatures of the list SHA512SUMS. There must be at least one, and every one must verify. The second command shows
   each file, its signer and the issuer of the signer. Compare them with the names on paper.

    [ -n "$(ls signatures/*.p7s)" ] && echo ok || { echo 'WRONG: no signature'; false; }
    bad=0; for s in signatures/*; do printf '%q\\n' "$s"; c=$(openssl cms -verify -binary -purpose any -no-CApath -no-CAstore -CAfile <(for r in "\${ROOTS[@]}"; do openssl x509 -in "$r"; done) -inform DER -in "$s" -content SHA512SUMS -out /dev/null -signer /dev/stdout) && openssl x509 -noout -subject -issuer <<< "$c" || bad=1; done; [ "$bad" = 0 ] && echo ok || { echo 'WRONG: a signature does not verify'; false; }

   An ML-DSA-87 signature needs openssl 3.5 or later. An older openssl cannot
   verify it (3.0 prints "unable to get certs public key"), and the check ends
   with WRONG. Each other signature must still show its signer and issuer.

3. The format of the list. Each line has a digest, two spaces and a path inside this folder.

    ! LC_ALL=C grep -anvE '^[0-9a-f]{128}  [A-Za-z0-9_.][A-Za-z0-9._/-]*$' SHA512SUMS | cat -v | grep . && echo ok || { echo 'WRONG: these lines are malformed'; false; }
    ! cut -c131- SHA512SUMS | cat -v | grep -E '(^|/)\\.\\.?(/|$)' && echo ok || { echo 'WRONG: these paths are unsafe'; false; }

4. The content. Every file on the list has the digest in the list.

    LC_ALL=C sha512sum --check --strict --quiet SHA512SUMS && echo ok || { echo 'WRONG: see the lines above'; false; }

5. No other files. The folder contains no file that is not on the list, no link and no device.

    ! LC_ALL=C comm -3 <(cut -c131- SHA512SUMS | LC_ALL=C sort) <(find . -type f ! -path './signatures/[!.]*.p7s' ! -path ./SHA512SUMS | cut -c3- | LC_ALL=C sort) | cat -v | grep . && echo ok || { echo 'WRONG: these files are missing, or (indented) not on the list'; false; }
    ! find . ! -type f ! -type d | cat -v | grep . && echo ok || { echo 'WRONG: these are links or devices'; false; }

`;
}

const REHEARSAL = `The bundle has a rehearsal: the release was installed in a sealed network before it was signed, and attestations/rehearsal.json says
what it did there and what it tried to reach. The list SHA512SUMS covers it like every other file. This line shows when it was, on
what, and whether it passed. Compare this with what your site requires.

    grep -oE '"at":"[^"]*"|"passed":(true|false),"peak|"target":"[^"]*"' attestations/rehearsal.json

`;

const DISCS = `To check a single disc (a folder named disc-K-of-N), or an increment (a folder without files that the receiving site
stores or does without), follow steps 1 to 3 in that folder. Instead of steps 4 and 5, type these three lines. They check that every file
in this folder is on the list. They say nothing about the other files of the list, which are on other discs, at the site, or left out.

  LC_ALL=C sha512sum --check --strict --quiet --ignore-missing SHA512SUMS && echo ok || { echo 'WRONG: see the lines above'; false; }
  ! LC_ALL=C comm -13 <(cut -c131- SHA512SUMS | LC_ALL=C sort) <(find . -type f ! -path './signatures/[!.]*.p7s' ! -path ./SHA512SUMS | cut -c3- | LC_ALL=C sort) | cat -v | grep . && echo ok || { echo 'WRONG: these files are not on the list'; false; }
  ! find . ! -type f ! -type d | cat -v | grep . && echo ok || { echo 'WRONG: these are links or devices'; false; }

To check a complete set of discs, check each disc as above. Then check that all discs have the same SHA512SUMS, and that
every file on the list is on one of them. Type these two lines in the folder that contains all disc folders:

   [ "$(cat disc-*-of-*/SHA512SUMS | LC_ALL=C sort -u | wc -l)" = "$(cat disc-1-of-*/SHA512SUMS | wc -l)" ] && echo ok || { echo 'WRONG: the lists differ'; false; }
   ! LC_ALL=C comm -23 <(cut -c131- disc-1-of-*/SHA512SUMS | LC_ALL=C sort) <(find disc-*-of-* -type f | cut -d/ -f2- | LC_ALL=C sort -u) | cat -v | grep . && echo ok || { echo 'WRONG: these files are on no disc'; false; }

`;

function digestText(what: string): string {
  return `If all five steps succeed, the ${what} is complete and unchanged since it was signed. This digest identifies it:

    sha512sum SHA512SUMS
`;
}
