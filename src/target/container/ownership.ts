import { StowageError } from '../../core/error.ts';
import type { RenderedService } from '../../format/containers.ts';
import type { UnitSource } from '../host/systemd.ts';
import { labels } from './container-arguments.ts';
import type { ContainerState } from './engine.ts';

/**
 * Whether a container with a service's name belongs to it: it has the label of its site or, if version 0.1 made it,
 * only the label of its release.
 */
export function isOurs(
  { site, release }: RenderedService,
  found: Pick<ContainerState, 'site' | 'release'>,
): boolean {
  return site === undefined
    ? found.site === undefined && found.release === release
    : found.site === site;
}

/** The owner of a container, in words. */
export function ownerInWords({ site, release }: Pick<ContainerState, 'site' | 'release'>): string {
  if (site !== undefined) return `site ${site}`;
  return release === undefined
    ? 'something other than Stowage'
    : `release ${release} of another site`;
}

/**
 * Whether a unit file with a service's name belongs to this site. One without a label does (somebody edited it, and it
 * is repaired); one with the label of another site does not.
 */
export function isOurUnit({ site = '' }: RenderedService, { text }: UnitSource): boolean {
  const [, owner = site] = new RegExp(`${labels.site}=([0-9a-f]*)`).exec(text) ?? [];
  return owner === site;
}

/** @throws StowageError `engine-failed` for a unit file of another owner */
export function requireOurUnit(service: RenderedService, source: UnitSource): void {
  if (isOurUnit(service, source)) return;
  throw new StowageError('engine-failed', `unit ${service.unit} belongs to another owner`, {
    expected: `no unit of this name, or one whose container is labeled ${labelOf(service)}`,
    found: 'a unit of another site',
    hint: `inspect it with "systemctl cat ${service.unit}"; rename it, or remove it if it is not needed, then run the same command again`,
  });
}

/** @throws StowageError `engine-failed` for a container of another owner */
export function requireOurs(engine: string, service: RenderedService, found: ContainerState): void {
  if (found.state === 'absent' || isOurs(service, found)) return;
  throw new StowageError('engine-failed', `container ${service.unit} belongs to another owner`, {
    expected: `no container of this name, or one labeled ${labelOf(service)}`,
    found: `a container that belongs to ${ownerInWords(found)}`,
    hint: `inspect it with "${engine} inspect ${service.unit}"; rename it, or remove it if it is not needed, then run the same command again`,
  });
}

/** The label of a service's container by which its owner is known. */
export function labelOf({ site, release }: RenderedService): string {
  return site === undefined ? `${labels.release}=${release}` : `${labels.site}=${site}`;
}
