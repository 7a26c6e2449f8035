import { randomBytes } from 'node:crypto';
import { readFile, readlink, rename } from 'node:fs/promises';
import { StowageError } from '../core/error.ts';
import { readBounded, remove, writeNew } from './file.ts';

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
  for (;;) {
    try {
      return await writeNew(path, Buffer.from(JSON.stringify(self)), 0o600);
    } catch (error) {
      if (!(error instanceof StowageError) || error.found !== 'EEXIST') throw error;
    }
    const holder = await holderOf(path);
    if (holder !== undefined && (await startOf(holder.pid)) === holder.started)
      throw locked(path, holder);
    // Renaming decides between two that find it stale at once: the second renames nothing, and tries again.
    const aside = `${path}.${randomBytes(6).toString('hex')}.stale`;
    await rename(path, aside).catch(() => {});
    await remove(aside);
  }
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
