import type { RemoteBundle } from '../../bundle/remote-bundle.ts';
import { isRemoteAddress, parseRemoteAddress } from '../../remote/address.ts';
import { openRemote } from '../../remote/open-remote.ts';
import { type CommandContext, usage } from '../command.ts';
import { type AccessOptions, registryAccess } from './registry-access.ts';

/** The bundle at an address that was given instead of folders; undefined for folders. @throws StowageError `usage-invalid` */
export async function remoteOf(
  places: readonly string[],
  options: AccessOptions,
  context: CommandContext,
): Promise<RemoteBundle | undefined> {
  const text = places.find(isRemoteAddress);
  if (text === undefined) return undefined;
  if (places.length > 1)
    throw usage('an address cannot be combined with folders', `${text} alone`, places.join(' '));
  const address = parseRemoteAddress(text);
  return openRemote(address, text, await registryAccess(address.registry, options, context));
}
