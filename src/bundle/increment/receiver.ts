import { holdingsOf, type Receiver } from '../../content/increment.ts';
import { withParts } from '../../content/optional.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { HeldBundle, Receipt } from '../../format/receipt.ts';
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
  const stored: readonly Omit<HeldBundle, 'use'>[] = holds?.bundles ?? releases;
  for (const { bundle: id, name, version, parts } of stored) {
    const bundle = await find(id);
    if (bundle === undefined) unknown.push(`${name} ${version}`);
    else bundles.push(storedOf(bundle, parts));
  }
  return {
    ...{ site, platform: host.platform, ...holdingsOf(bundles), unknown },
    partSizes: partSizesOf(bundles),
    ...(holds === undefined
      ? {}
      : { free: holds.free, installers: new Set(holds.installers.map(({ sha512 }) => sha512)) }),
  };
}

/**
 * What a site stores of a bundle.
 * @param parts the optional parts that it stores, as its receipt lists them; all if absent
 */
export function storedOf(bundle: Bundle, parts?: readonly string[]): Bundle {
  return parts === undefined ? bundle : withParts(bundle, new Set(parts));
}

function partSizesOf(bundles: readonly Bundle[]): Map<string, Set<number>> {
  const sizes = new Map<string, Set<number>>();
  for (const { name, partSize } of bundles)
    sizes.set(name, (sizes.get(name) ?? new Set()).add(partSize));
  return sizes;
}
