import { type Digest, parseDigest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { isRegistryHost, isRepositoryName, isTag } from '../core/repository-name.ts';
import { isLoopback } from '../net/address.ts';

/** The parts of an image reference. */
export interface Reference {
  /** `docker.io` for Docker Hub; with its port, if it has one. */
  readonly registry: string;
  /** Such as `library/debian`. */
  readonly repository: string;
  /** `latest` if the reference has neither tag nor digest. */
  readonly tag?: string;
  readonly digest?: Digest;
}

/** Of the name with its registry. */
const MAX_NAME_BYTES = 255;

/**
 * Parses an image reference by Docker's rules: without a registry it refers to Docker Hub, where a
 * single name is in `library/`.
 * @throws StowageError `manifest-invalid`, `digest-malformed`
 */
export function parseReference(text: string): Reference {
  const at = text.indexOf('@');
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const name = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !isTag(tag)) throw refuse(text, `an invalid tag`);
  const place = splitName(name);
  if (!isRegistryHost(place.registry)) throw refuse(text, 'a registry that is not a host name');
  if (place.repository !== place.repository.toLowerCase()) {
    throw refuse(text, 'upper-case letters in the repository');
  }
  if (!isRepositoryName(place.repository) || repositoryName(place).length > MAX_NAME_BYTES) {
    throw refuse(text, 'an invalid repository');
  }
  if (at < 0) return { ...place, tag: tag ?? 'latest' };
  const digest = parseDigest(text.slice(at + 1));
  return { ...place, ...(tag !== undefined && { tag }), digest };
}

/** In the form `registry/repository`, as in messages and locks. */
export function repositoryName({
  registry,
  repository,
}: Pick<Reference, 'registry' | 'repository'>): string {
  return `${registry}/${repository}`;
}

/** The full reference, for messages. */
export function referenceName(reference: Reference): string {
  const { tag, digest } = reference;
  const suffix = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
  return `${repositoryName(reference)}${suffix}`;
}

function splitName(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  if (!/[.:[]/.test(first) && !isLoopback(first)) return onDockerHub(name);
  const repository = name.slice(slash + 1);
  if (['docker.io', 'index.docker.io'].includes(first)) return onDockerHub(repository);
  return { registry: first, repository };
}

function onDockerHub(name: string): { registry: string; repository: string } {
  return { registry: 'docker.io', repository: name.includes('/') ? name : `library/${name}` };
}

function refuse(text: string, found: string): StowageError {
  return new StowageError('manifest-invalid', 'invalid image reference', {
    expected: 'registry/repository:tag or registry/repository@sha256:<digest>',
    found: `${found}: ${JSON.stringify(text.slice(0, 160))}`,
    hint: 'use a reference that podman pull or docker pull accepts',
  });
}
