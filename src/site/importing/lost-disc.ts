import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { discLabel } from '../../bundle/discs.ts';
import { StowageError } from '../../core/error.ts';
import type { Part } from '../../format/part.ts';

const PROBE_BYTES = 4096;
const PROBES = 3;

/**
 * Whether a disc is gone, rather than one of its files damaged: SHA512SUMS is no longer there, or no byte of several
 * other parts can be read.
 * @param others parts of the disc that were not read yet, so that no cache can answer for it
 */
export async function isLost(folder: string, others: readonly Part[]): Promise<boolean> {
  try {
    await lstat(join(folder, 'SHA512SUMS'));
  } catch {
    return true;
  }
  const full = others.filter((part) => part.size > 0);
  const step = Math.max(1, Math.floor(full.length / PROBES));
  const probes = full.filter((_, index) => index % step === 0).slice(-PROBES);
  if (probes.length === 0) return false;
  for (const part of probes) if (await isReadable(join(folder, part.path))) return false;
  return true;
}

async function isReadable(path: string): Promise<boolean> {
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await open(path, flags);
    try {
      await handle.read(Buffer.alloc(PROBE_BYTES), 0, PROBE_BYTES, 0);
      return true;
    } finally {
      await handle.close();
    }
  } catch {
    return false;
  }
}

/** A `medium-lost` error. */
export function mediumLost(folder: string): StowageError {
  return new StowageError('medium-lost', `${discLabel(folder)} can no longer be read`, {
    expected: `a readable disc or folder at ${folder}`,
    found: 'no readable part',
    hint: 'reinsert the disc and run the same command again; finished parts are kept',
  });
}
