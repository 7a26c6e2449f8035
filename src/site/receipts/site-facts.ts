import { StowageError } from '../../core/error.ts';
import type { Generation } from '../../format/generation.ts';
import type { Receipt, ServiceHealth } from '../../format/receipt.ts';
import { hostKernel, hostPlatform } from '../../target/host/platform.ts';
import type { Target } from '../../target/target.ts';
import { generationNumbers } from '../generations.ts';
import type { SiteFolder } from '../site-folder.ts';

export type SiteFacts = Pick<Receipt, 'generations' | 'held' | 'health' | 'host'>;

interface Place {
  readonly site: SiteFolder;
  readonly target: Target;
  readonly signal: AbortSignal;
}

/** The state of a site in a receipt. */
export async function siteFacts(
  running: Generation,
  { site, target, signal }: Place,
): Promise<SiteFacts> {
  const { labels } = await site.site();
  const health: ServiceHealth[] = [];
  for (const release of running.releases) {
    for (const { name } of target.services(release)) {
      const seen = await orUnknown(target.state({ release, service: name }, signal));
      const since = seen?.startedAt;
      health.push({
        service: `${release.name} ${name}`,
        state: seen?.state ?? 'unknown',
        ...(since === undefined ? {} : { since }),
      });
    }
  }
  let blobs = 0;
  let bytes = 0;
  for await (const { size } of site.store.all()) {
    blobs += 1;
    bytes += size;
  }
  const engine = await orUnknown(target.probe(signal));
  return {
    generations: await generationNumbers(site),
    held: { blobs, bytes },
    health,
    host: {
      platform: hostPlatform(),
      kernel: hostKernel(),
      engine: engine === undefined ? 'unknown' : `${engine.engine} ${engine.version}`,
      labels,
    },
  };
}

/** A receipt is written even if the engine fails. */
async function orUnknown<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof StowageError) return undefined;
    throw error;
  }
}
