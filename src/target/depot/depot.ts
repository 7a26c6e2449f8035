import { commandWord, systemdWord } from '../podman/podman-unit.ts';
import type { Target } from '../target.ts';

/**
 * Serves releases without running them. They have no workload, so starting a service is a defect, and there is never
 * anything to remove.
 */
export function createDepotTarget(): Target {
  return {
    name: 'depot',
    runsServices: false,
    overridable: [],
    probe: async () => ({ engine: 'depot', version: '1.0.0' }),
    render: runsNothing,
    services: () => [],
    steps: () => ({
      ...{ open: [], prepare: [], stop: [], start: [], expose: [] },
      ...{ retire: [], clear: [], close: [] },
    }),
    run: runsNothing,
    constraints: async () => [],
    diskUse: async () => [],
    hasSecret: async () => false,
    placeSecret: runsNothing,
    removeSecret: async () => {},
    endpoint: runsNothing,
    state: runsNothing,
    runInside: runsNothing,
    logs: async () => '',
    followLogs: runsNothing,
    stop: runsNothing,
    forget: async () => {},
  };
}

function runsNothing(): never {
  throw new Error('the target depot cannot run services');
}

/** A depot that runs as a service of this host. */
export interface DepotService {
  /** Without `.service`. */
  readonly unit: string;
  /** The name of the site, and its absolute folder. */
  readonly site: string;
  readonly root: string;
  /** How the program is called, with absolute paths. */
  readonly command: readonly string[];
  /** `ADDRESS:PORT`. */
  readonly listen: string;
  readonly port: number;
  /** More arguments of `stowage depot`. */
  readonly args: readonly string[];
  /** Absolute paths of files that only root can read, by the options that name them. */
  readonly files: readonly {
    readonly option: string;
    readonly name: string;
    readonly path: string;
  }[];
}

/** systemd 235 was the first with a runtime directory for a dynamic user. */
export const OLDEST_SYSTEMD = 235;
const FIRST_UNPRIVILEGED_PORT = 1024;
/**
 * Gives files to the owner of a folder in memory. `LoadCredential=` would do that, but needs systemd 247 and file systems
 * with access control lists.
 */
const HAND_OVER =
  'umask 077; to=$1; shift; owner=$(stat -L -c %u:%g "$to"); while [ $# -gt 0 ]; do cp "$2" "$to/$1"; chown "$owner" "$to/$1"; chmod 0400 "$to/$1"; shift 2; done';

/**
 * The unit of a depot (systemd.service(5), systemd.exec(5)): a user of its own without any capability, which reads the store, and
 * writes nothing. It cannot read the keys of the site. Before it starts, root copies the files that only root can read to its folder
 * in memory.
 */
export function depotUnit(service: DepotService): string {
  const { unit, site, root, command, listen, port, args, files } = service;
  const folder = `/run/${unit}`;
  const handed = files.flatMap(({ name, path }) => [name, path]);
  const words = [...command, 'depot', '--site', root, '--listen', listen, ...args];
  const low = port < FIRST_UNPRIVILEGED_PORT;
  return [
    '[Unit]',
    `Description=Stowage: depot of site ${systemdText(site)}`,
    'Wants=network-online.target',
    'After=network-online.target',
    `RequiresMountsFor=${systemdWord(root)}`,
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=exec',
    ...(files.length === 0
      ? []
      : [
          `RuntimeDirectory=${unit}`,
          'RuntimeDirectoryMode=0700',
          `ExecStartPre=+/bin/sh -ec ${['sh', folder, ...handed].reduce((line, word) => `${line} ${commandWord(word)}`, commandWord(HAND_OVER))}`,
        ]),
    `ExecStart=${[
      words.map(commandWord).join(' '),
      ...files.map(({ option, name }) => `${option} ${folder}/${name}`),
    ].join(' \\\n  ')}`,
    'DynamicUser=yes',
    `InaccessiblePaths=-${systemdWord(`${root}/keys`)}`,
    'Restart=always',
    'RestartSec=5',
    'TimeoutStopSec=45',
    'UMask=0077',
    low ? 'AmbientCapabilities=CAP_NET_BIND_SERVICE' : 'AmbientCapabilities=',
    low ? 'CapabilityBoundingSet=CAP_NET_BIND_SERVICE' : 'CapabilityBoundingSet=',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'ProtectHome=read-only',
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    'ProtectClock=yes',
    'ProtectControlGroups=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelTunables=yes',
    'ProtectProc=invisible',
    'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX',
    'RestrictNamespaces=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'LockPersonality=yes',
    'RemoveIPC=yes',
    'SystemCallArchitectures=native',
    'SystemCallFilter=@system-service',
    'SystemCallErrorNumber=EPERM',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');
}

/** The rest of a line, in which `%` begins a specifier. */
function systemdText(text: string): string {
  return text.replaceAll('%', '%%');
}
