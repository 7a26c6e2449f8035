import { readCanonical, writeCanonical } from '../format/document.ts';
import type { Generation } from '../format/plan.ts';
import { type StoppedService, stoppedServicesKind } from '../format/site-state.ts';
import { remove, writeAtomic } from '../io/file.ts';
import type { ServiceName } from '../target/change.ts';
import type { Target } from '../target/target.ts';
import { readStateIfThere, type SiteFolder } from './site-folder.ts';

/** The services that a person stopped, without those of releases that a generation does not have. @throws StowageError `state-damaged` */
export async function stoppedServices(
  site: SiteFolder,
  { releases }: Generation,
): Promise<readonly StoppedService[]> {
  const bytes = await readStateIfThere(path(site), stoppedServicesKind.maxBytes);
  if (bytes === undefined) return [];
  const { services } = readCanonical(stoppedServicesKind, bytes);
  return services.filter((each) => releases.some(({ name }) => name === each.release));
}

/** Replaces the list of stopped services. */
export async function writeStopped(
  site: SiteFolder,
  services: readonly StoppedService[],
): Promise<void> {
  if (services.length === 0) return remove(path(site));
  const list = { schema: 'stowage/stopped-services/v1', services } as const;
  await writeAtomic(path(site), writeCanonical(stoppedServicesKind, list));
}

/** Removes the notes of services that a generation does not have: a release that is installed again later starts. */
export async function forgetStopped(
  running: Generation,
  { site, target }: { readonly site: SiteFolder; readonly target: Pick<Target, 'services'> },
): Promise<void> {
  const existing = running.releases.flatMap((release) =>
    target.services(release).map(({ name }) => ({ release: release.name, service: name })),
  );
  const stopped = await stoppedServices(site, running);
  await writeStopped(
    site,
    stopped.filter((each) => findService(existing, each) !== undefined),
  );
}

/** The entry of a service in a list, or undefined. */
export function findService<T extends ServiceName>(
  list: readonly T[],
  { release, service }: ServiceName,
): T | undefined {
  return list.find((each) => each.release === release && each.service === service);
}

function path(site: SiteFolder): string {
  return site.path('stopped.json');
}
