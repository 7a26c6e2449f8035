import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, readlink, rename, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError, systemCode } from '../core/error.ts';
import { interrupted } from '../core/interrupted.ts';
import { ioError, readBounded, remove, writeNew } from './file.ts';

const WAIT_MS = 100;

/** The holder of a lock: a process id is unique only together with its start time. */
interface Holder {
  readonly pid: number;
  readonly started: string;
}

/**
 * Runs `work` while holding a lock: a folder with one uniquely named file that names its holder. A stale lock, whose
 * process was killed or whose host restarted, is replaced.
 * @throws StowageError `site-locked` if another process holds it
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  return holding(path, work, (holder) => {
    throw locked(path, holder);
  });
}

/** How to wait for a lock. */
export interface LockWait {
  readonly signal?: AbortSignal;
  /** Called once, with the process that holds the lock. */
  readonly onWait?: (pid: number) => void;
}

/**
 * Runs `work` while holding a lock; waits until it is free, also for other work of this process.
 * @throws StowageError `interrupted`
 */
export async function inTurn<T>(
  path: string,
  { signal, onWait }: LockWait,
  work: () => Promise<T>,
): Promise<T> {
  let told = false;
  return holding(path, work, async ({ pid }) => {
    if (!told) onWait?.(pid);
    told = true;
    await sleep(WAIT_MS, undefined, { signal }).catch(() => {
      throw interrupted(signal);
    });
  });
}

/** The running process that holds a lock, or undefined. */
export async function lockHolder(path: string): Promise<number | undefined> {
  for (const found of await filesOf(path)) {
    const holder = await holderOf(found);
    if (holder !== undefined && (await isAlive(holder))) return holder.pid;
  }
  return undefined;
}

type WhenHeld = (holder: Holder) => void | Promise<void>;

async function holding<T>(path: string, work: () => Promise<T>, held: WhenHeld): Promise<T> {
  const name = await acquire(path, held);
  try {
    return await work();
  } finally {
    await remove(join(path, name));
    // Another process may already hold it.
    await rmdir(path).catch(() => {});
  }
}

// Renaming a folder over an empty folder is atomic, and fails for any other. So a lock appears complete, a stale one is
// emptied by the name of the file that was found stale, and a late process removes and replaces nothing.
async function acquire(path: string, held: WhenHeld): Promise<string> {
  const pid = Number(await readlink('/proc/self'));
  const self: Holder = { pid, started: (await startOf(pid)) ?? '' };
  const name = randomBytes(6).toString('hex');
  const own = `${path}.${name}`;
  try {
    await mkdir(own, { mode: 0o700 });
    await writeNew(join(own, name), Buffer.from(JSON.stringify(self)), 0o600);
    while (!(await claim(own, path))) await clearStale(path, held);
    return name;
  } catch (error) {
    await remove(own);
    throw ioError(error, path);
  }
}

async function claim(own: string, path: string): Promise<boolean> {
  try {
    await rename(own, path);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false;
    throw error;
  }
}

async function clearStale(path: string, held: WhenHeld): Promise<void> {
  for (const found of await filesOf(path)) {
    const holder = await holderOf(found);
    if (holder !== undefined && (await isAlive(holder))) return await held(holder);
    await unlink(found).catch(ignoreGone);
  }
}

/** The files of a lock; the path itself if it is not a folder, or a link to one. */
async function filesOf(path: string): Promise<string[]> {
  try {
    if (!(await lstat(path)).isDirectory()) return [path];
    return (await readdir(path)).map((name) => join(path, name));
  } catch (error) {
    ignoreGone(error);
    return [];
  }
}

function ignoreGone(error: unknown): void {
  if (!['ENOENT', 'EISDIR'].includes(systemCode(error) ?? '')) throw error;
}

async function holderOf(path: string): Promise<Holder | undefined> {
  try {
    const value: unknown = JSON.parse((await readBounded(path, 4096)).toString('utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('started' in value))
      return undefined;
    return typeof value.pid === 'number' && typeof value.started === 'string'
      ? { pid: value.pid, started: value.started }
      : undefined;
  } catch {
    return undefined;
  }
}

async function isAlive({ pid, started }: Holder): Promise<boolean> {
  return (await startOf(pid)) === started;
}

/** The start time of a process in clock ticks, with the host's boot id; undefined if it does not run. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/stat`, 'latin1');
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1');
    // The name in parentheses may contain anything; field 22 is counted from its end.
    return `${boot.trim()}:${status.slice(status.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return undefined;
  }
}

function locked(path: string, holder: Holder): StowageError {
  return new StowageError('site-locked', 'another stowage command is running at this site', {
    expected: `${path} to be free`,
    found: `process ${holder.pid}`,
    hint: 'wait until it ends; if it hangs, end that process and run this command again',
  });
}
