import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { start } from '../process.ts';

export interface HeldLock {
  release(): Promise<void>;
}

/**
 * Holds a file's lock until it is released or this process ends, however that happens. The file names the holder.
 * @returns undefined where another process holds it and `then` does not wait
 */
export async function holdLock(file: string, then: 'wait'): Promise<HeldLock>;
export async function holdLock(file: string, then: 'give up'): Promise<HeldLock | undefined>;
export async function holdLock(
  file: string,
  then: 'wait' | 'give up',
): Promise<HeldLock | undefined> {
  const flags = ['--no-fork', ...(then === 'wait' ? [] : ['--nonblock'])];
  const holder = await start('flock', [...flags, file, 'sh', '-c', 'echo held && exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // an interrupt at the terminal must not release it before a clean-up has ended
  });
  const ended = once(holder, 'exit').then(() => false);
  const held = holder.stdout && once(holder.stdout, 'data').then(() => true);
  if (!(await Promise.race([ended, held]))) return undefined;
  writeFileSync(file, `${process.pid}\n`);
  holder.stdout?.destroy();
  holder.unref();
  return {
    release: async () => {
      holder.ref();
      holder.stdin?.end();
      await ended;
    },
  };
}

/** The process that holds a lock, or held it last. */
export function holderOf(file: string): string {
  return readFileSync(file, 'utf8').trim();
}
