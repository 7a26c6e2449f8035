import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export type FileSystem = 'ext4' | 'xfs' | 'fat32' | 'exfat' | 'iso9660';

/** A medium with a bundle's disc on it, as it is put into a drive. */
export interface Medium {
  /** Where it is mounted, read-only. */
  readonly mount: string;
  /** The bytes of the medium, as a file. */
  readonly image: string;
  eject(): void;
}

const MAKE: Readonly<Record<'xfs' | 'fat32' | 'exfat', readonly [string, ...string[]]>> = {
  xfs: ['mkfs.xfs', '-q'],
  fat32: ['mkfs.vfat', '-F', '32'],
  exfat: ['mkfs.exfat'],
};

/** Real file systems on images, mounted for reading. Everything is undone by `clear`, in reverse. */
export class MediaLab {
  readonly #place: string;
  readonly #undo: (() => void)[] = [];
  #count = 0;

  constructor(place: string) {
    this.#place = place;
    mkdirSync(place, { recursive: true });
  }

  /** Writes what lies in a folder onto a new medium; nothing is mounted. @returns the image */
  burn(folder: string, system: FileSystem): string {
    const image = this.#fresh(`${system}.img`);
    const bytes = { ext4: 48, xfs: 320, fat32: 48, exfat: 48, iso9660: 0 }[system] * 1024 * 1024;
    if (bytes > 0) sparse(image, bytes);
    switch (system) {
      case 'ext4':
        run('mkfs.ext4', '-q', '-m', '0', '-d', folder, image);
        break;
      case 'iso9660':
        run('xorriso', '-as', 'mkisofs', '-quiet', '-r', '-iso-level', '3', '-o', image, folder);
        break;
      default: {
        run(...MAKE[system], image);
        if (system === 'fat32') {
          for (const name of readdirSync(folder))
            run('mcopy', '-s', '-i', image, join(folder, name), '::/');
          break;
        }
        const drive = this.#mount(image, system, 'rw');
        for (const name of readdirSync(folder))
          cpSync(join(folder, name), join(drive.mount, name), { recursive: true });
        drive.eject();
      }
    }
    return image;
  }

  /** Mounts an image read-only. */
  insert(image: string, system: FileSystem): Medium {
    return this.#mount(image, system, 'ro');
  }

  /** Mounts an image through a drive that gives EIO for these ranges of bytes. */
  insertBad(image: string, bad: readonly { offset: number; length: number }[]): Medium {
    return this.#drive(
      image,
      ['--filter=ddrescue', 'file', image],
      `ddrescue-mapfile=${this.#map(image, bad)}`,
    );
  }

  /** Mounts an image through a drive of so many bits a second; `pull` takes the medium away. */
  insertSlow(image: string, bits: string): Medium & { pull(): void } {
    return this.#drive(image, ['--filter=rate', 'file', image], `rate=${bits}`);
  }

  /** Unmounts and ends everything. */
  clear(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  #mount(image: string, system: FileSystem, mode: 'ro' | 'rw'): Medium {
    const mount = this.#fresh('mnt');
    mkdirSync(mount);
    switch (system) {
      case 'fat32':
        // Without vfat in the kernel: fusefat shows short names in capitals, so mtools reads it all out.
        run('mcopy', '-s', '-n', '-i', image, '::/*', mount);
        return { mount, image, eject: () => {} };
      case 'iso9660':
        run('fuseiso', image, mount);
        break;
      case 'exfat': {
        const device = run('losetup', '--find', '--show', ...(mode === 'ro' ? ['-r'] : []), image);
        const detach = this.#later(() => void spawnSync('losetup', ['--detach', device]));
        run('mount.exfat-fuse', '-o', mode, device, mount);
        const eject = this.#later(() => unmount(mount));
        const both = (): void => {
          eject();
          detach();
        };
        return { mount, image, eject: both };
      }
      default:
        run('mount', '-o', `loop,${mode}`, image, mount);
    }
    const eject = this.#later(() => unmount(mount));
    return { mount, image, eject };
  }

  #drive(image: string, kind: readonly string[], option: string): Medium & { pull(): void } {
    const folder = this.#fresh('drive');
    mkdirSync(folder);
    const disk = join(folder, 'disk');
    writeFileSync(disk, '');
    const child = spawn(
      'nbdfuse',
      ['-r', disk, '--command', 'nbdkit', '-r', '-s', ...kind, option],
      {
        stdio: 'ignore',
      },
    );
    const pids = (): number[] => [...childrenOf(child.pid ?? 0)];
    const stop = this.#later(() => {
      for (const pid of pids()) kill(pid);
      unmount(disk);
      child.kill('SIGKILL');
    });
    for (
      let tries = 0;
      spawnSync('stat', ['-c', '%s', disk]).stdout.toString().trim() === '0';
      tries++
    ) {
      if (tries > 200) throw new Error('the drive did not start');
      spawnSync('sleep', ['0.05']);
    }
    const medium = this.#mount(disk, 'ext4', 'ro');
    const eject = (): void => {
      medium.eject();
      stop();
    };
    return { mount: medium.mount, image, eject, pull: () => pids().forEach(kill) };
  }

  #map(image: string, bad: readonly { offset: number; length: number }[]): string {
    const path = `${image}.map`;
    const lines = ['0x0 +'];
    let at = 0;
    for (const { offset, length } of [...bad].sort((a, b) => a.offset - b.offset)) {
      lines.push(`${hex(at)} ${hex(offset - at)} +`, `${hex(offset)} ${hex(length)} -`);
      at = offset + length;
    }
    lines.push(`${hex(at)} ${hex(readFileSync(image).length - at)} +`);
    writeFileSync(path, `${lines.join('\n')}\n`);
    return path;
  }

  #later(undo: () => void): () => void {
    let done = false;
    const once = (): void => {
      if (!done) undo();
      done = true;
    };
    this.#undo.push(once);
    return once;
  }

  #fresh(name: string): string {
    this.#count += 1;
    return join(this.#place, `${this.#count}-${name}`);
  }
}

/** Where a file's bytes lie on an image, in bytes; the file must be in one stretch. */
export function offsetOn(image: string, file: string): number {
  const found = readFileSync(image).indexOf(readFileSync(file).subarray(0, 4096));
  if (found < 0) throw new Error(`${file} is not on ${image} in one stretch`);
  return found;
}

function sparse(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  ftruncateSync(file, bytes);
  closeSync(file);
}

function run(...[command, ...args]: readonly [string, ...string[]]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  return stdout.trim();
}

function unmount(path: string): void {
  for (let tries = 0; tries < 20; tries++) {
    if (spawnSync('umount', [path]).status === 0 || !mounted(path)) return;
    spawnSync('sleep', ['0.1']);
  }
  spawnSync('umount', ['-l', path]);
}

function mounted(path: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8').includes(` ${path} `);
}

function* childrenOf(pid: number): Iterable<number> {
  const place = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(place)) return;
  for (const each of readFileSync(place, 'utf8').trim().split(' '))
    if (each !== '') yield Number(each);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** Removes a lab's folder once nothing in it is mounted any more. */
export function removeLab(lab: MediaLab, place: string): void {
  lab.clear();
  if (!readFileSync('/proc/self/mounts', 'utf8').includes(` ${place}/`))
    rmSync(place, { recursive: true, force: true });
}
