import type { Receiver } from '../../content/increment.ts';
import type { Digest } from '../../core/digest.ts';
import type { Receipt } from '../../format/receipt.ts';
import type { FindBundle } from './known-bundles.ts';

/**
 * The receiver that a receipt describes. The running releases of a receipt of an earlier version count as stored.
 * @throws StowageError what `find` throws
 */
export async function receiverOf(
  { site, host, holds, releases }: Receipt,
  find: FindBundle,
): Promise<Receiver> {
  const blobs = new Set<Digest>();
  const unknown: string[] = [];
  for (const { bundle: id, name, version } of holds?.bundles ?? releases) {
    const bundle = await find(id);
    if (bundle === undefined) unknown.push(`${name} ${version}`);
    for (const { digest } of bundle?.blobs ?? []) blobs.add(digest);
  }
  return {
    ...{ site, platform: host.platform, blobs, unknown },
    ...(holds === undefined
      ? {}
      : { free: holds.free, installers: new Set(holds.installers.map(({ sha512 }) => sha512)) }),
  };
}
