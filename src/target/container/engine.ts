import { StowageError } from '../../core/error.ts';
import type { RenderedImage, RenderedNetwork, RenderedService } from '../../format/containers.ts';
import type { RenderedEgress } from '../../format/egress.ts';
import type { UnitSource } from '../host/systemd.ts';
import type { Drift, RanInside } from '../target.ts';
import { labels } from './container-arguments.ts';

/** A limit on the resources of a container, by the name of its field in a manifest. */
export type ResourceLimit = 'memory' | 'pids' | 'cpus';

/** Limits that an engine accepts and does not enforce on its host. */
export interface IgnoredLimits {
  readonly limits: readonly ResourceLimit[];
  /** Why, in words. */
  readonly reason: string;
}

/** What a container engine reports about itself. */
export interface EngineFacts {
  /** Such as `podman`. */
  readonly engine: string;
  readonly version: string;
  /** Whether services become units of systemd. */
  readonly systemd: boolean;
  /** How it stores the layers of images, such as `overlay` or `overlay2`, if known. */
  readonly driver?: string;
  /** The folder in which it keeps images, if known. */
  readonly images?: string;
  /** The folder for downloads in progress, if it is a different one. */
  readonly fetching?: string;
  /** The home folder of its user, where it may have settings of its own; if known. */
  readonly home?: string;
  /** Whether the engine has no more rights on this host than the user who runs this. */
  readonly rootless: boolean;
  /** Whether services resolve each other's names on an internal network. */
  readonly names: boolean;
  /** Whether a rootless engine has the program that connects its networks with the host; undefined if it needs none or does not say. */
  readonly connects?: boolean;
  /** The version of the host's control groups; undefined if unknown. */
  readonly cgroups?: 1 | 2;
  /** Absent if it enforces all limits, or does not say. */
  readonly ignoredLimits?: IgnoredLimits;
}

/** What the container of a service is doing now. */
export interface ContainerState {
  /** `stopped` exists but does not run; `absent` does not exist. */
  readonly state: 'running' | 'stopped' | 'absent';
  /** Details for a person, such as `exit code 137 (out of memory)`; empty when there is none. */
  readonly detail: string;
  /** When it was started last, RFC 3339. */
  readonly startedAt?: string;
  /** When it ended, RFC 3339; absent for one that runs or was never started. */
  readonly finishedAt?: string;
  /** How often it was restarted since it was installed. */
  readonly restarts?: number;
  /** The id that the engine gave it. */
  readonly id?: string;
  /** The id of its first process on this host, while it runs. */
  readonly pid?: number;
  /** The id of the image that it was made from, 64 hex digits. */
  readonly image?: string;
  /** The specification that it was started with (`specificationOf`), 64 hex digits. */
  readonly specification?: string;
  /** The id of the site that owns it, and the release that it was made for, from its labels. */
  readonly site?: string;
  readonly release?: string;
  /** Each difference between the container or its unit and the rendered service; none for an absent container. */
  readonly drift: readonly Drift[];
}

/** A network to be created. */
export interface NewNetwork extends RenderedNetwork {
  /** Whether ports on it are published on an IPv6 address. */
  readonly ipv6?: boolean;
  /** Where the containers on it may open connections to; absent if that is not restricted, and for an internal one. */
  readonly egress?: readonly RenderedEgress[];
}

/**
 * A container engine of this host. Every method can be repeated after it was killed at any point, with the same result. Containers, units and networks of other owners are never changed, even if they have one of our names.
 * @throws StowageError from every method: `engine-failed` when the engine refuses or hangs, `interrupted` when the
 * signal was aborted
 */
export interface ContainerEngine {
  readonly name: string;
  /** @throws StowageError `host-unfit` when the engine is absent or too old */
  probe(signal: AbortSignal): Promise<EngineFacts>;
  /** Whether the engine has the image under its tag, with the right id. */
  hasImage(image: RenderedImage, signal: AbortSignal): Promise<boolean>;
  /**
   * Pulls the image by digest from the depot at `host:port`. Afterwards its only name is its tag, and
   * its id is the digest of its config.
   */
  loadImage(image: RenderedImage, depotHost: string, signal: AbortSignal): Promise<void>;
  /** Removes the image, unless a container or another tag still uses it. */
  unloadImage(image: RenderedImage, signal: AbortSignal): Promise<void>;
  /** Creates a network for one release, or keeps an equal one. */
  createNetwork(network: NewNetwork, signal: AbortSignal): Promise<void>;
  /** Why the connections that containers open cannot be restricted here; undefined if they can. */
  whyUnrestricted(signal: AbortSignal): Promise<string | undefined>;
  /** Removes the network; one of another owner stays. */
  removeNetwork(network: RenderedNetwork, signal: AbortSignal): Promise<void>;
  hasSecret(name: string, signal: AbortSignal): Promise<boolean>;
  /** Stores a secret under a name that is unique to its value. The value never appears in arguments or logs. */
  placeSecret(name: string, value: Uint8Array, signal: AbortSignal): Promise<void>;
  removeSecret(name: string, signal: AbortSignal): Promise<void>;
  /** A small text file in the service's container; undefined if there is none. Absent where it cannot be read. */
  readInside?(
    service: RenderedService,
    path: string,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined>;
  /** Starts a service, unless it already runs without drift; replaces a container of the same name. */
  startService(service: RenderedService, signal: AbortSignal): Promise<void>;
  /** Stops the service and removes its container and its unit. */
  stopService(service: RenderedService, signal: AbortSignal): Promise<void>;
  inspectService(service: RenderedService, signal: AbortSignal): Promise<ContainerState>;
  /** Runs a program inside the service's container; status {@link TIMED_OUT} when it times out. */
  runInside(
    service: RenderedService,
    command: readonly string[],
    signal: AbortSignal,
  ): Promise<RanInside>;
  /** The last lines that the service wrote, stdout and stderr together. */
  logs(service: RenderedService, lines: number, signal: AbortSignal): Promise<string>;
  /** Writes the last lines, then what the service writes until it ends or the signal is aborted. */
  followLogs(
    service: RenderedService,
    lines: number,
    write: (bytes: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

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
