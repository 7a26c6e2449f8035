/** The grammar of names in the OCI distribution specification 1.1, "Pulling manifests". */

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const ANY_DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]{1,256}$/;
const SHA256 = /^sha256:/;
const MAX_NAME = 255;

export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_NAME && NAME.test(text);
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Whether a text is a digest of some algorithm; one of SHA-256 must have its 64 digits. */
export function isDigestText(text: string): boolean {
  return SHA256.test(text) ? /^sha256:[0-9a-f]{64}$/.test(text) : ANY_DIGEST.test(text);
}

/** A registry as the first part of a repository's name, where no colon may stand: `localhost:5000` is `localhost-5000`. */
export function registryFolder(registry: string): string {
  return registry
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^-|-$/g, '');
}
