import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** Flips one bit of a file in place, as root can and a failing disk does: its modes are those that it had. */
export function flipBit(path: string, offset = 0): void {
  const file = openSync(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, offset);
    byte[0] = (byte[0] ?? 0) ^ 1;
    writeSync(file, byte, 0, 1, offset);
  } finally {
    closeSync(file);
  }
}
