import { holdingsOf, type Receiver } from '../../content/increment.ts';
import type { Bundle } from '../../format/bundle.ts';
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
  const bundles: Bundle[] = [];
  const unknown: string[] = [];
  for (const { bundle: id, name, version } of holds?.bundles ?? releases) {
    const bundle = await find(id);
    if (bundle === undefined) unknown.push(`${name} ${version}`);
    else bundles.push(bundle);
  }
  return {
    ...{ site, platform: host.platform, ...holdingsOf(bundles), unknown },
    ...(holds === undefined
      ? {}
      : { free: holds.free, installers: new Set(holds.installers.map(({ sha512 }) => sha512)) }),
  };
}
