import type { CatalogEntry } from './catalog.ts';

const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/**
 * Finds a repository by name: the copy from the registry that the engine names in `?ns=`; otherwise the repository of
 * that name; otherwise the copy of that path from Docker Hub, whose mirrors are the only ones that are asked without
 * `?ns=`; otherwise the only copy of that path.
 */
export function findRepository(
  entries: readonly CatalogEntry[],
  name: string,
  registry?: string,
): CatalogEntry | undefined {
  const copies = entries.filter(({ upstream }) => upstream?.path === name);
  const from = (wanted: string): CatalogEntry | undefined =>
    copies.find(({ upstream }) => upstream?.registry === hubName(wanted));
  return (
    (registry === undefined ? undefined : from(registry)) ??
    entries.find(({ repository }) => repository === name) ??
    from('docker.io') ??
    (copies.length === 1 ? copies[0] : undefined)
  );
}

function hubName(registry: string): string {
  return DOCKER_HUB.includes(registry) ? 'docker.io' : registry;
}
