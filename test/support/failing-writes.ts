import { readlinkSync } from 'node:fs';
import fs, { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** Which of the counted operations fail: the n-th alone, or every one from it on. */
export interface Failing {
  /** From 1; 0 fails none. */
  readonly number: number;
  readonly onward: boolean;
}

/** What was counted: the operation and its path. */
export interface Counted {
  readonly operations: string[];
}

const ofHandles = ['writeFile', 'sync'] as const;
const ofPaths = ['rename', 'symlink', 'mkdir', 'rm'] as const;

type Handle = Record<
  (typeof ofHandles)[number],
  (this: { fd: number }, ...given: unknown[]) => Promise<unknown>
>;
type Paths = Record<(typeof ofPaths)[number], (...given: unknown[]) => Promise<unknown>>;

/**
 * Runs `work` while writes, syncs, renames, links, new folders and removals of this process fail with EIO.
 * @param counts whether an operation counts now
 */
export async function withFailingWrites(
  { number, onward }: Failing,
  counts: () => boolean,
  work: () => Promise<unknown>,
): Promise<Counted> {
  const operations: string[] = [];
  const requireWorking = (what: string): void => {
    if (!counts()) return;
    operations.push(what);
    const nth = operations.length;
    if (number === 0 || !(onward ? nth >= number : nth === number)) return;
    throw Object.assign(new Error(`EIO: ${what}`), { code: 'EIO', syscall: 'write' });
  };
  const restore = await intercept(requireWorking);
  try {
    await work();
  } finally {
    restore();
  }
  return { operations };
}

async function intercept(before: (what: string) => void): Promise<() => void> {
  const handle = await open('/dev/null');
  const prototype = Object.getPrototypeOf(handle) as Handle;
  await handle.close();
  const paths = fs as unknown as Paths;
  const realHandle = Object.fromEntries(ofHandles.map((name) => [name, prototype[name]])) as Handle;
  const realPaths = Object.fromEntries(ofPaths.map((name) => [name, paths[name]])) as Paths;
  for (const name of ofHandles)
    prototype[name] = async function (...given) {
      before(`${name} ${readlinkSync(`/proc/self/fd/${this.fd}`)}`);
      return realHandle[name].apply(this, given);
    };
  for (const name of ofPaths)
    paths[name] = async (...given) => {
      before(
        `${name} ${given.slice(0, name === 'rename' || name === 'symlink' ? 2 : 1).join(' ')}`,
      );
      return realPaths[name](...given);
    };
  syncBuiltinESMExports();
  return () => {
    Object.assign(prototype, realHandle);
    Object.assign(paths, realPaths);
    syncBuiltinESMExports();
  };
}
