import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sriOf } from '../../src/core/digest.ts';
import { KIB, MIB } from '../../src/core/limits.ts';
import {
  ByteSource,
  type PipedBytes,
  readDescriptor,
  withBeginning,
} from '../../src/io/byte-source.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let count = 0;

/** A named pipe that another process writes these bytes to. */
function piped(bytes: Buffer): { pipe: Required<Omit<PipedBytes, 'file'>>; writer: ChildProcess } {
  const [fifo, file] = ['fifo', 'file'].map((each) => join(root, `${each}${count++}`)) as [
    string,
    string,
  ];
  execFileSync('mkfifo', [fifo]);
  writeFileSync(file, bytes);
  const writer = spawn('sh', ['-c', 'exec cat "$0" > "$1"', file, fifo], { stdio: 'ignore' });
  const pipe = readDescriptor(openSync(fifo, 'r'));
  if (pipe?.fill === undefined) throw new Error('not a pipe');
  return { pipe: pipe as Required<PipedBytes>, writer };
}

/** A file with these bytes, of which `skipped` were read before. */
function redirected(bytes: Buffer, skipped = 0): ByteSource {
  const file = join(root, `file${count++}`);
  writeFileSync(file, bytes);
  const fd = openSync(file, 'r');
  readSync(fd, Buffer.alloc(skipped));
  const found = readDescriptor(fd);
  if (found === undefined) throw new Error('not a file');
  return new ByteSource(found, new AbortController().signal);
}

describe('when a pipe is read', () => {
  it.each([0, 1, 64 * KIB, 64 * KIB + 1, 3 * MIB + 7])(
    'has its %i bytes, and then its end',
    async (size) => {
      const bytes = randomBytes(size);
      const source = new ByteSource(piped(bytes).pipe, new AbortController().signal);
      const all = Buffer.alloc(size + 1);
      expect(await source.fill(all)).toBe(size);
      expect(sriOf(all.subarray(0, size))).toBe(sriOf(bytes));
      expect(await source.next(1)).toHaveLength(0);
    },
  );

  it('gives each byte once to large and small requests in turn', async () => {
    const bytes = randomBytes(6 * MIB + 11);
    const source = new ByteSource(piped(bytes).pipe, new AbortController().signal);
    const all = Buffer.alloc(bytes.length);
    const sizes = [512, MIB, 1, 256 * KIB, 255 * KIB, 2 * MIB, 7];
    for (let at = 0, turn = 0; at < all.length; turn++) {
      const wanted = all.subarray(at, at + (sizes[turn % sizes.length] ?? 1));
      expect(await source.fill(wanted)).toBe(wanted.length);
      at += wanted.length;
      expect(source.offset).toBe(at);
    }
    expect(sriOf(all)).toBe(sriOf(bytes));
    expect(await source.fill(Buffer.alloc(MIB))).toBe(0);
  });

  it('does not overwrite a chunk before the next one is requested', async () => {
    const bytes = randomBytes(MIB);
    const { pipe, writer } = piped(bytes);
    const chunks: Buffer[] = [];
    for await (const chunk of pipe) {
      const before = Buffer.from(chunk);
      await new Promise((resolve) => setTimeout(resolve, 1));
      expect(before.equals(chunk)).toBe(true);
      chunks.push(before);
    }
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    if (writer.exitCode === null) await once(writer, 'exit');
    expect(writer.exitCode).toBe(0);
  });

  it('ends its writer when it is destroyed', async () => {
    const { pipe, writer } = piped(randomBytes(MIB));
    await pipe.next();
    pipe.destroy();
    expect(await pipe.next()).toEqual({ done: true, value: undefined });
    if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit');
    expect(writer.exitCode).not.toBe(0);
  });
});

describe('when a file is read', () => {
  it.each([0, 1, 64 * KIB, 3 * MIB + 7])('has its %i bytes, and then its end', async (size) => {
    const bytes = randomBytes(size);
    const source = redirected(bytes);
    const all = Buffer.alloc(size + 1);
    expect(await source.fill(all)).toBe(size);
    expect(sriOf(all.subarray(0, size))).toBe(sriOf(bytes));
    expect(await source.next(1)).toHaveLength(0);
  });

  it('begins where others stopped', async () => {
    const source = redirected(randomBytes(MIB).fill('abc', 4711, 4714), 4711);
    expect(String(await source.next(3))).toBe('abc');
    expect(source.skip(MIB - 4714)).toBe(4714);
  });

  it.each([
    ['before anything was read', 0, 2 * MIB],
    ['after small amounts, which were read with what follows', 700, 2 * MIB],
    ['after a large amount', MIB + 11, MIB],
    ['to its end', 512, 4 * MIB - 512],
  ])('says where bytes are that somebody else reads, %s', async (_, before, length) => {
    const bytes = randomBytes(4 * MIB);
    const source = redirected(bytes);
    await source.fill(Buffer.alloc(before));
    expect(source.skip(length)).toBe(before);
    expect(source.offset).toBe(before + length);
    const rest = Buffer.alloc(bytes.length - source.offset);
    expect(await source.fill(rest)).toBe(rest.length);
    expect(sriOf(rest)).toBe(sriOf(bytes.subarray(source.offset - rest.length)));
  });

  it('leaves nothing to others that it does not have, or that it has read', async () => {
    const source = redirected(randomBytes(MIB));
    await source.fill(Buffer.alloc(512));
    for (const length of [1, MIB, Number.MAX_SAFE_INTEGER])
      expect(source.skip(length)).toBeUndefined();
    expect(source.offset).toBe(512);
    expect(await source.fill(Buffer.alloc(MIB))).toBe(MIB - 512);
  });
});

describe('when a device is read', () => {
  it('ends where the device does', async () => {
    const source = new ByteSource(deviceOf('/dev/null'), new AbortController().signal);
    expect(await source.fill(Buffer.alloc(2 * MIB))).toBe(0);
  });

  it('has its bytes in order, whatever amounts are requested', async () => {
    const source = new ByteSource(deviceOf('/dev/zero'), new AbortController().signal);
    for (const size of [1, 512, 9 * MIB]) {
      const bytes = Buffer.alloc(size, 1);
      expect(await source.fill(bytes)).toBe(size);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    }
    expect(source.skip(MIB)).toBeUndefined();
  });
});

function deviceOf(path: string): PipedBytes {
  const device = readDescriptor(openSync(path, 'r'));
  if (device === undefined) throw new Error('not a device');
  return device;
}

it.each(['/dev/ptmx', '/'])('leaves %s to others: a terminal, a folder', (path) => {
  expect(readDescriptor(openSync(path, 'r'))).toBeUndefined();
});

describe('when the first bytes of a pipe were read ahead', () => {
  it.each([0, 1, 512, 300 * KIB])('has all bytes, with %i from before', async (before) => {
    const bytes = randomBytes(2 * MIB + 7);
    const { pipe } = piped(bytes.subarray(before));
    const all = withBeginning(bytes.subarray(0, before), pipe);
    const source = new ByteSource(all, new AbortController().signal);
    const found = Buffer.alloc(bytes.length);
    for (let at = 0; at < found.length; at += MIB)
      expect(await source.fill(found.subarray(at, at + MIB))).toBe(
        Math.min(MIB, found.length - at),
      );
    expect(sriOf(found)).toBe(sriOf(bytes));
    expect(await source.next(1)).toHaveLength(0);
  });

  it('still has large amounts go to the buffer directly, after those bytes', async () => {
    const bytes = randomBytes(2 * MIB);
    const { pipe } = piped(bytes);
    let direct = 0;
    const counted = {
      next: () => pipe.next(),
      fill: async (buffer: Uint8Array) => {
        const filled = await pipe.fill(buffer);
        direct += filled;
        return filled;
      },
    };
    const source = new ByteSource(
      withBeginning(Buffer.from('head'), counted),
      new AbortController().signal,
    );
    const found = Buffer.alloc(4 + bytes.length);
    expect(await source.fill(found)).toBe(found.length);
    expect(sriOf(found)).toBe(sriOf(Buffer.concat([Buffer.from('head'), bytes])));
    expect(direct).toBe(bytes.length);
  });
});
