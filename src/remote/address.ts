import { StowageError } from '../core/error.ts';
import { isDigestText, isRegistryHost, isRepositoryName, isTag } from '../core/repository-name.ts';

/** Where a bundle is on another host. */
export type RemoteAddress =
  | {
      readonly kind: 'registry';
      readonly registry: string;
      readonly repository: string;
      /** A tag or a digest; absent in `oci://registry/repository`. */
      readonly reference?: string;
    }
  | { readonly kind: 'depot'; readonly registry: string; readonly release: string };

/** `NAME@VERSION`. */
const RELEASE = /^[a-z0-9]+(?:-[a-z0-9]+)*@[0-9A-Za-z][0-9A-Za-z.+-]{0,127}$/;

/** Whether a place is an address, not a folder. */
export function isRemoteAddress(text: string): boolean {
  return /^(?:oci|https?):\/\//i.test(text);
}

/**
 * Parses `oci://registry/repository:tag`, `oci://registry/repository@sha256:<digest>` or `https://depot/NAME@VERSION`.
 * @throws StowageError `usage-invalid`
 */
export function parseRemoteAddress(text: string): RemoteAddress {
  const [, scheme = '', registry = '', rest = ''] =
    /^(oci|https):\/\/([^/?#@]+)\/([^?#]+)$/.exec(text) ?? [];
  if (!isRegistryHost(registry)) throw invalid(text);
  if (scheme === 'https') {
    if (!RELEASE.test(rest)) throw invalid(text);
    return { kind: 'depot', registry, release: rest };
  }
  const at = rest.indexOf('@');
  const colon = rest.indexOf(':', rest.lastIndexOf('/', at < 0 ? undefined : at) + 1);
  const end = at >= 0 ? at : colon;
  const repository = end < 0 ? rest : rest.slice(0, end);
  if (!isRepositoryName(repository)) throw invalid(text);
  if (end < 0) return { kind: 'registry', registry, repository };
  const reference = rest.slice(end + 1);
  const isReference =
    at >= 0 ? reference.startsWith('sha256:') && isDigestText(reference) : isTag(reference);
  if (!isReference) throw invalid(text);
  return { kind: 'registry', registry, repository, reference };
}

function invalid(text: string): StowageError {
  return new StowageError('usage-invalid', 'invalid address of a bundle', {
    expected: 'oci://registry.site/repository:tag, or https://depot.site:5443/NAME@VERSION',
    found: text.slice(0, 200),
    hint: 'write host and port, then the repository or the release; no user, password, or question mark',
  });
}
