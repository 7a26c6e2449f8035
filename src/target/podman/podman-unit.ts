import { StowageError } from '../../core/error.ts';
import type { RenderedService } from '../../format/containers.ts';
import { STOP_SECONDS } from '../container/container-arguments.ts';
import { podmanRunArguments } from './podman-arguments.ts';

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
