import { randomBytes } from 'node:crypto';
import { link, readFile, readlink, rename } from 'node:fs/promises';
import { StowageError, systemCode } from '../core/error.ts';
import { ioError, readBounded, remove, writeNew } from './file.ts';

/** Who holds a lock: a process id means one process only together with when it began. */
interface Holder {
  readonly pid: number;
  readonly started: string;
}

/**
 * Runs `work` while holding a lock file. A lock whose process is gone (killed, or the host restarted) is taken over.
 * @throws StowageError `site-locked` when another process holds it
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  await acquire(path);
  try {
    return await work();
  } finally {
    await remove(path);
  }
}

async function acquire(path: string): Promise<void> {
  const pid = Number(await readlink('/proc/self'));
  const self: Holder = { pid, started: (await startOf(pid)) ?? '' };
  const own = beside(path, 'new');
  await writeNew(own, Buffer.from(JSON.stringify(self)), 0o600);
  try {
    while (!(await claim(own, path))) {
      const holder = await holderOf(path);
      if (holder !== undefined && (await startOf(holder.pid)) === holder.started)
        throw locked(path, holder);
      await clear(path, holder);
    }
  } finally {
    await remove(own);
  }
}

// A link appears with its content: nobody finds a lock that does not say yet whose it is.
async function claim(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw ioError(error, path);
  }
}

// Of several that find it stale at once, the later may move the lock that the first took since: it is put back.
async function clear(path: string, stale: Holder | undefined): Promise<void> {
  const aside = beside(path, 'stale');
  await rename(path, aside).catch(() => {});
  const moved = await holderOf(aside);
  if (moved !== undefined && JSON.stringify(moved) !== JSON.stringify(stale))
    await claim(aside, path);
  await remove(aside);
}

function beside(path: string, ending: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.${ending}`;
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

/** When a process began, in clock ticks since the host started, with the host's boot id; undefined when it is gone. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/stat`, 'latin1');
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1');
    // The name in parentheses may hold anything; field 22 is counted from after it.
    return `${boot.trim()}:${status.slice(status.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return undefined;
  }
}

function locked(path: string, holder: Holder): StowageError {
  return new StowageError('site-locked', 'another stowage command is at work at this site', {
    expected: `${path} to be free`,
    found: `process ${holder.pid}`,
    hint: 'wait until it ends; if it hangs, end that process and run this command again',
  });
}
