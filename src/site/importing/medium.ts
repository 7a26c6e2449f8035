import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { discLabel } from '../../bundle/discs.ts';
import { StowageError } from '../../core/error.ts';
import type { Part } from '../../format/part.ts';

const PROBE_BYTES = 4096;
const PROBES = 3;

/**
 * Whether a medium is gone, and not one file of it damaged: its list is not there any more, or none of several other
 * parts gives back a byte.
 * @param others parts of the medium that nobody read yet, which no cache can answer for
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
  for (const part of probes) if (await answers(join(folder, part.path))) return false;
  return true;
}

async function answers(path: string): Promise<boolean> {
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
    expected: `a medium at ${folder}`,
    found: 'no part of it that can be read',
    hint: 'put the medium in again and run the same command; what is finished is kept',
  });
}
