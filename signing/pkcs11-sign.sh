#!/bin/bash
# Signs what it reads on stdin with a P-384 key that stays in a PKCS #11 token, and writes the signature to stdout.
# For: stowage sign --signer-command. Arguments: the token's module, the label of the token, the label of the key.
# pkcs11-tool asks for the PIN at the terminal; without one it is taken from the variable PKCS11_PIN.
set -euo pipefail
[ $# = 3 ] || { echo "usage: ${0##*/} MODULE TOKEN KEY" >&2; exit 2; }
[ "${STOWAGE_SIGN_ALGORITHM:-ecdsa-p384-sha384}" = ecdsa-p384-sha384 ] || { echo "this script signs with P-384 only" >&2; exit 1; }
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl dgst -sha384 -binary -out "$work/digest"
pin=()
if [ -n "${PKCS11_PIN:-}" ]; then pin=(--pin env:PKCS11_PIN); exec </dev/null; else exec </dev/tty; fi
pkcs11-tool --module "$1" --token-label "$2" --login "${pin[@]}" --sign --mechanism ECDSA --label "$3" --input-file "$work/digest" --output-file "$work/signature" >&2
cat "$work/signature"
