import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deviceNumbers, readersFor } from '../../src/io/seeking.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
const numbers = execFileSync('stat', ['--format=%Hd:%Ld', root], { encoding: 'utf8' }).trim();
let trees = 0;

/** A description of devices in which the disk of this folder is another one. */
function devicesWith(disk: string, rotational: string | undefined, partition = ''): string {
  const devices = join(root, `sys-${trees++}`, 'dev', 'block');
  mkdirSync(devices, { recursive: true });
  symlinkSync(join('../../devices', disk, partition), join(devices, numbers));
  const queue = join(devices, '../../devices', disk, 'queue/rotational');
  mkdirSync(join(devices, '../../devices', disk, partition), { recursive: true });
  mkdirSync(dirname(queue), { recursive: true });
  if (rotational !== undefined) writeFileSync(queue, `${rotational}\n`);
  return devices;
}

const SATA = 'pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda';

describe('when the medium has to seek', () => {
  it.each([
    ['an optical drive', 'pci0000:00/ata2/host1/block/sr0', '1', '', 1],
    ['an optical drive that says nothing', 'pci0000:00/ata2/host1/block/sr0', undefined, '', 1],
    ['a hard disk', SATA, '1', '', 1],
    ['a partition of a hard disk', SATA, '1', 'sda1', 1],
    ['a solid state disk', SATA, '0', '', 4],
    ['a partition of one', SATA, '0', 'sda2', 4],
    ['a disk of a virtual machine', 'pci0000:00/0000:00:02.0/virtio1/block/vda', '1', '', 4],
    ['a loop device', 'virtual/block/loop0', '1', '', 4],
    ['a disk that says nothing', SATA, undefined, '', 4],
  ])('reads from %s at so many places', async (_, disk, rotational, partition, readers) => {
    const devices = devicesWith(disk, rotational, partition);
    expect(await readersFor([root], 4, devices)).toBe(readers);
  });

  it('reads one file at a time when one of several media does', async () => {
    const devices = devicesWith(SATA, '1');
    expect(await readersFor(['/proc', root], 4, devices)).toBe(1);
    expect(await readersFor(['/proc', '/nowhere'], 4, devices)).toBe(4);
    expect(await readersFor([root], 4, '/nowhere')).toBe(4);
  });

  it('computes device numbers like the system', () => {
    expect(deviceNumbers(0x0801n)).toBe('8:1');
    expect(deviceNumbers(0xfe00n)).toBe('254:0');
    expect(deviceNumbers(0x1234_0ab5_6den)).toBe(`${0xb56}:${0x12340ade}`);
  });
});
