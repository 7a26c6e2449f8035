import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MIB } from '../../src/core/limits.ts';
import { BufferRing } from '../../src/io/buffer-ring.ts';
import { WrittenFile } from '../../src/io/written-file.ts';
import { temporaryFolder } from '../support/folder.ts';

const inMemory = mkdtempSync('/dev/shm/stowage-');
afterAll(() => rmSync(inMemory, { recursive: true }));
const onDisk = temporaryFolder();
let files = 0;

/** Writes bytes by buffers of 2 MiB as a pass does. */
async function write(folder: string, bytes: Buffer, offset: number): Promise<Buffer> {
  const path = join(folder, String(files++));
  writeFileSync(path, 'before');
  const ring = new BufferRing(2, 2 * MIB);
  const file = new WrittenFile({ path, offset, create: false }, bytes.length);
  for (let done = 0; done < bytes.length; done += ring.size) {
    const buffer = await ring.next();
    const length = bytes.copy(buffer, 0, done, done + ring.size);
    ring.use(file.write(buffer.subarray(0, length), done));
  }
  await ring.settle();
  await file.finish();
  await file.close();
  return readFileSync(path);
}

const LENGTHS = [1, 4095, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 6 * MIB + 4096, 7 * MIB + 4097];

describe.each([
  ['on a disk', onDisk],
  ['in memory, which has no way past the page cache on old kernels', inMemory],
])('when a file is written %s', (_, folder) => {
  it.each(LENGTHS)('writes %i bytes at their offsets', async (length) => {
    const bytes = randomBytes(length);
    for (const offset of [0, 1, 4095, 4096, 8192 + 512]) {
      const expected = Buffer.concat([Buffer.alloc(offset), bytes]);
      expected.write('before'.slice(0, offset));
      const written = await write(folder, bytes, offset);
      const tail = Buffer.from('before').subarray(expected.length);
      expect(written.equals(Buffer.concat([expected, tail])), `at ${offset}`).toBe(true);
    }
  });
});

describe('when buffers are used in turn', () => {
  it('returns none that is in use, and all of them in rotation', async () => {
    const ring = new BufferRing(2, 65_536);
    const [first, second] = [await ring.next(), await ring.next()];
    expect(first.length).toBe(65_536);
    const write = Promise.withResolvers<void>();
    ring.use(write.promise);
    expect(await ring.next()).toBe(first);
    let given = false;
    const third = ring.next().then((buffer) => {
      given = true;
      return buffer;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(given).toBe(false);
    write.resolve();
    expect(await third).toBe(second);
  });

  it('throws the error of an operation once, and is free again', async () => {
    const ring = new BufferRing(2, 65_536);
    await ring.next();
    ring.use(Promise.reject(new Error('the disk is full')));
    await expect(ring.settle()).rejects.toThrow('the disk is full');
    await expect(ring.settle()).resolves.toBeUndefined();
  });

  it('waits for every operation, failed or not, before its buffers are reused', async () => {
    const ring = new BufferRing(2, 65_536);
    const slow = Promise.withResolvers<void>();
    await ring.next();
    ring.use(slow.promise);
    await ring.next();
    ring.use(Promise.reject(new Error('gone')));
    let quiet = false;
    const waiting = ring.quiet().then(() => {
      quiet = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(quiet).toBe(false);
    slow.reject(new Error('gone too'));
    await waiting;
    await ring.settle();
  });
});
