import { execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  link,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type ForeignEntry,
  readEntries,
  readTree,
  treeBytes,
  writeTree,
} from '../../src/io/archive.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';
import { endOfTar, paxHeader, type TarEntry, tarEntry, tarOf } from '../support/tar.ts';

const root = temporaryFolder();
let folders = 0;
async function folder(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const path = join(root, String(folders++));
  await mkdir(path);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return path;
}

const long = (name: string, times: number): string => Array(times).fill(name).join('/');

const FILES = { 'b.txt': 'b', 'a/x.sh': '#!/bin/sh\n', 'a-b': '', Z: 'z'.repeat(512), é: 'e' };

async function archiveOf(from: string, paths: readonly string[]): Promise<Buffer> {
  const archive = join(root, `${folders++}.tar`);
  await writeTree(from, paths, archive);
  return readFile(archive);
}

async function unpack(bytes: Uint8Array): Promise<string> {
  const archive = join(root, `${folders++}.tar`);
  await writeFile(archive, bytes);
  const into = await folder();
  await readTree(archive, into);
  return into;
}

describe('when a tree is written', () => {
  it('gives the same bytes for any order, times, owners, modes and links on disk', async () => {
    const first = await folder(FILES);
    const second = await folder(FILES);
    await chmod(join(second, 'b.txt'), 0o600);
    await utimes(join(second, 'b.txt'), 1_000_000, 1_000_000);
    await link(join(second, 'Z'), join(second, 'other'));
    if (process.getuid?.() === 0) await chown(join(second, 'Z'), 1234, 1234);
    const paths = Object.keys(FILES);
    const bytes = await archiveOf(first, paths);
    expect((await archiveOf(second, paths.toReversed())).equals(bytes)).toBe(true);
  });

  it('stores hard links to one file as separate files', async () => {
    const from = await folder({ one: 'same' });
    await link(join(from, 'one'), join(from, 'two'));
    const into = await unpack(await archiveOf(from, ['one', 'two']));
    expect(await contents(into)).toEqual({ one: 'same', two: 'same' });
  });

  it('keeps the executable bit and no other', async () => {
    const from = await folder({ run: '', read: '' });
    await chmod(join(from, 'run'), 0o4711);
    await chmod(join(from, 'read'), 0o666);
    const into = await unpack(await archiveOf(from, ['run', 'read']));
    expect((await stat(join(into, 'run'))).mode & 0o7777).toBe(0o755);
    expect((await stat(join(into, 'read'))).mode & 0o7777).toBe(0o644);
  });

  it('is a tar that GNU tar lists, sorted bytewise, without folders', async () => {
    const archive = join(root, 'listed.tar');
    await writeTree(await folder(FILES), Object.keys(FILES), archive);
    const listed = execFileSync('tar', ['--quoting-style=literal', '-tvf', archive], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' },
    });
    const lines = listed.trim().split('\n');
    expect(lines.map((line) => line.split(' ').at(-1))).toEqual([
      'Z',
      'a-b',
      'a/x.sh',
      'b.txt',
      'é',
    ]);
    for (const line of lines) expect(line).toMatch(/^-rw-r--r-- 0\/0 .* 1970-01-01 00:00 /);
  });
});

describe('when a tree is read', () => {
  it.each([0, 1, 511, 512, 513, 1024])('extracts a file of %i bytes', async (size) => {
    const from = await folder({ a: 'x'.repeat(size) });
    const into = await unpack(await archiveOf(from, ['a']));
    expect(await contents(into)).toEqual({ a: 'x'.repeat(size) });
  });

  it('extracts long and non-ASCII names', async () => {
    const files = { [`${'d'.repeat(90)}/${'n'.repeat(200)}`]: '1', 'größe/日本': '2' };
    const into = await unpack(await archiveOf(await folder(files), Object.keys(files)));
    expect(await contents(into)).toEqual(files);
  });

  it('reads what the byte-wise builder of these tests writes', async () => {
    expect(await contents(await unpack(tarOf({ path: 'a', data: 'text' })))).toEqual({ a: 'text' });
  });
});

describe('when an archive is hostile', () => {
  const good: TarEntry = { path: 'good', data: 'good' };
  const attacks: Readonly<Record<string, Buffer>> = {
    'a path that climbs out': tarOf(good, { path: '../escaped', data: 'x' }),
    'a path that climbs out from within': tarOf(good, { path: 'a/../../escaped', data: 'x' }),
    'an absolute path': tarOf(good, { path: join(root, 'escaped'), data: 'x' }),
    'a backslash path': tarOf(good, { path: '..\\escaped', data: 'x' }),
    'a drive': tarOf(good, { path: 'C:escaped', data: 'x' }),
    'an escape sequence in a name': tarOf(good, { path: 'a\u001b[2J', data: 'x' }),
    'a new line in a name': tarOf(good, { path: 'a\nb', data: 'x' }),
    'a device name': tarOf(good, { path: 'con.txt', data: 'x' }),
    'a name that is not in normal form C': tarOf(good, { path: 'e\u0301', data: 'x' }),
    'a symbolic link': tarOf(good, { path: 'l', type: '2', link: '/etc/passwd' }),
    'a symbolic link and a file through it': tarOf(
      { path: 'l', type: '2', link: '..' },
      { path: 'l/escaped', data: 'x' },
    ),
    'a hard link': tarOf(good, { path: 'l', type: '1', link: 'good' }),
    'a hard link to outside': tarOf({ path: 'l', type: '1', link: '/etc/passwd' }),
    'a character device': tarOf(good, { path: 'd', type: '3' }),
    'a block device': tarOf(good, { path: 'd', type: '4' }),
    'a folder': tarOf({ path: 'f/', type: '5', mode: 0o755 }, { path: 'f/good', data: 'x' }),
    'a pipe': tarOf(good, { path: 'p', type: '6' }),
    'a contiguous file': tarOf(good, { path: 'c', type: '7', data: 'x' }),
    'a name twice': tarOf(good, { path: 'good', data: 'bad' }),
    'case twins': tarOf(good, { path: 'GOOD', data: 'bad' }),
    'a file that is also a folder': tarOf(good, { path: 'good/below', data: 'x' }),
    'a set-user-id mode': tarOf(good, { path: 'root', mode: 0o4755, data: 'x' }),
    'a set-group-id mode': tarOf(good, { path: 'root', mode: 0o2755, data: 'x' }),
    'a world-writable mode': tarOf(good, { path: 'open', mode: 0o666, data: 'x' }),
    'an owner': tarOf({ ...good, uid: 1000 }),
    'a time': tarOf({ ...good, mtime: 1 }),
    'an order of its own': tarOf(good, { path: 'a', data: 'x' }),
    'a PAX size above the header’s': tarOf(
      paxHeader({ size: '1024' }),
      { path: 'a', data: 'x'.repeat(512) },
      { path: 'hidden', data: 'x' },
    ),
    'a PAX size below the header’s': tarOf(paxHeader({ size: '0' }), {
      path: 'a',
      data: tarEntry({ path: 'hidden', data: 'x' }).toString('latin1'),
    }),
    'a PAX path over an innocent one': tarOf(paxHeader({ path: '../escaped' }), good),
    'a PAX header that says nothing new': tarOf(paxHeader({ comment: 'hidden' }), good),
    'a global PAX header': tarOf({ ...paxHeader({ comment: 'x' }), type: 'g' }, good),
    'a GNU long name that climbs out': tarOf(
      { path: '././@LongLink', type: 'L', data: '../escaped' },
      good,
    ),
    'a bad header checksum': tarOf(good, { path: 'b', data: 'x', badChecksum: true }),
    'data after its end': Buffer.concat([tarOf(good), tarOf({ path: 'later', data: 'x' })]),
    'one byte after its end': Buffer.concat([tarOf(good), Buffer.from([1])]),
    'zeros after its end': Buffer.concat([tarOf(good), Buffer.alloc(512)]),
    'one block of its end only': Buffer.concat([tarEntry(good), Buffer.alloc(512)]),
    'no end': tarEntry(good),
    'bytes in the padding': Buffer.concat([tarEntry(good).fill('x', 600, 601), endOfTar]),
    'a size beyond its end': tarOf(good, { path: 'big', size: 8_000_000_000 }),
    'a cut in the middle': tarOf({ path: 'a', data: 'x'.repeat(2048) }).subarray(0, 1024),
    'no bytes': Buffer.alloc(0),
    'no entries': endOfTar,
    text: Buffer.from('not a tar at all'.repeat(100)),
    'gzip around it': gzipSync(tarOf(good)),
    'zstd around it': zstdCompressSync(tarOf(good)),
    'a gzip bomb': gzipSync(tarOf({ path: 'bomb', data: '\0'.repeat(8 * 1024 * 1024) })),
  };

  it.each(Object.entries(attacks))('refuses %s, and nothing escapes', async (_, bytes) => {
    const box = await folder({ 'in/.keep': '' });
    await rm(join(box, 'in', '.keep'));
    const archive = join(root, `${folders++}.tar`);
    await writeFile(archive, bytes);
    const error = await expectCode(() => readTree(archive, join(box, 'in')), 'archive-refused');
    expect(error.found).not.toBe('');
    const found = await readdir(box, { recursive: true });
    expect(found.filter((path) => !/^in(?:$|\/)/.test(path))).toEqual([]);
    expect(await readdir(root)).not.toContain('escaped');
  });

  it('writes nothing of an archive whose last entry is bad', async () => {
    const archive = join(root, 'late.tar');
    const into = await folder();
    await writeFile(archive, tarOf(good, { path: 'l', type: '2', link: 'x' }));
    await expectCode(() => readTree(archive, into), 'archive-refused');
    expect(await contents(into)).toEqual({});
  });
});

describe('when a foreign archive is read', () => {
  async function entriesOf(bytes: Buffer, step = bytes.length): Promise<[ForeignEntry, string][]> {
    async function* chunks(): AsyncGenerator<Buffer> {
      for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
    }
    const found: [ForeignEntry, string][] = [];
    await readEntries(chunks(), (entry) => {
      const place = found.push([entry, '']) - 1;
      return {
        write: (chunk) => {
          found[place] = [entry, (found[place]?.[1] ?? '') + chunk.toString()];
        },
        end: () => {
          found[place] = [entry, `${found[place]?.[1]}.`];
        },
      };
    });
    return found;
  }
  const bytes = tarOf(
    { path: '../a', data: 'x'.repeat(600) },
    { path: 'b/', type: '5' },
    { path: 'c', type: '2', link: '/etc/passwd' },
    { path: 'd', type: '3' },
    { path: 'e', data: 'y', mode: 0o4755 },
  );

  it.each([1, 7, 512, 10_000])(
    'gives each, whatever its name, in reads of %i bytes',
    async (step) => {
      const found = await entriesOf(bytes, step);
      expect(found.map(([{ path, type }, text]) => [path, type, text.length])).toEqual([
        ['../a', 'file', 601],
        ['b/', 'folder', 1],
        ['c', 'other', 1],
        ['d', 'other', 1],
        ['e', 'file', 2],
      ]);
    },
  );

  it.each([1, 511, 513, 700, 1535, 2000])(
    'refuses an archive truncated after %i bytes',
    async (at) => {
      await expectCode(() => entriesOf(bytes.subarray(0, at)), 'archive-refused');
    },
  );

  it('accepts a missing end marker, which some layers lack', async () => {
    expect(await entriesOf(bytes.subarray(0, -endOfTar.length))).toHaveLength(5);
  });

  it('throws the errors of its reader', async () => {
    async function* once(): AsyncGenerator<Buffer> {
      yield bytes;
    }
    const stop = new Error('stop');
    await expect(
      readEntries(once(), () => {
        throw stop;
      }),
    ).rejects.toBe(stop);
  });
});

describe('when the size of an archive is calculated', () => {
  it.each<[string, string, number]>([
    ['an empty file', 'a', 0],
    ['one byte', 'a', 1],
    ['a block less one byte', 'a', 511],
    ['a block', 'a', 512],
    ['a block and a byte', 'a', 513],
    ['a name of 99 bytes', 'n'.repeat(99), 1],
    ['a name of 100 bytes', 'n'.repeat(100), 1],
    ['a name of 101 bytes', 'n'.repeat(101), 1],
    ['a name of 255 bytes', 'n'.repeat(255), 1],
    ['a path that fits into two fields', long('n'.repeat(60), 3), 1],
    ['a path of 512 bytes', long('n'.repeat(127), 4), 1],
    ['a path of many bytes', long('\u0e01'.repeat(60), 5), 1],
    ['a name that is not ASCII', 'é', 1],
  ])('is what is written: %s', async (_, path, size) => {
    const from = await folder({ [path]: 'x'.repeat(size), z: 'zz' });
    const files = [
      { path, size },
      { path: 'z', size: 2 },
    ];
    const written = await archiveOf(from, [path, 'z']);
    expect(treeBytes(files)).toBe(written.length);
  });
});
