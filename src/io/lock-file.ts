import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, readlink, rename, rmdir, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted, StowageError, systemCode } from '../core/error.ts';
import { ioError, namesIn, readBounded, remove, writeNew } from './file.ts';

const WAIT_MS = 100;

/** A lock that is being made: the path of the lock, the process that makes it, and a unique name. */
const UNCLAIMED = /\.(?:(?<pid>[0-9]{1,10})\.)?(?<name>[0-9a-f]{12})$/;

/** The names of the locks that this process holds, or is about to. */
const heldHere = new Set<string>();

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

/**
 * Removes from a folder what killed processes left: unfinished locks, and stale ones.
 * @param isLock whether a name in the folder is that of a lock
 */
export async function removeStaleLocks(
  folder: string,
  isLock: (name: string) => boolean,
): Promise<void> {
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    const unclaimed = UNCLAIMED.exec(name);
    const stale =
      unclaimed === null
        ? isLock(name) && (await lockHolder(path)) === undefined
        : await isDead(unclaimed, path);
    if (!stale) continue;
    for (const found of await filesOf(path)) await unlink(found).catch(ignoreGone);
    // Another process may have claimed it.
    await rmdir(path).catch(() => {});
  }
}

/** Whether the process that was making a lock has ended. */
async function isDead({ groups }: RegExpExecArray, path: string): Promise<boolean> {
  const { pid, name = '' } = groups ?? {};
  if (pid !== undefined && (await startOf(Number(pid))) === undefined) return true;
  const holder = await holderOf(join(path, name));
  if (holder !== undefined) return !(await isAlive(holder));
  // Earlier versions did not name the process: without a file, removing the folder at most makes it fail.
  return pid === undefined && (await filesOf(path)).length === 0;
}

type WhenHeld = (holder: Holder) => void | Promise<void>;

async function holding<T>(path: string, work: () => Promise<T>, held: WhenHeld): Promise<T> {
  const name = await acquire(path, held);
  try {
    return await work();
  } finally {
    heldHere.delete(name);
    // If it cannot be removed it is stale, and another process may already hold it. The work is done in any case.
    await remove(join(path, name)).catch(() => {});
    await rmdir(path).catch(() => {});
  }
}

// Renaming a folder over an empty folder is atomic, and fails for any other. So a lock appears complete, a stale one is
// emptied by the name of the file that was found stale, and a late process removes and replaces nothing.
async function acquire(path: string, held: WhenHeld): Promise<string> {
  const pid = Number(await readlink('/proc/self'));
  const self: Holder = { pid, started: (await startOf(pid)) ?? '' };
  const name = randomBytes(6).toString('hex');
  const own = `${path}.${pid}.${name}`;
  heldHere.add(name);
  try {
    await mkdir(own, { mode: 0o700 });
    await writeNew(join(own, name), Buffer.from(JSON.stringify(self)), 0o600);
    while (!(await claim(own, path))) await clearStale(path, held);
    return name;
  } catch (error) {
    heldHere.delete(name);
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
    if (holder !== undefined && (await isHeld(found, holder))) return await held(holder);
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

/** Whether the holder still works: a lock that this process could not remove is stale. */
async function isHeld(file: string, holder: Holder): Promise<boolean> {
  if (holder.pid === Number(await readlink('/proc/self')) && !heldHere.has(basename(file)))
    return false;
  return isAlive(holder);
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
