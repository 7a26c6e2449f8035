import { execFileSync } from 'node:child_process';
import { createReadStream, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { list } from 'tar';
import { describe, expect, it } from 'vitest';
import { GIB } from '../../src/core/limits.ts';
import { endOfArchive, headerOf, readHeader } from '../../src/io/tar-header.ts';
import { padding } from '../../src/io/ustar.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
const LONG = `blobs/sha256/${'a'.repeat(64)}.${'0'.repeat(60)}`;
/** The last size that eleven octal digits hold, and what comes after it. */
const SIZES = [0, 1, 511, 512, 513, 8 * GIB - 1, 8 * GIB, 8 * GIB + 1, 2 ** 40];
const PATHS = ['SHA512SUMS', 'a'.repeat(100), 'a'.repeat(101), LONG];
const entries = SIZES.flatMap((size) => PATHS.map((path) => ({ path, size, executable: false })));

describe('when the header of a file is written', () => {
  it.each(entries)('is read by GNU tar: $size bytes, $path', ({ path, size }) => {
    const entry = { path, size, executable: true };
    const header = headerOf(entry);
    const archive = join(root, 'archive.tar');
    writeFileSync(archive, header);
    // The content is a hole, and so is the end.
    const end = header.length + size + padding(size).length;
    truncateSync(archive, end + endOfArchive(end).length);
    const listed = execFileSync('tar', ['--list', '--verbose', '--file', archive], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC' },
    });
    expect(listed.split(/\s+/)).toEqual([
      ...['-rwxr-xr-x', '0/0', String(size), '1970-01-01', '00:00', path, ''],
    ]);
  });

  it('is read by another tar library', async () => {
    const small = entries.filter(({ size }) => size < GIB);
    const archive = join(root, 'all.tar');
    const blocks = small.flatMap((entry) => [
      headerOf(entry),
      Buffer.alloc(entry.size),
      padding(entry.size),
    ]);
    const bytes = Buffer.concat(blocks);
    writeFileSync(archive, Buffer.concat([bytes, endOfArchive(bytes.length)]));
    const found: object[] = [];
    const parser = list({ onReadEntry: ({ path, size }) => void found.push({ path, size }) });
    for await (const chunk of createReadStream(archive)) parser.write(chunk as Buffer);
    parser.end();
    expect(found).toEqual(small.map(({ path, size }) => ({ path, size })));
  });

  it.each(entries)('is read back: $size bytes, $path', async (entry) => {
    const header = headerOf(entry);
    let at = 0;
    const { claim, bytes } = await readHeader(async (length) => {
      at += length;
      return header.subarray(at - length, at);
    });
    expect(claim).toEqual({ path: entry.path, size: entry.size });
    expect(bytes.equals(header)).toBe(true);
  });
});
