import { digestHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { RenderedService } from '../../format/containers.ts';
import {
  gpuDevices,
  labelsOf,
  limitArguments,
  publishedPorts,
  STOP_SECONDS,
  variablesOf,
} from '../container/container-arguments.ts';
import {
  podmanEntrypoint,
  podmanMemory,
  podmanMemoryMount,
  podmanNetworks,
  podmanRunArguments,
  podmanSecret,
  podmanVolume,
} from './podman-arguments.ts';

export interface PodmanUnitOptions {
  /** The absolute path of podman. */
  readonly podman: string;
  /** The target of `systemctl enable`; `default.target` for the systemd of a user. */
  readonly wantedBy: 'multi-user.target' | 'default.target';
  readonly selinux: boolean;
  /** Variables that podman needs, such as `CONTAINERS_CONF`. */
  readonly environment: Readonly<Record<string, string>>;
}

const START_SECONDS = 300;
const RESTART_SECONDS = 5;
const PLAIN_WORD = /^[A-Za-z0-9_@+=,./-]+$/;

/**
 * The systemd unit of a service (systemd.service(5)). After a crash, the container stays until its successor
 * replaces it, so its log can still be read.
 */
export function podmanUnit(service: RenderedService, options: PodmanUnitOptions): string {
  const run = podmanRunArguments(service, {
    supervisor: 'systemd',
    selinux: options.selinux,
  });
  const podman = systemdWord(options.podman);
  return [
    ...unitLines(service),
    '',
    '[Service]',
    'Type=notify',
    'NotifyAccess=all',
    `ExecStart=${[podman, ...run.map(commandWord)].join(' \\\n  ')}`,
    `ExecStop=${podman} stop --ignore --time ${STOP_SECONDS} ${service.unit}`,
    ...serviceLines(options.environment),
    '',
    '[Install]',
    `WantedBy=${options.wantedBy}`,
    '',
  ].join('\n');
}

/** The section `[Unit]`: at boot, the dependencies of a service start first. */
export function unitLines(service: RenderedService): string[] {
  const sources = service.mounts.flatMap((each) => ('source' in each ? [each.source] : []));
  const needed = service.dependsOn.map((name) => `${unitOf(service, name)}.service`);
  return [
    '[Unit]',
    `Description=Stowage: ${service.name} of ${service.release}`,
    `Wants=${['network-online.target', ...needed].join(' ')}`,
    `After=${['network-online.target', ...needed].join(' ')}`,
    ...sources.map((source) => `RequiresMountsFor=${systemdWord(source)}`),
  ];
}

/** The unit of another service of the same release. */
function unitOf({ unit, name }: RenderedService, peer: string): string {
  return `${unit.slice(0, -name.length)}${peer}`;
}

/** The lines of `[Service]` that unit and Quadlet files have in common. */
export function serviceLines(environment: PodmanUnitOptions['environment']): string[] {
  return [
    ...Object.entries(environment).map(
      ([name, value]) => `Environment=${systemdWord(`${name}=${value}`)}`,
    ),
    'Restart=always',
    `RestartSec=${RESTART_SECONDS}`,
    `TimeoutStartSec=${START_SECONDS}`,
    `TimeoutStopSec=${STOP_SECONDS + 30}`,
  ];
}

/** A word of a setting: quoted, with C escapes and doubled specifiers (systemd.syntax(7), systemd.unit(5)). */
export function systemdWord(text: string): string {
  if (text.includes('\0')) throw unwritable();
  if (PLAIN_WORD.test(text)) return text;
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('%', '%%')
    .replace(/[\u0001-\u001f\u007f]/g, hexEscape);
  return `"${escaped}"`;
}

/** A word of a command line, where `$` begins a variable as well (systemd.service(5), "Command lines"). */
export function commandWord(text: string): string {
  return systemdWord(text).replaceAll('$', '$$$$');
}

function hexEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

function unwritable(): StowageError {
  return new StowageError('manifest-invalid', 'an argument or a variable contains a NUL byte', {
    expected: 'text without NUL bytes',
    found: 'U+0000',
    hint: 'ask the release engineer to remove it from the manifest, and install the corrected release',
  });
}

/**
 * The Quadlet file of a service (podman-systemd.unit(5)): `<unit>.container`, from which podman's generator makes the
 * same `<unit>.service` that {@link podmanUnit} writes out. Only the keys of podman 4.4 are used, so every
 * later version reads it; the rest is in `PodmanArgs`. The generator puts every word on a systemd command line, so
 * words are escaped for one; keys that it copies verbatim are not quoted.
 */
export function podmanQuadlet(service: RenderedService, options: PodmanUnitOptions): string {
  return [
    ...unitLines(service),
    '',
    '[Container]',
    `ContainerName=${service.unit}`,
    `Image=${digestHex(service.image.config)}`,
    'NoNewPrivileges=true',
    'DropCapability=all',
    ...[...service.capabilities].sort().map((each) => `AddCapability=${each}`),
    `ReadOnly=${service.readOnlyRoot}`,
    ...podmanNetworks(service).map((each) => `Network=${each}`),
    ...publishedPorts(service).map((each) => `PublishPort=${each}`),
    ...gpuDevices(service).map((each) => `AddDevice=${each}`),
    ...service.mounts.flatMap((each) =>
      'source' in each
        ? [`Volume=${bare(podmanVolume(each.source, each.path, options.selinux))}`]
        : [],
    ),
    ...labelsOf(service).map((each) => `Label=${commandWord(each)}`),
    ...variablesOf(service).map((each) => `Environment=${commandWord(each)}`),
    ...extra(service).map((each) => `PodmanArgs=${each.map(commandWord).join(' ')}`),
    ...(service.args.length === 0 ? [] : [`Exec=${service.args.map(commandWord).join(' ')}`]),
    '',
    '[Service]',
    ...serviceLines(options.environment),
    '',
    '[Install]',
    `WantedBy=${options.wantedBy}`,
    '',
  ].join('\n');
}

/** Options of `podman run` with their values. The journal keeps the log, because Quadlet removes crashed containers. */
function extra(service: RenderedService): string[][] {
  const pairs: string[][] = [
    ['--pull', 'never'],
    ['--http-proxy=false'],
    ['--no-healthcheck'],
    ['--stop-timeout', String(STOP_SECONDS)],
    ['--log-driver', 'journald'],
  ];
  if (service.gpus !== undefined) pairs.push(['--security-opt', 'label=disable']);
  if (service.user !== undefined) pairs.push(['--user', service.user]);
  if (service.networks.length > 0) pairs.push(['--network-alias', service.name]);
  pairs.push(...inPairs(podmanMemory(service)), ...inPairs(limitArguments(service)));
  for (const each of service.mounts)
    if ('memory' in each) pairs.push(['--tmpfs', podmanMemoryMount(each.path, each.memory)]);
  for (const each of service.secrets) pairs.push(['--secret', podmanSecret(each, service.user)]);
  pairs.push(...inPairs(podmanEntrypoint(service)));
  return pairs;
}

function inPairs(args: readonly string[]): string[][] {
  return Array.from({ length: args.length / 2 }, (_, index) =>
    args.slice(2 * index, 2 * index + 2),
  );
}

/** A value that systemd expands, but Quadlet does not split. */
function bare(text: string): string {
  return text.replaceAll('%', '%%').replaceAll('$', '$$$$');
}
