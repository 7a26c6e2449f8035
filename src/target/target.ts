import type { Digest } from '../core/digest.ts';
import { MAX_ARCHIVE_ENTRIES } from '../core/limits.ts';
import type { Bundle } from '../format/bundle.ts';
import type { BundleModel } from '../format/bundled-content.ts';
import type { ClusterRecord } from '../format/cluster-record.ts';
import type { SecretReference } from '../format/kubernetes-site.ts';
import type {
  Constraint,
  DeployedRelease,
  Generation,
  Operation,
  Workload,
} from '../format/plan.ts';
import type { Adapter, Health } from '../format/service.ts';
import type { Site } from '../format/site.ts';
import type { Change, ServiceName } from './change.ts';
import type { HostProbe } from './host/host-probe.ts';
import type { RenderInput } from './render-input.ts';
import type { Way } from './way.ts';

/** What a change writes to one file system of this host. */
export interface DiskUse {
  readonly path: string;
  readonly bytes: number;
  readonly files: number;
}

/** A low estimate of the average file size in a layer or tree. */
const BYTES_PER_FILE = 8192;

/** The estimated number of files in a layer or tree of this size. */
export function filesIn(bytes: number): number {
  return Math.min(MAX_ARCHIVE_ENTRIES, Math.ceil(bytes / BYTES_PER_FILE));
}

/** The result of one check of the host, or of what runs its services. */
export interface Finding {
  readonly area: 'computes' | 'runtime' | 'environment' | 'clock' | 'engine' | 'cluster';
  readonly check: string;
  /** `wrong` makes the host unfit; a person must judge a `doubt`. */
  readonly verdict: 'right' | 'doubt' | 'wrong';
  readonly found: string;
  readonly hint?: string;
}

/** A service of a release, independent of the target that runs it. */
export interface DeployedService {
  readonly name: string;
  /** Services of the same release that must be ready before this one starts. */
  readonly dependsOn: readonly string[];
  readonly health?: Health;
  /** The LoRA adapters that its server lists. */
  readonly adapters?: readonly Adapter[];
  /** Where clients reach it. */
  readonly addresses: readonly { readonly port: string; readonly url: string }[];
  /**
   * For the objects of a chart, which are applied and not started, so that nobody stops them: what they may do beyond their
   * namespace, one line each.
   */
  readonly powers?: readonly string[];
}

/** One service of a release in a generation. */
export interface ServiceOf {
  readonly release: DeployedRelease;
  readonly service: string;
}

/** What a service is doing now. */
export interface ServiceState {
  /** `stopped` exists but does not run; `absent` does not exist. */
  readonly state: 'running' | 'stopped' | 'absent';
  /** Details for a person, such as `exit code 137 (out of memory)`; empty when there is none. */
  readonly detail: string;
  /** When it was started last, RFC 3339. */
  readonly startedAt?: string;
  /** When it ended, RFC 3339; absent for a service that runs, or if unknown. */
  readonly finishedAt?: string;
  /** How often it was restarted since it was installed. */
  readonly restarts?: number;
  /** For a service that runs more than once: how many times it should, and how many of these are ready. */
  readonly replicas?: { readonly ready: number; readonly wanted: number };
  /** Each difference between what the engine has and what was applied; none for a service that does not exist. */
  readonly drift: readonly Drift[];
}

/** What the processes of a service used since it was started; a counter that cannot be read is missing. */
export interface ResourceUse {
  /** Read from block devices, also through mapped files. */
  readonly readBytes?: number;
  readonly cpuSeconds?: number;
  /** Held now, with the page cache that is charged to it. */
  readonly memoryBytes?: number;
  /** Processors in use, on average over some seconds, where there is no counter. */
  readonly cpus?: number;
  /** Why the memory or the processors are unknown. */
  readonly unknown?: string;
}

/** A field of a service that was changed after it was applied. */
export interface Drift {
  /** Such as `image`, `ports` or `environment MODEL_NAME`. */
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}

/** The result of a program that ran beside a service's process. */
export interface RanInside {
  readonly status: number;
  /** The last lines that it wrote, stdout and stderr together. */
  readonly output: string;
}

/** The status of a program that exceeded {@link INSIDE_SECONDS}, as in timeout(1). */
export const TIMED_OUT = 124;
export const INSIDE_SECONDS = 30;

/** Where a service accepts requests from this host, until it is closed. */
export interface OpenEndpoint {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** A step that the target runs, with its inverse. */
export interface TargetStep {
  readonly action: string;
  readonly side: Operation['side'];
  readonly release: string;
  readonly subject: string;
  /** The action that undoes it; absent if there is nothing to undo. */
  readonly undo?: string;
  /** The generation that has the subject of `undo`, if it is not that of `action`. */
  readonly undoSide?: Operation['side'];
  readonly reason: string;
}

/** A step that starts or stops a service. */
export interface ServiceStep extends TargetStep {
  readonly service: string;
}

/** The steps of a target from one generation to another, in the order of these members. */
export interface TargetSteps {
  /** Makes what holds everything else of a release, also its secrets, such as a namespace. */
  readonly open: readonly TargetStep[];
  /** Preparations that do not affect running services. */
  readonly prepare: readonly TargetStep[];
  /** Stops services, or detaches them from their clients. Undoing it restores them. */
  readonly stop: readonly ServiceStep[];
  /** Starts the new services, each after its dependencies. Gates run between and after these steps. */
  readonly start: readonly ServiceStep[];
  /** Directs clients to the new services, after every gate has passed. */
  readonly expose: readonly TargetStep[];
  /**
   * Removes old services that still run beside the new ones, after the new generation was kept. Never undone: a kill among
   * these steps is finished by the next command.
   */
  readonly retire: readonly TargetStep[];
  /** Removes what only leaving releases used. Runs only when a release is uninstalled. */
  readonly clear: readonly TargetStep[];
  /** Removes what `open` made, last of all. Runs only when a release is uninstalled. */
  readonly close: readonly TargetStep[];
}

/** The blobs of a site, to read. */
export interface StoredBlobs {
  /** Undefined for a blob that is not at the site. */
  size(digest: Digest): Promise<number | undefined>;
  /** @throws StowageError `blob-damaged`, `file-missing` */
  read(digest: Digest, maxBytes: number): Promise<Buffer>;
}

/** The input of a target's constraints. */
export interface ConstraintContext {
  readonly change: Change;
  readonly host: HostProbe;
  readonly store: StoredBlobs;
  /** The values of {@link Target.ownSecrets}; undefined for one that cannot be read. */
  readonly ownSecret?: OwnSecret;
  /** The time of the plan. */
  readonly now: Date;
  readonly signal: AbortSignal;
}

export type OwnSecret = (name: string) => Promise<Uint8Array | undefined>;

/** What a site provides for the checks of `stowage doctor`. */
export interface ExamineInput {
  /** Absent before the first import. */
  readonly siteId?: string;
  /** The imported releases. */
  readonly bundles: readonly Bundle[];
  /** The manifest of a model as an image. */
  readonly carOf: (bundle: Bundle, model: BundleModel) => Promise<Digest>;
  /** The values of {@link Target.ownSecrets}; undefined for one that cannot be read. */
  readonly ownSecret: OwnSecret;
  /** This host's platform, such as `linux/amd64`. */
  readonly platform: string;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

/** Objects that the owner of a cluster applies so that an account gets its rights. */
export interface RoleToRequest {
  readonly objects: readonly object[];
  readonly yaml: string;
}

/** What a site provides to its target during a step. */
export interface SiteSupply {
  /** Runs `work` while a depot serves the release's images at `host:port` on loopback. */
  withDepot(release: DeployedRelease, work: (host: string) => Promise<void>): Promise<void>;
  /** Tells a person what a step left undone although it succeeded. @param hint what to do about it */
  warn(message: string, hint: string): void;
  /** Tells a person what a step waits for, whenever that changes; absent where nobody reads it. */
  progress?(what: string): void;
}

/** A step of the target as it runs. It can be repeated after it was killed at any point, with the same result. */
export interface TargetOperation {
  readonly action: string;
  readonly release: DeployedRelease;
  /** The release of this name in the other generation of the plan: what both have is not removed. */
  readonly counterpart?: DeployedRelease;
  readonly subject: string;
}

/** A stored secret, by the release that uses it and its name there. */
export interface SecretOf {
  readonly release: DeployedRelease;
  readonly name: string;
}

/**
 * What runs the services of a site. Planning, journal, gates, generations, receipts and rollback use only this.
 * @throws StowageError from every method that takes a signal: `engine-failed` when the engine refuses or hangs,
 * `interrupted` when the signal was aborted
 */
export interface Target {
  /** As `site.yaml` names it. */
  readonly name: string;
  /** Whether it runs services. If not, it gets releases without a workload. */
  readonly runsServices: boolean;
  /** Whether its services mount models and files as images, so that these need digests. */
  readonly mountsImages?: boolean;
  /** Whether it applies charts and objects of the Kubernetes API. */
  readonly appliesObjects?: boolean;
  /** Secrets that the target itself needs for a release with these settings, such as the credentials of a registry. */
  ownSecrets?(settings: Site): ReadonlyMap<string, SecretReference>;
  /**
   * Services that must stop before their successors start, because the target has no room for both. Absent for a target
   * whose services always do.
   */
  exclusive?(change: Change, signal: AbortSignal): Promise<readonly ServiceName[]>;
  /** Names of its constraints that a person may temporarily override. */
  readonly overridable: readonly string[];
  /**
   * The engine and its version, for receipts and reports.
   * @throws StowageError `host-unfit` when it is absent or too old
   */
  probe(signal: AbortSignal): Promise<{ readonly engine: string; readonly version: string }>;
  /**
   * Checks what runs the services beside this host, for `stowage doctor`; absent for a target without anything beside it. May
   * make objects there, and removes them.
   */
  examine?(input: ExamineInput): Promise<readonly Finding[]>;
  /** The rights that its account needs, for their owner to grant; absent for a target without an account. */
  role?(signal: AbortSignal): Promise<RoleToRequest>;
  /** What a receipt says of the cluster that runs a generation; absent for a target without one. */
  record?(running: Generation, signal: AbortSignal): Promise<ClusterRecord>;
  /** Pure. @throws StowageError `site-invalid`, `document-invalid` */
  render(input: RenderInput): Workload;
  /** The services of a release, each after its dependencies. Pure. @throws StowageError `state-damaged` */
  services(release: DeployedRelease): readonly DeployedService[];
  /** Pure. */
  steps(change: Change): TargetSteps;
  run(operation: TargetOperation, site: SiteSupply, signal: AbortSignal): Promise<void>;
  /** What must hold before a change; none for a target without services. */
  constraints(context: ConstraintContext): Promise<readonly Constraint[]>;
  diskUse(context: ConstraintContext): Promise<readonly DiskUse[]>;
  hasSecret(of: SecretOf, signal: AbortSignal): Promise<boolean>;
  /** Stores a secret under a name that is unique to its value. The value never appears in arguments or logs. */
  placeSecret(of: SecretOf, value: Uint8Array, signal: AbortSignal): Promise<void>;
  removeSecret(of: SecretOf, signal: AbortSignal): Promise<void>;
  /**
   * The value of a secret that a running service has, by its stored name; undefined if it cannot be read. The service may
   * have replaced it: compare it. Absent for a target that does not return secrets.
   */
  storedSecret?(of: ServiceOf, name: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Absent for a target whose services are reached on this host. */
  readonly way?: Way;
  /** @param port one of the service's ports, by its name */
  endpoint(of: ServiceOf, port: string, signal: AbortSignal): Promise<OpenEndpoint>;
  state(of: ServiceOf, signal: AbortSignal): Promise<ServiceState>;
  /** {@link state} of many services at the same moment, in their order; absent where it saves nothing. */
  states?(of: readonly ServiceOf[], signal: AbortSignal): Promise<readonly ServiceState[]>;
  /**
   * Why connections of the services are not restricted as their plan wants it, in words; undefined where that is not known. Absent
   * for a target that tells it in plans only.
   */
  notRestricted?(signal: AbortSignal): Promise<string | undefined>;
  /** What a running service used; undefined if that is unknown. Absent where it cannot be measured. */
  resourceUse?(of: ServiceOf, signal: AbortSignal): Promise<ResourceUse | undefined>;
  /** Runs a program beside the service's process; status {@link TIMED_OUT} when it times out. */
  runInside(of: ServiceOf, command: readonly string[], signal: AbortSignal): Promise<RanInside>;
  /** The last lines that the service wrote, stdout and stderr together. */
  logs(of: ServiceOf, lines: number, signal: AbortSignal): Promise<string>;
  /** Writes the last lines of a running service, then what it writes until it ends or the signal is aborted. */
  followLogs(
    of: ServiceOf,
    lines: number,
    write: (bytes: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Stops a service, which then stays stopped when the host starts again. A step of {@link steps} starts it. */
  stop(of: ServiceOf, signal: AbortSignal): Promise<void>;
  /** Removes what only the generations in `going` need, and none in `staying`, except secrets. */
  forget(
    going: readonly Generation[],
    staying: readonly Generation[],
    signal: AbortSignal,
  ): Promise<void>;
}
