import { readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Where Linux describes its block devices, by their numbers. */
const BLOCK_DEVICES = '/sys/dev/block';

/** Disks that say they rotate because nobody told them otherwise. */
const NO_HARDWARE = /\/(?:virtual|virtio[0-9]+|xen|vbd-[0-9]+)\//;
const OPTICAL = /\/sr[0-9]+$/;

/**
 * How many files of some folders are read at once: one where a folder lies on an optical or a rotating disk, which
 * would move its head to and fro between two.
 * @param width how many otherwise
 */
export async function readersFor(
  folders: readonly string[],
  width: number,
  devices: string = BLOCK_DEVICES,
): Promise<number> {
  const found = await Promise.all(folders.map((folder) => seeks(folder, devices)));
  return found.includes(true) ? 1 : width;
}

async function seeks(folder: string, devices: string): Promise<boolean> {
  try {
    const { dev } = await stat(folder, { bigint: true });
    const place = join(devices, deviceNumbers(dev));
    const device = join(devices, await readlink(place));
    if (OPTICAL.test(device)) return true;
    return !NO_HARDWARE.test(device) && (await rotates(device));
  } catch {
    // No such system, or a file system without a block device: nothing is known to be slower.
    return false;
  }
}

/** `MAJOR:MINOR` of a device, as Linux packs them into one number (glibc `gnu_dev_major`). */
export function deviceNumbers(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** A partition has no queue of its own; its disk, one folder up, has. */
async function rotates(device: string): Promise<boolean> {
  const read = (place: string): Promise<string> =>
    readFile(join(device, place, 'queue/rotational'), 'utf8');
  return (await read('.').catch(() => read('..'))).trim() === '1';
}
