import {
  type CommandResult,
  type CommandRunner,
  commandFailure,
  type Environment,
} from './command.ts';
import { readUnitFile, removeUnitFile, writeUnitFile } from './unit-file.ts';

export interface SystemdOptions {
  readonly run: CommandRunner;
  readonly env: Environment;
  /** Whether it is the user's own systemd. */
  readonly user: boolean;
  readonly folder: string;
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
}

export interface Systemd {
  /** The text of the unit's file, or undefined. */
  text(unit: string): Promise<string | undefined>;
  /** Writes the unit's file, starts the unit now and with the host. */
  install(unit: string, text: string, signal: AbortSignal): Promise<void>;
  /** Stops the unit and leaves no trace of it; content when there is none. */
  remove(unit: string, signal: AbortSignal): Promise<void>;
  show(unit: string, signal: AbortSignal): Promise<UnitState>;
}

/** A start may take the 300 s and a stop the 60 s that the unit allows. */
const CHANGE_MS = 400_000;

/** The systemd of this host, through `systemctl`. Units are named without their `.service`. */
export function createSystemd(options: SystemdOptions): Systemd {
  const { folder } = options;
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
  /** Of a failed start systemctl says where to read why; the error should say why. */
  const start = async (file: string, signal: AbortSignal): Promise<void> => {
    const args = ['start', file];
    const result = await call('systemctl', args, signal);
    if (result.status === 0) return;
    const why = ['--no-pager', '--output', 'cat', '--lines', '8', '--unit', file];
    const { stdout } = await call('journalctl', why, signal);
    const stderr = stdout.trim() === '' ? result.stderr : stdout;
    throw commandFailure('systemctl', args, { ...result, stderr });
  };
  const fileOf = (unit: string): string => `${unit}.service`;
  return {
    text: (unit) => readUnitFile(folder, fileOf(unit)),
    async install(unit, text, signal) {
      await writeUnitFile(folder, fileOf(unit), text);
      await systemctl(['daemon-reload'], signal);
      await systemctl(['enable', fileOf(unit)], signal);
      await start(fileOf(unit), signal);
    },
    async remove(unit, signal) {
      const present = (await readUnitFile(folder, fileOf(unit))) !== undefined;
      if (present) await systemctl(['disable', '--now', fileOf(unit)], signal);
      await removeUnitFile(folder, fileOf(unit));
      // Also without a file: an earlier call may have been killed between the removal and here.
      await systemctl(['daemon-reload'], signal);
      // It fails for a unit that did not, and for one that systemd has forgotten already.
      await call('systemctl', ['reset-failed', fileOf(unit)], signal);
    },
    async show(unit, signal) {
      const properties = ['ActiveState', 'SubState', 'Result', 'NRestarts'];
      const args = ['show', '--property', properties.join(','), fileOf(unit)];
      return parseShow(await systemctl(args, signal));
    },
  };
}

function parseShow(text: string): UnitState {
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
  };
}
