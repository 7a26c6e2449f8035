import { StowageError } from '../../core/error.ts';
import type { RenderedService } from '../../format/containers.ts';
import type { UnitSource } from '../host/systemd.ts';
import { labels } from './container-arguments.ts';
import type { ContainerState } from './engine.ts';

/**
 * Whether a container that has a service's name was made for it: by its site's label, or, for what version 0.1
 * made, by the label of its release alone.
 */
export function isOurs(
  { site, release }: RenderedService,
  found: Pick<ContainerState, 'site' | 'release'>,
): boolean {
  return site === undefined
    ? found.site === undefined && found.release === release
    : found.site === site;
}

/** Whose a container is, in words. */
export function ownerInWords({ site, release }: Pick<ContainerState, 'site' | 'release'>): string {
  if (site !== undefined) return `site ${site}`;
  return release === undefined
    ? 'something other than Stowage'
    : `release ${release} of another site`;
}

/**
 * Whether a unit file of a service's name is this site's: one that was edited until no label is left is, too, and is
 * repaired; one that starts the container of another site is not.
 */
export function isOurUnit({ site = '' }: RenderedService, { text }: UnitSource): boolean {
  const [, owner = site] = new RegExp(`${labels.site}=([0-9a-f]*)`).exec(text) ?? [];
  return owner === site;
}

/** @throws StowageError `engine-failed` for a unit file of another owner */
export function requireOurUnit(service: RenderedService, source: UnitSource): void {
  if (isOurUnit(service, source)) return;
  throw new StowageError('engine-failed', `unit ${service.unit} belongs to another owner`, {
    expected: `no unit of this name, or one whose container is labelled ${labelOf(service)}`,
    found: 'a unit of another site',
    hint: `see what it is with "systemctl cat ${service.unit}"; rename or remove it if it is not needed, then run the same command again`,
  });
}

/** @throws StowageError `engine-failed` for a container of another owner */
export function requireOurs(engine: string, service: RenderedService, found: ContainerState): void {
  if (found.state === 'absent' || isOurs(service, found)) return;
  throw new StowageError('engine-failed', `container ${service.unit} belongs to another owner`, {
    expected: `no container of this name, or one labelled ${labelOf(service)}`,
    found: `a container that belongs to ${ownerInWords(found)}`,
    hint: `see what it is with "${engine} inspect ${service.unit}"; rename or remove it if it is not needed, then run the same command again`,
  });
}

function labelOf({ site, release }: RenderedService): string {
  return site === undefined ? `${labels.release}=${release}` : `${labels.site}=${site}`;
}
