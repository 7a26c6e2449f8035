import { existsSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CommandResult,
  type CommandRunner,
  commandFailure,
  type Environment,
  follow,
} from './command.ts';
import { readUnitFile, removeDropIns, removeUnitFile, writeUnitFile } from './unit-file.ts';

export interface SystemdOptions {
  readonly run: CommandRunner;
  readonly env: Environment;
  /** Whether it is the user's own systemd. */
  readonly user: boolean;
  /** Where the files of each form lie. */
  readonly folders: Readonly<Record<UnitForm, string>>;
}

/** A complete unit file, or a Quadlet file from which podman's generator makes one. */
export type UnitForm = 'unit' | 'quadlet';

/** The file behind a unit. */
export interface UnitSource {
  readonly form: UnitForm;
  readonly text: string;
}

/** A unit as systemd sees it. */
export interface UnitState {
  /** Such as `active`, `activating`, `failed`. */
  readonly active: string;
  /** Such as `auto-restart`. */
  readonly sub: string;
  /** Such as `exit-code`; `success` when nothing failed. */
  readonly result: string;
  readonly restarts: number;
  /** Its main process; 0 for none. */
  readonly pid: number;
  /** Such as `enabled`, `disabled`, `masked` or `generated`. */
  readonly file: string;
  /** Whether its file was changed since systemd read it. */
  readonly stale: boolean;
  /** The files that change settings of the unit, made by `systemctl edit`. */
  readonly dropIns: readonly string[];
}

export interface Systemd {
  /** The unit's file, or undefined. */
  source(unit: string): Promise<UnitSource | undefined>;
  /** Writes the unit's file, starts the unit, and enables it at boot. */
  install(unit: string, source: UnitSource, signal: AbortSignal): Promise<void>;
  /** Stops the unit and removes its files; does nothing if there is none. */
  remove(unit: string, signal: AbortSignal): Promise<void>;
  show(unit: string, signal: AbortSignal): Promise<UnitState>;
  /** The last lines in the journal of the container with the name of the unit. */
  log(unit: string, lines: number, signal: AbortSignal): Promise<string>;
  /** Writes those lines and the following ones, until the signal is aborted. */
  followLog(
    unit: string,
    lines: number,
    write: (bytes: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

/** Where the files of units of the system lie. */
export const systemFolders: Readonly<Record<UnitForm, string>> = {
  unit: '/etc/systemd/system',
  quadlet: '/etc/containers/systemd',
};

const PROPERTIES = [
  ...['ActiveState', 'SubState', 'Result', 'NRestarts', 'MainPID'],
  ...['UnitFileState', 'NeedDaemonReload', 'DropInPaths'],
];
const forms: readonly UnitForm[] = ['unit', 'quadlet'];
/** More than the unit allows: 300 s to start, 60 s to stop. */
const CHANGE_MS = 400_000;

/** The systemd of this host, through `systemctl`. Units are named without their `.service`. */
export function createSystemd(options: SystemdOptions): Systemd {
  const { folders } = options;
  const mode = options.user ? ['--user'] : [];
  const call = (
    program: string,
    args: readonly string[],
    signal: AbortSignal,
  ): Promise<CommandResult> => {
    const env = { ...options.env, NOTIFY_SOCKET: undefined };
    return options.run(program, [...mode, ...args], { env, signal, timeoutMs: CHANGE_MS });
  };
  const systemctl = async (args: readonly string[], signal: AbortSignal): Promise<string> => {
    const result = await call('systemctl', args, signal);
    if (result.status !== 0) throw commandFailure('systemctl', args, result);
    return result.stdout;
  };
  /** When a start fails, systemctl only says where to look: the error quotes the journal. */
  const start = async (file: string, signal: AbortSignal): Promise<void> => {
    const args = ['start', file];
    const result = await call('systemctl', args, signal);
    if (result.status === 0) return;
    const why = ['--no-pager', '--output', 'cat', '--lines', '8', '--unit', file];
    const { stdout } = await call('journalctl', why, signal);
    const stderr = stdout.trim() === '' ? result.stderr : stdout;
    throw commandFailure('systemctl', args, { ...result, stderr });
  };
  const nameOf = (unit: string): string => `${unit}.service`;
  const dropInFolder = (unit: string): string => join(folders.unit, `${nameOf(unit)}.d`);
  const source: Systemd['source'] = async (unit) => {
    for (const form of forms) {
      const text = await readUnitFile(folders[form], fileOf(unit, form));
      if (text !== undefined) return { form, text };
    }
    return undefined;
  };
  return {
    source,
    async install(unit, { form, text }, signal) {
      await removeDropIns(dropInFolder(unit));
      await writeUnitFile(folders[form], fileOf(unit, form), text);
      await systemctl(['daemon-reload'], signal);
      // A generated unit cannot be enabled: the [Install] section of its Quadlet file does that.
      if (form === 'unit') await systemctl(['enable', nameOf(unit)], signal);
      await start(nameOf(unit), signal);
    },
    async remove(unit, signal) {
      // Both forms: podman may have been upgraded since, and a unit file hides a generated unit.
      const present = await source(unit);
      if (present?.form === 'unit') await systemctl(['disable', '--now', nameOf(unit)], signal);
      if (present?.form === 'quadlet') await systemctl(['stop', nameOf(unit)], signal);
      for (const form of forms) await removeUnitFile(folders[form], fileOf(unit, form));
      await removeDropIns(dropInFolder(unit));
      // Also without a file: an earlier call may have been killed between the removal and here.
      await systemctl(['daemon-reload'], signal);
      // This fails, harmlessly, for a unit that has not failed or that systemd no longer knows.
      await call('systemctl', ['reset-failed', nameOf(unit)], signal);
    },
    async show(unit, signal) {
      const args = ['show', '--property', PROPERTIES.join(','), nameOf(unit)];
      const folder = dropInFolder(unit);
      return parseShow(await systemctl(args, signal), (path) => path.startsWith(`${folder}/`));
    },
    followLog(unit, lines, write, signal) {
      const args = ['--no-pager', '--output', 'cat', '--follow', '--lines', String(lines)];
      const env = { ...options.env, NOTIFY_SOCKET: undefined };
      const command = ['journalctl', ...args, `CONTAINER_NAME=${unit}`];
      return follow(options.run, command, env, { write, signal });
    },
    async log(unit, lines, signal) {
      const args = ['--no-pager', '--output', 'cat', '--lines', String(lines)];
      const about = [...args, `CONTAINER_NAME=${unit}`];
      const env = { ...options.env, NOTIFY_SOCKET: undefined };
      const result = await options.run('journalctl', about, { env, signal, timeoutMs: CHANGE_MS });
      if (result.status !== 0) throw commandFailure('journalctl', args, result);
      return result.stdout;
    },
  };
}

/** Whether the systemd of this host, or of this user, can start services here. */
export function systemdRuns(env: Environment, rootless: boolean): boolean {
  if (!existsSync('/run/systemd/system') || !inNetworkOfInit()) return false;
  return !rootless || existsSync(join(env['XDG_RUNTIME_DIR'] ?? '/nonexistent', 'systemd'));
}

/** Units start in the network namespace of process 1: from any other, systemd cannot start the services here. */
function inNetworkOfInit(): boolean {
  try {
    return readlinkSync('/proc/1/ns/net') === readlinkSync('/proc/self/ns/net');
  } catch {
    // Only root can read it; other users rarely work in another namespace.
    return true;
  }
}

function fileOf(unit: string, form: UnitForm): string {
  return form === 'unit' ? `${unit}.service` : `${unit}.container`;
}

function parseShow(text: string, isOwnDropIn: (path: string) => boolean): UnitState {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const mark = line.indexOf('=');
    if (mark > 0) values.set(line.slice(0, mark), line.slice(mark + 1));
  }
  return {
    active: values.get('ActiveState') ?? 'unknown',
    sub: values.get('SubState') ?? 'unknown',
    result: values.get('Result') ?? 'unknown',
    restarts: Number(values.get('NRestarts') ?? 0),
    pid: Number(values.get('MainPID') ?? 0),
    file: values.get('UnitFileState') ?? '',
    stale: values.get('NeedDaemonReload') === 'yes',
    dropIns: (values.get('DropInPaths') ?? '').split(' ').filter(isOwnDropIn),
  };
}
