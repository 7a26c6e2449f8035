/** Names of repositories: OCI distribution specification 1.1, "Pulling manifests", and those of the Hub. */

/** The grammar of a repository's name. */
export const REPOSITORY_NAME: RegExp =
  /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const ANY_DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]{1,256}$/;
const SHA256 = /^sha256:/;
const MAX_NAME = 255;

export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_NAME && REPOSITORY_NAME.test(text);
}

/** The host of a registry, with its port if it has one; an IPv6 address is in brackets. */
export const REGISTRY_HOST: RegExp =
  /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)(?::\d{1,5})?$/;
/** A part of a repository's name on the Hub. */
const HUB_PART = '[A-Za-z0-9][A-Za-z0-9._-]{0,95}';
export const HUB_NAME: RegExp = new RegExp(`^${HUB_PART}/${HUB_PART}$`);

export function isRegistryHost(text: string): boolean {
  return REGISTRY_HOST.test(text);
}

/** Whether a text is `registry/repository`: a host, and a name in the OCI grammar. */
export function isImageRepository(text: string): boolean {
  const slash = text.indexOf('/');
  return (
    isRegistryHost(text.slice(0, Math.max(slash, 0))) && isRepositoryName(text.slice(slash + 1))
  );
}

/** Whether a text is `organisation/name` of the Hub, and nothing that a path or an address would read differently. */
export function isHubRepository(text: string): boolean {
  return HUB_NAME.test(text) && !text.includes('..');
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

const INCLUDED = '-included';

/** The tag of the index of what is included, beside that of the original index. */
export function includedTag(tag: string): string {
  return `${tag}${INCLUDED}`;
}

/** Whether a tag is one of {@link includedTag}. */
export function isIncludedTag(tag: string): boolean {
  return tag.endsWith(INCLUDED);
}
