import type { Bundle } from '../format/bundle.ts';
import type { DeployedRelease, Generation, Workload } from '../format/generation.ts';
import type { Constraint, Operation } from '../format/plan.ts';
import type { Adapter, Health } from '../format/service.ts';
import type { Site } from '../format/site.ts';
import type { BlobStore } from '../io/blob-store.ts';
import type { Change } from './change.ts';
import type { DiskUse } from './disk-use.ts';
import type { HostProbe } from './host/host-probe.ts';

/** A service of a release as planning, gates, status and receipts know it, whatever runs it. */
export interface DeployedService {
  readonly name: string;
  /** Services of the same release that must be ready before this one starts. */
  readonly dependsOn: readonly string[];
  readonly health?: Health;
  /** The LoRA adapters that its server lists. */
  readonly adapters?: readonly Adapter[];
  /** Where clients reach it. */
  readonly addresses: readonly { readonly port: string; readonly url: string }[];
}

/** One service of a release in a generation. */
export interface ServiceOf {
  readonly release: DeployedRelease;
  readonly service: string;
}

/** What a service is doing now. */
export interface ServiceState {
  /** `stopped` is there but not running; `absent` is not there. */
  readonly state: 'running' | 'stopped' | 'absent';
  /** A person's detail, such as `exit code 137 (out of memory)`; empty when there is none. */
  readonly detail: string;
  /** When it was started last, RFC 3339. */
  readonly startedAt?: string;
  /** How often it ended and was started again since it was installed. */
  readonly restarts?: number;
  /** How what runs differs from what was applied, in words; empty when it does not. */
  readonly drift: readonly string[];
}

/** How a program that ran beside a service's process ended. */
export interface RanInside {
  readonly status: number;
  /** The last lines that it wrote, stdout and stderr together. */
  readonly output: string;
}

/** The status of a program that did not end within {@link INSIDE_SECONDS}, as timeout(1) has it. */
export const TIMED_OUT = 124;
export const INSIDE_SECONDS = 30;

/** Where a service can be asked from this host, until it is closed. */
export interface OpenEndpoint {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Everything that turns a release into a workload. */
export interface RenderInput {
  readonly bundle: Bundle;
  readonly settings: Site;
  /** The site's id, which names and labels carry: two sites may run one release on one host. */
  readonly siteId: string;
  /** Where the release's models and files are laid out on this host: absolute. */
  readonly files: string;
  /** This host's platform, such as `linux/amd64`. */
  readonly platform: string;
  /** Replaces each `${parameters.NAME}`. */
  readonly fill: (text: string) => string;
  /** The SHA-256 under which each template of the release is laid out as `rendered/<sha256>`. */
  readonly rendered: ReadonlyMap<string, string>;
  /** The name that each secret of the release is kept under. */
  readonly secretNames: ReadonlyMap<string, string>;
}

/** One step of a target's own, with its inverse. */
export interface TargetStep {
  readonly action: string;
  readonly side: Operation['side'];
  readonly release: string;
  readonly subject: string;
  /** The action that undoes it; absent where nothing is left to undo. */
  readonly undo?: string;
  readonly reason: string;
}

/** A step after which a service runs, or runs no more. */
export interface ServiceStep extends TargetStep {
  readonly service: string;
}

/** What a target does to get from one generation to another, in the order of its members. */
export interface TargetSteps {
  /** What can be made ready beside the services that run. */
  readonly prepare: readonly TargetStep[];
  /** What takes services away from their clients. Undoing it brings them back. */
  readonly stop: readonly ServiceStep[];
  /** Starts the new services, each after those it depends on. Gates come among and after these. */
  readonly start: readonly ServiceStep[];
  /** Leads clients to the new services, when every gate has passed. */
  readonly expose: readonly TargetStep[];
  /** Removes old services that were left running beside the new ones, when the new generation is kept. */
  readonly retire: readonly TargetStep[];
  /** Removes what only releases used that leave the site for good; done when one is uninstalled. */
  readonly clear: readonly TargetStep[];
}

/** What constraints are asked with, besides the change. */
export interface ConstraintContext {
  readonly change: Change;
  readonly host: HostProbe;
  readonly store: BlobStore;
  readonly signal: AbortSignal;
}

/** What a site offers its target while a step runs. */
export interface SiteSupply {
  /** Runs `work` while a depot serves the release's images at `host:port` on loopback. */
  withDepot(release: DeployedRelease, work: (host: string) => Promise<void>): Promise<void>;
}

/** One step of the target's own as it is run: again, after it was killed at any point, with the same end. */
export interface TargetOperation {
  readonly action: string;
  readonly release: DeployedRelease;
  readonly subject: string;
}

/**
 * What the services of a site run on. Planning, journal, gates, generations, receipts and rollback know this alone.
 * @throws StowageError from every method that takes a signal: `engine-failed` when what it drives refuses or hangs,
 * `interrupted` when the signal was aborted
 */
export interface Target {
  /** As `site.yaml` names it. */
  readonly name: string;
  /** Whether it runs services. One that does not is given releases without a workload. */
  readonly runsServices: boolean;
  /** Names of its constraints that a person may override for a while. */
  readonly overridable: readonly string[];
  /**
   * What it drives, and in which version: for receipts and reports.
   * @throws StowageError `host-unfit` when that is absent or too old
   */
  probe(signal: AbortSignal): Promise<{ readonly engine: string; readonly version: string }>;
  /** Pure. @throws StowageError `site-invalid`, `document-invalid` */
  render(input: RenderInput): Workload;
  /** The services of a release, each after those it depends on. Pure. @throws StowageError `state-damaged` */
  services(release: DeployedRelease): readonly DeployedService[];
  /** Pure. */
  steps(change: Change): TargetSteps;
  run(operation: TargetOperation, site: SiteSupply, signal: AbortSignal): Promise<void>;
  /** What must hold before a change; none where it runs nothing. */
  constraints(context: ConstraintContext): Promise<readonly Constraint[]>;
  diskUse(context: ConstraintContext): Promise<readonly DiskUse[]>;
  hasSecret(name: string, signal: AbortSignal): Promise<boolean>;
  /** Keeps a secret under a name that no other value ever has. The value reaches no argument list and no log. */
  placeSecret(name: string, value: Uint8Array, signal: AbortSignal): Promise<void>;
  removeSecret(name: string, signal: AbortSignal): Promise<void>;
  /** @param port one of the service's ports, by its name */
  endpoint(of: ServiceOf, port: string, signal: AbortSignal): Promise<OpenEndpoint>;
  state(of: ServiceOf, signal: AbortSignal): Promise<ServiceState>;
  /** Runs a program beside the service's process; status {@link TIMED_OUT} when it does not end in time. */
  runInside(of: ServiceOf, command: readonly string[], signal: AbortSignal): Promise<RanInside>;
  /** The last lines that the service wrote, stdout and stderr together. */
  logs(of: ServiceOf, lines: number, signal: AbortSignal): Promise<string>;
  /** Removes what it still holds for generations that go and that none of those that stay needs, secrets excepted. */
  forget(
    going: readonly Generation[],
    staying: readonly Generation[],
    signal: AbortSignal,
  ): Promise<void>;
}
