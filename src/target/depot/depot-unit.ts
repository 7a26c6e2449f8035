import { commandWord, systemdWord } from '../podman/podman-unit.ts';

/** A depot that runs as a service of this host. */
export interface DepotService {
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

/** systemd 247 was the first with `LoadCredential=`. */
export const OLDEST_SYSTEMD = 247;
const FIRST_UNPRIVILEGED_PORT = 1024;

/**
 * The unit of a depot (systemd.service(5), systemd.exec(5)): a user of its own without any capability, which reads the store, and
 * writes nothing. It cannot read the keys of the site; systemd hands it the files that only root can read.
 */
export function depotUnit(service: DepotService): string {
  const { site, root, command, listen, port, args, files } = service;
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
    `ExecStart=${[
      words.map(commandWord).join(' '),
      ...files.map(({ option, name }) => `${option} \${CREDENTIALS_DIRECTORY}/${name}`),
    ].join(' \\\n  ')}`,
    ...files.map(({ name, path }) => `LoadCredential=${name}:${systemdText(path)}`),
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
