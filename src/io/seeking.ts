import { readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Where Linux describes its block devices by number. */
const BLOCK_DEVICES = '/sys/dev/block';

/** Virtual disks, which report rotation by default. */
const NO_HARDWARE = /\/(?:virtual|virtio[0-9]+|xen|vbd-[0-9]+)\//;
const OPTICAL = /\/sr[0-9]+$/;

/**
 * How many files of these folders to read at once: one if a folder is on an optical or rotating disk, where parallel
 * reads would cause seeks.
 * @param width the number for other media
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
    // Not Linux, or a file system without a block device: assume that it does not seek.
    return false;
  }
}

/** `MAJOR:MINOR` of a device number, as Linux encodes it (glibc `gnu_dev_major`). */
export function deviceNumbers(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** A partition has no queue; its disk, one folder up, has one. */
async function rotates(device: string): Promise<boolean> {
  const read = (place: string): Promise<string> =>
    readFile(join(device, place, 'queue/rotational'), 'utf8');
  return (await read('.').catch(() => read('..'))).trim() === '1';
}
