#!/usr/bin/env bash
# Makes a root and a release certificate with openssl alone, for trials: both keys lie in one folder, which a real
# ceremony never allows (signing/README.md). The result is used like that of `stowage pki`.
#
#   throwaway-ca.sh FOLDER [ORGANIZATION] [PASSPHRASE_FILE]
#
# Writes root.pem, root.key.pem, release.pem, release.key.pem into FOLDER, which must not exist. With a passphrase file
# both keys are encrypted with its first line; otherwise they are not. Needs openssl 1.1.1 or later.
set -euo pipefail
umask 077

fail() {
  echo "throwaway-ca.sh: $1" >&2
  exit 2
}
if [ $# -lt 1 ] || [ $# -gt 3 ]; then fail "usage: throwaway-ca.sh FOLDER [ORGANIZATION] [PASSPHRASE_FILE]"; fi
folder=$1
organization=${2:-Stowage Trial}
passphrase=${3:-}
configuration=$(cd "$(dirname "$0")" && pwd)/openssl.cnf
# A slash would end the name, for -subj.
case $organization in '' | */* | *\\*) fail "an organization without slashes is needed" ;; esac
if [ -n "$passphrase" ] && [ ! -s "$passphrase" ]; then fail "no passphrase in $passphrase"; fi
mkdir -- "$folder"
trap 'rm -f -- "$folder/release.csr"' EXIT

unlock=()
if [ -n "$passphrase" ]; then unlock=(-passin "file:$passphrase"); fi

# With a passphrase, the key is never on disk in the clear.
make_key() {
  if [ -z "$passphrase" ]; then
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$1"
  else
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 |
      openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA512 -iter 210000 -passout "file:$passphrase" -out "$1"
  fi
}
# 16 random bytes, positive.
serial() { echo "0x4$(openssl rand -hex 16 | cut -c2-)"; }

make_key "$folder/root.key.pem"
openssl req -new -x509 -config "$configuration" -extensions root_extensions -sha384 -days 3650 \
  -set_serial "$(serial)" -utf8 -subj "/O=$organization/CN=$organization Root" \
  -key "$folder/root.key.pem" ${unlock[@]+"${unlock[@]}"} -out "$folder/root.pem"

make_key "$folder/release.key.pem"
openssl req -new -config "$configuration" -sha384 -utf8 -subj "/O=$organization/CN=$organization Release" \
  -key "$folder/release.key.pem" ${unlock[@]+"${unlock[@]}"} -out "$folder/release.csr"
openssl x509 -req -in "$folder/release.csr" -CA "$folder/root.pem" -CAkey "$folder/root.key.pem" \
  ${unlock[@]+"${unlock[@]}"} -set_serial "$(serial)" -sha384 -days 730 \
  -extfile "$configuration" -extensions release_extensions -out "$folder/release.pem" 2>/dev/null
chmod 644 "$folder/root.pem" "$folder/release.pem"

openssl verify -x509_strict -CAfile "$folder/root.pem" "$folder/release.pem" >/dev/null
echo "$folder: root.pem, root.key.pem, release.pem, release.key.pem"
openssl x509 -in "$folder/root.pem" -noout -fingerprint -sha256
echo "for trials only: signing/README.md describes a key ceremony"
