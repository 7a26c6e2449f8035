import type { Generation, RenderedService } from '../format/generation.ts';
import { exists } from '../io/file.ts';
import type { ServiceState, Target } from '../target/target.ts';
import { currentGeneration, generationNumbers } from './generations.ts';
import type { SiteFolder } from './site-folder.ts';

export interface ServiceStatus {
  readonly service: RenderedService;
  readonly state: ServiceState;
}

export interface SiteStatus {
  readonly site: string;
  readonly root: string;
  readonly generation: Generation;
  /** Every generation that is kept, ascending. */
  readonly generations: readonly number[];
  readonly services: readonly ServiceStatus[];
  /** Whether a killed command left work that the next one finishes or undoes. */
  readonly interrupted: boolean;
}

/** What a site runs, asked of the engine now. Changes nothing. */
export async function siteStatus(
  site: SiteFolder,
  target: Target,
  signal: AbortSignal,
): Promise<SiteStatus> {
  const generation = await currentGeneration(site);
  const services: ServiceStatus[] = [];
  for (const release of generation.releases) {
    for (const service of release.services) {
      services.push({ service, state: await target.inspectService(service, signal) });
    }
  }
  return {
    site: (await site.site()).name,
    root: site.root,
    generation,
    generations: await generationNumbers(site),
    services,
    interrupted: await exists(site.path('apply', 'plan.json')),
  };
}
