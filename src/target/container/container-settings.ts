import { canonicalAddress, urlHost } from '../../core/host-address.ts';
import type { RenderedService } from '../../format/containers.ts';
import { ulimitValues } from '../../format/isolation.ts';
import { labels, publishedPorts, specificationOf } from './container-arguments.ts';

/** The settings of a container by field, such as `user` or `ports`, each as text. */
export type SettingTexts = Readonly<Record<string, string>>;

/** The settings of a container: of one that an engine has, or of the one that a service needs. */
export interface ContainerSettings {
  /** Without the fields that the engine does not report. */
  readonly texts: SettingTexts;
  /** The program and its arguments. */
  readonly command?: readonly string[];
  /** As `NAME=value`. */
  readonly env?: readonly string[];
  /** The paths at which memory is mounted. */
  readonly memory?: readonly string[];
  /** The engine's own command that created the container, without its program. */
  readonly createdBy?: readonly string[];
}

/** What an image sets for containers that do not. */
export interface ImageDefaults {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
}

/** An image's config as podman and docker describe it. */
export interface InspectedImage {
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Env?: readonly string[] | null;
  readonly User?: string;
}

export function imageDefaults(config: InspectedImage | null): ImageDefaults {
  return {
    entrypoint: config?.Entrypoint ?? [],
    command: config?.Cmd ?? [],
    env: config?.Env ?? [],
    user: config?.User ?? '',
  };
}

/** What an engine adds to the settings of a service. */
export interface EngineSettings {
  /** As `NAME=value`. */
  readonly variables: readonly string[];
  /** The secrets of the service that the engine mounts from files of this host. */
  readonly secretFiles: readonly { readonly source: string; readonly path: string }[];
  /** Whether the engine keeps secrets of its own. */
  readonly ownSecrets: boolean;
  /** The arguments that create the container, if they are the same at every start. */
  readonly createdBy?: readonly string[];
}

/** A container as podman and docker describe it; members that this program does not compare are left out. */
export interface InspectedContainer {
  readonly Id?: string;
  readonly Image?: string;
  readonly Path?: string;
  readonly Args?: readonly string[] | null;
  /** Only podman reports it. */
  readonly BoundingCaps?: readonly string[] | null;
  readonly Mounts?: readonly InspectedMount[] | null;
  readonly NetworkSettings?: { readonly Networks?: Readonly<Record<string, unknown>> | null };
  readonly Config?: {
    readonly User?: string;
    /** A list, or in older versions of podman its words with spaces between them. */
    readonly Entrypoint?: string | readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Env?: readonly string[] | null;
    readonly Labels?: Readonly<Record<string, string | undefined>> | null;
    readonly CreateCommand?: readonly string[] | null;
    readonly Secrets?: readonly { readonly Name?: string }[] | null;
  };
  readonly HostConfig?: {
    readonly NetworkMode?: string;
    readonly PortBindings?: Readonly<Record<string, readonly Binding[] | null>> | null;
    readonly Privileged?: boolean;
    readonly ReadonlyRootfs?: boolean;
    readonly CapAdd?: readonly string[] | null;
    readonly CapDrop?: readonly string[] | null;
    readonly SecurityOpt?: readonly string[] | null;
    readonly Tmpfs?: Readonly<Record<string, string>> | null;
    readonly Memory?: number;
    readonly NanoCpus?: number;
    readonly PidsLimit?: number | null;
    readonly ShmSize?: number;
    readonly IpcMode?: string;
    readonly Ulimits?: readonly InspectedLimit[] | null;
  };
}

interface InspectedLimit {
  /** `nofile` in docker, `RLIMIT_NOFILE` in podman. */
  readonly Name?: string;
  readonly Soft?: number;
  readonly Hard?: number;
}

interface InspectedMount {
  readonly Type?: string;
  readonly Source?: string;
  readonly Destination?: string;
  readonly RW?: boolean;
}

interface Binding {
  readonly HostIp?: string;
  readonly HostPort?: string;
}

const SPECIFICATION = `label ${labels.specification}`;

/** The settings of a container that an engine has. */
export function foundSettings(container: InspectedContainer): ContainerSettings {
  const { Config = {}, HostConfig = {}, Mounts } = container;
  const { CreateCommand } = Config;
  const command = foundCommand(container);
  const texts: Record<string, string | undefined> = {
    [SPECIFICATION]: Config.Labels?.[labels.specification] ?? 'none',
    user: Config.User,
    ports: orUnknown(HostConfig.PortBindings, (list) => portsText(list ?? {})),
    mounts: orUnknown(Mounts, (list) => mountsText(list ?? [])),
    secrets: orUnknown(Config.Secrets, (list) =>
      listText((list ?? []).map(({ Name = '' }) => Name)),
    ),
    networks: networkText(container),
    'read-only root': orUnknown(HostConfig.ReadonlyRootfs, yesOrNo),
    privileged: orUnknown(HostConfig.Privileged, yesOrNo),
    capabilities: capabilitiesText(container),
    'no new privileges': orUnknown(HostConfig.SecurityOpt, (options) =>
      yesOrNo(options?.some((each) => each.startsWith('no-new-privileges')) ?? false),
    ),
    // An engine that cannot set a limit on its host reports 0.
    memory: limitText(HostConfig.Memory),
    'CPU limit': limitText((HostConfig.NanoCpus ?? 0) / 1e9),
    'process limit': limitText(HostConfig.PidsLimit ?? 0),
    'shared memory': limitText(HostConfig.ShmSize),
    ipc: orUnknown(createdIpc(CreateCommand) ?? HostConfig.IpcMode, ipcText),
    ...foundLimits(HostConfig.Ulimits),
  };
  return {
    texts: withoutUnknown(texts),
    ...(command === undefined ? {} : { command }),
    ...(Config.Env === undefined ? {} : { env: Config.Env ?? [] }),
    ...(HostConfig.Tmpfs === undefined ? {} : { memory: Object.keys(HostConfig.Tmpfs ?? {}) }),
    ...(CreateCommand === undefined || CreateCommand === null
      ? {}
      : { createdBy: CreateCommand.slice(1) }),
  };
}

/** What a container runs. Of a command of one word, podman 4.3 repeats it as its argument. */
function foundCommand({ Path, Args, Config = {} }: InspectedContainer): string[] | undefined {
  if (Path === undefined) return undefined;
  const words = [Path, ...(Args ?? [])];
  const entrypoint = [Config.Entrypoint ?? []].flat();
  const asked = [...entrypoint, ...(Config.Cmd ?? [])];
  const repeated = words.length === 2 && words[1] === Path && asked.length === 1;
  return repeated && asked[0] === Path ? [Path] : words;
}

/** The settings of the container that a service needs. */
export function neededSettings(
  service: RenderedService,
  image: ImageDefaults | undefined,
  engine: EngineSettings,
): ContainerSettings {
  const texts: Record<string, string | undefined> = {
    [SPECIFICATION]: specificationOf(service),
    user: service.user ?? image?.user,
    ports: listText(publishedPorts(service).map(anyAddress)),
    mounts: listText([
      ...service.mounts.flatMap((each) => ('source' in each ? [mountText(each)] : [])),
      ...engine.secretFiles.map(mountText),
    ]),
    secrets: engine.ownSecrets ? listText(service.secrets.map(({ name }) => name)) : undefined,
    networks: networksOf(service),
    'read-only root': yesOrNo(service.readOnlyRoot),
    privileged: 'no',
    capabilities: listText(service.capabilities.map(capability)),
    'no new privileges': 'yes',
    memory: limitText(service.memory),
    'CPU limit': limitText(service.cpus),
    'process limit': limitText(service.pids),
    'shared memory': limitText(service.sharedMemory),
    ipc: service.ipc,
    ...Object.fromEntries(
      ulimitValues(service).map(([name, value]) => [`ulimit ${name}`, ulimitText(value, value)]),
    ),
  };
  const command = commandOf(service, image);
  return {
    texts: withoutUnknown(texts),
    ...(command === undefined ? {} : { command }),
    env: engine.variables,
    memory: service.mounts.flatMap((each) => ('memory' in each ? [each.path] : [])),
    ...(engine.createdBy === undefined ? {} : { createdBy: engine.createdBy }),
  };
}

/** An entrypoint of the service hides the command of the image, as in podman and docker. */
function commandOf(
  { entrypoint, args }: RenderedService,
  image: ImageDefaults | undefined,
): string[] | undefined {
  if (entrypoint !== undefined) return [entrypoint, ...args];
  if (image === undefined) return undefined;
  return [...image.entrypoint, ...(args.length > 0 ? args : image.command)];
}

/** Undefined for the engine's default network, which engines name differently. */
function networksOf({ network, networks }: RenderedService): string | undefined {
  if (network !== 'bridge') return network;
  return networks.length === 0 ? undefined : listText(networks);
}

function networkText({ HostConfig, NetworkSettings }: InspectedContainer): string | undefined {
  const mode = HostConfig?.NetworkMode;
  if (mode === 'host' || mode === 'none') return mode;
  const joined = NetworkSettings?.Networks;
  return joined === undefined || joined === null ? undefined : listText(Object.keys(joined));
}

function portsText(bindings: Readonly<Record<string, readonly Binding[] | null>>): string {
  const ports = Object.entries(bindings).flatMap(([port, places]) =>
    (places ?? []).map(({ HostIp = '', HostPort = '' }) => {
      const address = urlHost(canonicalAddress(HostIp));
      return anyAddress(`${address}:${HostPort}:${port.replace(/\/tcp$/, '')}`);
    }),
  );
  return listText(ports);
}

/** Engines name the address that stands for all of IPv4 in several ways. */
function anyAddress(port: string): string {
  return port.replace(/^(?:0\.0\.0\.0|\*)?:/, '0.0.0.0:');
}

function mountsText(mounts: readonly InspectedMount[]): string {
  const files = mounts.filter(({ Type }) => Type === 'bind' || Type === 'volume');
  return listText(
    files.map(({ Source = '', Destination = '', RW = true }) =>
      mountText({ source: Source, path: Destination, writable: RW }),
    ),
  );
}

function mountText(mount: { source: string; path: string; writable?: boolean }): string {
  return `${mount.source}:${mount.path}:${mount.writable === true ? 'rw' : 'ro'}`;
}

function capabilitiesText({ BoundingCaps, HostConfig }: InspectedContainer): string | undefined {
  if (BoundingCaps !== undefined) return listText((BoundingCaps ?? []).map(capability));
  const { CapAdd, CapDrop } = HostConfig ?? {};
  if (CapDrop === undefined) return undefined;
  const added = (CapAdd ?? []).map(capability);
  return CapDrop?.includes('ALL') ? listText(added) : listText(["the engine's defaults", ...added]);
}

function capability(name: string): string {
  return name.startsWith('CAP_') ? name : `CAP_${name}`;
}

function listText(list: readonly string[]): string {
  return list.length === 0 ? 'none' : list.toSorted().join(', ');
}

function limitText(limit: number | undefined): string | undefined {
  return limit === undefined || limit <= 0 ? undefined : String(limit);
}

/** Engines call what no other container joins `private`, `shareable` or nothing. */
/** Podman reports the mode `shareable` for every container, also for one in the namespace of the host. */
function createdIpc(command: readonly string[] | null | undefined): string | undefined {
  const at = command?.findIndex((word) => /^--ipc(?:=|$)/.test(word)) ?? -1;
  return at < 0 ? undefined : (command?.[at]?.split('=')[1] ?? command?.[at + 1]);
}

function ipcText(mode: string): string {
  return ['', 'private', 'shareable'].includes(mode) ? 'private' : mode;
}

/** The limits that an engine reports; `none` for those that it does not, if it reports any. */
function foundLimits(
  limits: readonly InspectedLimit[] | null | undefined,
): Record<string, string | undefined> {
  if (limits === undefined) return {};
  const found = (limits ?? []).map(({ Name = '', Soft = 0, Hard = 0 }) => [
    `ulimit ${Name.replace(/^RLIMIT_/i, '').toLowerCase()}`,
    ulimitText(Soft, Hard),
  ]);
  return {
    ...{ 'ulimit memlock': 'none', 'ulimit nofile': 'none', 'ulimit stack': 'none' },
    ...(Object.fromEntries(found) as Record<string, string>),
  };
}

/** Engines report no limit as -1 or as the largest number of 64 bits. */
function ulimitText(soft: number, hard: number): string {
  const text = (value: number): string =>
    value < 0 || value >= Number.MAX_SAFE_INTEGER ? 'unlimited' : String(value);
  return soft === hard ? text(soft) : `${text(soft)} to ${text(hard)}`;
}

function yesOrNo(value: boolean): 'yes' | 'no' {
  return value ? 'yes' : 'no';
}

/** The text of what an engine reports; undefined for what it leaves out. */
function orUnknown<T>(value: T | undefined, text: (value: T) => string): string | undefined {
  return value === undefined ? undefined : text(value);
}

function withoutUnknown(texts: Readonly<Record<string, string | undefined>>): SettingTexts {
  const known = Object.entries(texts).filter(([, text]) => text !== undefined);
  return Object.fromEntries(known) as SettingTexts;
}
