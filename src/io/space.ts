import { statfs } from 'node:fs/promises';
import { StowageError } from '../core/error.ts';
import { exactBytes } from '../core/text.ts';

/** Free bytes for an unprivileged user on the file system of an existing path. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** @throws StowageError `space-insufficient` if fewer than `needed` bytes are free on the file system of `path` */
export async function requireSpace(path: string, needed: number): Promise<void> {
  const free = await freeBytes(path);
  if (free >= needed) return;
  throw new StowageError('space-insufficient', `not enough space on the file system of ${path}`, {
    expected: `${exactBytes(needed)} free`,
    found: `${exactBytes(free)} free`,
    hint: `free ${exactBytes(needed - free)} there, or choose another path`,
  });
}
