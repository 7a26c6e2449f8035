import type { CatalogEntry } from './catalog.ts';

const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/**
 * The repository that a name means: for an engine that says for which registry it asks (`?ns=`), the copy from there;
 * else the repository of that very name; else the copy of that path from Docker Hub, which is the only registry whose
 * mirrors are asked without saying so; else the only copy of that path.
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
