#!/usr/bin/env bash
# Makes a root and a release certificate with openssl alone, for trials: both keys lie in one folder, which a real
# ceremony never allows (signing/README.md). The result is what `stowage pki` makes.
#
#   throwaway-ca.sh FOLDER [ORGANIZATION] [PASSPHRASE_FILE]
#
# Writes root.pem, root.key.pem, release.pem, release.key.pem into FOLDER, which must not exist. With a passphrase file
# both keys are encrypted with its first line; otherwise they are not. Needs openssl 1.1.1 or later.
set -euo pipefail
umask 077

if [ $# -lt 1 ] || [ $# -gt 3 ]; then
  echo "usage: throwaway-ca.sh FOLDER [ORGANIZATION] [PASSPHRASE_FILE]" >&2
  exit 2
fi
folder=$1
organization=${2:-Stowage Trial}
passphrase=${3:-}
if [ -n "$passphrase" ] && [ ! -s "$passphrase" ]; then
  echo "throwaway-ca.sh: no passphrase in $passphrase" >&2
  exit 2
fi
mkdir -- "$folder"

# One value of a name in the configuration below: what openssl would read as syntax is not taken.
if [[ ! $organization =~ ^[A-Za-z0-9][A-Za-z0-9\ ._-]{0,50}$ ]]; then
  echo "throwaway-ca.sh: the organization must be letters, digits, spaces, dots and hyphens" >&2
  rmdir -- "$folder"
  exit 2
fi

configuration=$folder/openssl.cnf
trap 'rm -f -- "$configuration" "$folder/release.csr" "$folder/root.srl"' EXIT
cat >"$configuration" <<END
[req]
prompt = no
string_mask = utf8only
distinguished_name = root_name

[root_name]
O = $organization
CN = $organization Root

[release_name]
O = $organization
CN = $organization Release

# May issue certificates, of signers only, and do nothing else.
[root_extensions]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash

# May sign. emailProtection, so that "openssl cms -verify" takes it without being told a purpose.
[release_extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = codeSigning, emailProtection
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
END

# Never on disk in the clear when there is a passphrase.
make_key() {
  if [ -z "$passphrase" ]; then
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$1"
  else
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 |
      openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA512 -iter 210000 -passout "file:$passphrase" -out "$1"
  fi
}
unlock=()
if [ -n "$passphrase" ]; then unlock=(-passin "file:$passphrase"); fi
serial() { printf '0x4%s' "$(openssl rand -hex 16 | cut -c2-)"; }

make_key "$folder/root.key.pem"
openssl req -new -x509 -config "$configuration" -extensions root_extensions -sha384 -days 3650 \
  -set_serial "$(serial)" -key "$folder/root.key.pem" ${unlock[@]+"${unlock[@]}"} -out "$folder/root.pem"

make_key "$folder/release.key.pem"
sed 's/^distinguished_name = .*/distinguished_name = release_name/' "$configuration" >"$configuration.release"
openssl req -new -config "$configuration.release" -sha384 -key "$folder/release.key.pem" \
  ${unlock[@]+"${unlock[@]}"} -out "$folder/release.csr"
rm -f -- "$configuration.release"
openssl x509 -req -in "$folder/release.csr" -CA "$folder/root.pem" -CAkey "$folder/root.key.pem" \
  ${unlock[@]+"${unlock[@]}"} -set_serial "$(serial)" -sha384 -days 730 -extfile "$configuration" \
  -extensions release_extensions -out "$folder/release.pem" 2>/dev/null
chmod 644 "$folder/root.pem" "$folder/release.pem"

openssl verify -x509_strict -CAfile "$folder/root.pem" "$folder/release.pem" >/dev/null
echo "$folder: root.pem, root.key.pem, release.pem, release.key.pem"
openssl x509 -in "$folder/root.pem" -noout -fingerprint -sha256
echo "for trials only: signing/README.md describes a key ceremony"
