#!/bin/bash
# Signs what it reads on stdin with a P-384 key that stays in a PKCS #11 token, and writes the signature to stdout.
# For stowage sign --signer-command. Arguments: the module of the token, the label of the token, the label of the key.
# pkcs11-tool asks for the PIN at the terminal, or takes it from the variable PKCS11_PIN where that is set.
set -euo pipefail
if [ $# != 3 ]; then
  echo "usage: ${0##*/} MODULE TOKEN KEY" >&2
  exit 2
fi
if [ "${STOWAGE_SIGN_ALGORITHM:-ecdsa-p384-sha384}" != ecdsa-p384-sha384 ]; then
  echo "${0##*/} signs with ecdsa-p384-sha384 alone" >&2
  exit 1
fi

umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# CKM_ECDSA does not hash: the digest is made here, from the bytes themselves.
openssl dgst -sha384 -binary -out "$work/digest"

sign=(pkcs11-tool --module "$1" --token-label "$2" --login --sign --mechanism ECDSA --label "$3")
files=(--input-file "$work/digest" --output-file "$work/signature")
if [ -n "${PKCS11_PIN:-}" ]; then
  "${sign[@]}" --pin env:PKCS11_PIN "${files[@]}" </dev/null >&2
else
  # It asks on stdin and stdout, which are not a terminal here.
  "${sign[@]}" "${files[@]}" </dev/tty >/dev/tty
fi
cat "$work/signature"
