import type { RemoteBundle } from '../bundle/remote-bundle.ts';
import { StowageError } from '../core/error.ts';
import type { RemoteAddress } from './address.ts';
import { depotBundle } from './depot-bundle.ts';
import type { RemoteHost } from './file-bytes.ts';
import { registryBundle } from './registry-bundle.ts';

/**
 * A bundle on another host, to be imported. Nothing is requested yet.
 * @param text the address as it was given, for messages
 * @throws StowageError `usage-invalid`
 */
export function openRemote(
  address: RemoteAddress,
  text: string,
  access: Omit<RemoteHost, 'scope'>,
): RemoteBundle {
  const { registry } = address;
  if (address.kind === 'depot') {
    const scope = { registry, repository: 'bundles' };
    return depotBundle(text, address.release, { ...access, scope });
  }
  const { repository, reference } = address;
  if (reference === undefined)
    throw new StowageError('usage-invalid', 'the address has no tag', {
      expected: `${text}:VERSION or ${text}@sha256:<digest>`,
      found: text,
      hint: 'give the tag or the digest that stowage push --bundle printed',
    });
  return registryBundle(text, reference, { ...access, scope: { registry, repository } });
}
