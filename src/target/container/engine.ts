import type { RenderedImage, RenderedNetwork, RenderedService } from '../../format/containers.ts';
import type { RanInside } from '../target.ts';

/** What a container engine says of itself. */
export interface EngineFacts {
  /** Such as `podman`. */
  readonly engine: string;
  readonly version: string;
  /** Whether services become units of systemd. */
  readonly systemd: boolean;
  /** The folder in which it keeps images, where it tells. */
  readonly images?: string;
  /** The folder in which it keeps what it is fetching, where that is another. */
  readonly fetching?: string;
  /** Whether the engine has no more rights on this host than the user who runs this. */
  readonly rootless: boolean;
  /** Whether the services of a release find one another by their names on an internal network. */
  readonly names: boolean;
  /** The version of the host's control groups; undefined where the engine does not say. */
  readonly cgroups?: 1 | 2;
}

/** What the container of a service is doing now. */
export interface ContainerState {
  /** `stopped` is there but not running; `absent` is not there. */
  readonly state: 'running' | 'stopped' | 'absent';
  /** A person's detail, such as `exit code 137 (out of memory)`; empty when there is none. */
  readonly detail: string;
  /** When it was started last, RFC 3339. */
  readonly startedAt?: string;
  /** How often it ended and was started again since it was installed. */
  readonly restarts?: number;
  /** The id of the image that it was made from, 64 hex digits. */
  readonly image?: string;
  /** The specification that it was started with (`specificationOf`), 64 hex digits. */
  readonly specification?: string;
  /** The id of the site that owns it, and the release that it was made for, from its labels. */
  readonly site?: string;
  readonly release?: string;
}

/**
 * A container engine of this host. Every method may be called again after it was killed at any point, and then ends in
 * the same state. Containers, units and networks of our names that somebody else made are refused, never changed.
 * @throws StowageError from every method: `engine-failed` when the engine refuses or hangs, `interrupted` when the
 * signal was aborted
 */
export interface ContainerEngine {
  readonly name: string;
  /** @throws StowageError `host-unfit` when the engine is absent or too old */
  probe(signal: AbortSignal): Promise<EngineFacts>;
  /** Whether the engine knows the image by its tag, with the right id. */
  hasImage(image: RenderedImage, signal: AbortSignal): Promise<boolean>;
  /**
   * Pulls the image by digest from the depot at `host:port`. Afterwards the engine knows it by its tag alone, and
   * its id is the digest of its config.
   */
  loadImage(image: RenderedImage, depotHost: string, signal: AbortSignal): Promise<void>;
  /** Forgets the image, unless a container or another tag still uses it. */
  unloadImage(image: RenderedImage, signal: AbortSignal): Promise<void>;
  /** Makes a network that only a release uses, or finds it made alike. */
  createNetwork(network: RenderedNetwork, signal: AbortSignal): Promise<void>;
  /** Forgets the network; one of its name that the release does not own stays. */
  removeNetwork(network: RenderedNetwork, signal: AbortSignal): Promise<void>;
  hasSecret(name: string, signal: AbortSignal): Promise<boolean>;
  /** Keeps a secret under a name that no other value ever has. The value reaches no argument list and no log. */
  placeSecret(name: string, value: Uint8Array, signal: AbortSignal): Promise<void>;
  removeSecret(name: string, signal: AbortSignal): Promise<void>;
  /** Leaves a service alone that runs with this specification already; replaces any other of its name. */
  startService(service: RenderedService, signal: AbortSignal): Promise<void>;
  /** Stops the service and removes its container and its unit. */
  stopService(service: RenderedService, signal: AbortSignal): Promise<void>;
  inspectService(service: RenderedService, signal: AbortSignal): Promise<ContainerState>;
  /** Runs a program inside the service's container; status {@link TIMED_OUT} when it does not end in time. */
  runInside(
    service: RenderedService,
    command: readonly string[],
    signal: AbortSignal,
  ): Promise<RanInside>;
  /** The last lines that the service wrote, stdout and stderr together. */
  logs(service: RenderedService, lines: number, signal: AbortSignal): Promise<string>;
}
