/** The folder where the Job has the script and the list of files. */
export const SCRIPT_FOLDER = '/stowage';
/** The folder with one folder for each model and each item of files, as images. */
export const SOURCE_FOLDER = '/source';
/** The folder of the claim. */
export const TARGET_FOLDER = '/target';

/** Begins the line in which the script says why it failed. */
export const FILL_FAILED = 'stowage: error: ';

/**
 * Copies what `files` lists (`SHA256 SIZE PATH`) and the folders that `trees` lists from the images to a folder of the claim, and
 * compares SHA-256. A file that is there and correct is not copied again, so a Job that was killed is continued. The folder is
 * marked with its site and release first, and with the digest of the list when it is complete.
 *
 * Content of the same site and release in folders that `STOWAGE_KEEP` does not name is removed. A folder without a mark belongs
 * to the owner of the claim: it is compared and never changed.
 *
 * Needs a POSIX shell, and cp, find, mkdir, mv, rm, sha256sum, stat and sync, as in coreutils with findutils, or busybox.
 */
export const fillScript: string = `#!/bin/sh
set -eu
umask 022
mark=.stowage

fail() { echo "${FILL_FAILED}$*" >&2; exit 1; }
sum_of() { set -- $(sha256sum < "$1"); echo "$1"; }

is_ours() { # FOLDER: whether its mark has the site and the release
  [ -f "$1/$mark" ] || return 1
  read -r site release rest < "$1/$mark" || true
  [ "$site $release" = "$STOWAGE_OWNER" ]
}

remove_others() {
  for each in ${TARGET_FOLDER}/*/; do
    each=\${each%/}
    is_ours "$each" || continue
    for keep in $STOWAGE_KEEP; do [ "\${each##*/}" != "$keep" ] || continue 2; done
    rm -rf "$each"
    echo "removed \${each##*/}"
  done
}

if [ "$1" = clear ]; then remove_others; sync; exit 0; fi

folder=${TARGET_FOLDER}/$STOWAGE_FOLDER
want=$(cat ${SCRIPT_FOLDER}/files ${SCRIPT_FOLDER}/trees | sha256sum)
want=\${want%% *}

complete() {
  is_ours "$folder" || return 1
  read -r site release state < "$folder/$mark" || true
  [ "$state" = "$want" ] || return 1
  while read -r sum size path; do
    [ -f "$folder/$path" ] && [ "$(stat -c %s "$folder/$path")" = "$size" ] || return 1
  done < ${SCRIPT_FOLDER}/files
  while read -r path; do [ -d "$folder/$path" ] || return 1; done < ${SCRIPT_FOLDER}/trees
}

tree_sums() { (cd "$1" && find . -type f -exec sha256sum {} +); }
same_tree() { # the files of one folder are in another
  [ -d "$2" ] || return 1
  [ -n "$(find "$1" -type f)" ] || return 0
  tree_sums "$1" | (cd "$2" && sha256sum -c > /dev/null 2>&1)
}

if complete; then
  echo "already filled: $STOWAGE_FOLDER"
  remove_others
  exit 0
fi

if [ -d "$folder" ] && ! is_ours "$folder" && [ -n "$(ls -A "$folder")" ]; then
  while read -r sum size path; do
    [ -f "$folder/$path" ] || fail "folder $STOWAGE_FOLDER belongs to the owner of the claim and lacks $path"
    [ "$(sum_of "$folder/$path")" = "$sum" ] || fail "folder $STOWAGE_FOLDER belongs to the owner of the claim and has another $path"
  done < ${SCRIPT_FOLDER}/files
  while read -r path; do
    same_tree "${SOURCE_FOLDER}/$path" "$folder/$path" || fail "folder $STOWAGE_FOLDER belongs to the owner of the claim and has another $path"
  done < ${SCRIPT_FOLDER}/trees
  echo "filled by the owner of the claim: $STOWAGE_FOLDER"
  remove_others
  exit 0
fi

mkdir -p "$folder"
echo "$STOWAGE_OWNER begun" > "$folder/$mark.part"
mv "$folder/$mark.part" "$folder/$mark"
while read -r sum size path; do
  to=$folder/$path
  if [ -f "$to" ] && [ "$(sum_of "$to")" = "$sum" ]; then continue; fi
  mkdir -p "\${to%/*}"
  rm -rf "$to.part" "$to"
  [ -f "${SOURCE_FOLDER}/$path" ] || fail "the image of the content lacks $path"
  cp "${SOURCE_FOLDER}/$path" "$to.part"
  found=$(sum_of "$to.part")
  [ "$found" = "$sum" ] || fail "$path has SHA-256 $found, not $sum"
  mv "$to.part" "$to"
  echo "copied $path"
done < ${SCRIPT_FOLDER}/files
while read -r path; do
  to=$folder/$path
  if same_tree "${SOURCE_FOLDER}/$path" "$to"; then continue; fi
  rm -rf "$to.part" "$to"
  mkdir -p "$to.part"
  cp -R -P "${SOURCE_FOLDER}/$path/." "$to.part/"
  same_tree "${SOURCE_FOLDER}/$path" "$to.part" || fail "$path differs from its image after the copy"
  mv "$to.part" "$to"
  echo "copied $path"
done < ${SCRIPT_FOLDER}/trees
sync
echo "$STOWAGE_OWNER $want" > "$folder/$mark.part"
mv "$folder/$mark.part" "$folder/$mark"
sync
echo "filled: $STOWAGE_FOLDER"
remove_others
`;
