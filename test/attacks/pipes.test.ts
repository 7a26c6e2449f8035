import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import type { ErrorCode } from '../../src/core/error.ts';
import { namesIn } from '../../src/io/file.ts';
import { withSite } from '../../src/site/applying/change.ts';
import { type Imported, importMedia } from '../../src/site/importing/import.ts';
import { readLedger } from '../../src/site/ledger/site-ledger.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { fakeTarget } from '../support/fake-engine.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import {
  entriesOf,
  pipe,
  type Streamed,
  streamOf,
  summed,
  tarOfEntries,
} from '../support/streamed.ts';
import { paxHeader, tarEntry } from '../support/tar.ts';

const scratch = scratchFolder(true);
let made: SmallBundle;
let tar: Buffer;
let newer: Buffer;

beforeAll(async () => {
  made = await smallBundle({ place: scratch.fresh() });
  const { authority } = made;
  const next = { place: scratch.fresh(), authority, version: '1.1.0', seq: 2 };
  tar = await streamOf(made.folder);
  newer = await streamOf((await smallBundle(next)).folder);
});

/** The first part of the stream; everything before it is admitted. */
const isPart = ({ path }: Streamed): boolean => path.startsWith('blobs/');

function onEntry(
  which: (entry: Streamed) => boolean,
  bend: (entry: Streamed) => void,
): (entries: Streamed[]) => void {
  return (entries) => {
    const entry = entries.find(which);
    if (entry === undefined) throw new Error('no such entry');
    bend(entry);
  };
}

const bendHeader = (
  bend: (header: Buffer) => void,
  which: (entry: Streamed) => boolean = isPart,
): ((entries: Streamed[]) => void) =>
  onEntry(which, (entry) => {
    entry.header = summed(entry.header, bend);
  });

const preceding = (which: (entry: Streamed) => boolean, added: Buffer): ((e: Streamed[]) => void) =>
  onEntry(which, (entry) => {
    entry.header = Buffer.concat([added, entry.header]);
  });

const text = (value: string, at: number) => (header: Buffer) => void header.write(value, at);

/** @param kept whether the parts that came are kept, to be completed from elsewhere */
async function refuse(
  bytes: Buffer,
  code: ErrorCode,
  found: RegExp,
  kept: 'keeps parts' | 'keeps nothing' = 'keeps nothing',
): Promise<void> {
  const site = new SiteFolder(scratch.fresh('site'));
  const options = { ...context(), site, target: fakeTarget(), trust: made.trust };
  const run = (): Promise<Imported> =>
    withSite(options, (ledger) => importMedia(pipe(bytes), ledger, options));
  const error = await expectCode(run, code);
  expect(`${error.message}: ${error.found}`).toMatch(found);
  const blobs = site.path('store/blobs/sha256');
  const stored = existsSync(blobs) ? readdirSync(blobs) : [];
  expect(stored.length > 0).toBe(kept === 'keeps parts');
  for (const name of stored)
    expect(digestOf(readFileSync(join(blobs, name)))).toBe(`sha256:${name}`);
  expect(await namesIn(site.path('releases'))).toEqual([]);
  expect(await namesIn(site.path('staging'))).not.toContain('.piped');
  const kinds = (await readLedger(site)).entries.map((entry) => entry.event.kind);
  expect(kinds).not.toContain('accepted');
}

const extra = tarEntry({ path: 'extra.txt', data: 'not listed' });
const isBundle = ({ path }: Streamed): boolean => path === 'bundle.json';

describe('when a stream is not in the format of stowage stream', () => {
  it.each<[string, (entries: Streamed[]) => void, RegExp]>([
    ['an extra file before the first part', preceding(isPart, extra), /"extra\.txt"/],
    ['an extra file before the index', preceding(isBundle, extra), /"extra\.txt"/],
    [
      'a part twice',
      (entries) => void entries.splice(-1, 0, ...entries.slice(-2, -1)),
      /a file "blobs/,
    ],
    ['a part under another name', bendHeader(text('blobs/sha256/x\0', 0)), /"blobs\/sha256\/x"/],
    ['a name that leads out (attack 80)', bendHeader(text('../../etc/passwd\0', 0)), /"\.\.\//],
    ['an absolute name (attack 81)', bendHeader(text('/etc/passwd\0', 0)), /"\/etc\/passwd"/],
    ['bytes behind the end of a name', bendHeader(text('x', 99)), /a file "blobs/],
    ['a name in the prefix field', bendHeader(text('blobs', 345)), /a file "blobs/],
    ['another size', bendHeader(text('00000000001', 124)), /of 1 byte/],
    [
      'a size in base 256',
      bendHeader((header) => void header.writeUInt8(0x80, 124)),
      /a size that is not octal/,
    ],
    ['a setuid mode (attack 94)', bendHeader(text('0004755', 100)), /mode 0004755/],
    ['an owner', bendHeader(text('0001750', 108)), /owner 0001750/],
    ['a time', bendHeader(text('14655034100', 136)), /time 14655034100/],
    ['a symbolic link (attack 89)', bendHeader(text('2', 156)), /a symbolic link/],
    ['a hard link (attack 89)', bendHeader(text('1', 156)), /a hard link/],
    ['a device (attack 89)', bendHeader(text('3', 156)), /a device/],
    ['a folder', bendHeader(text('5', 156)), /a folder/],
    ['a pipe (attack 89)', bendHeader(text('6', 156)), /a pipe/],
    ['a sparse file (attack 93)', bendHeader(text('S', 156)), /a sparse file/],
    ['the type of an old tar', bendHeader(text('\0', 156)), /a file "blobs/],
    [
      'a long name of GNU tar',
      preceding(isPart, tarEntry({ path: '././@LongLink', type: 'L', data: 'blobs/x\0' })),
      /a long name of GNU tar/,
    ],
    [
      'an extended header that lies about the size (attack 95)',
      preceding(isPart, tarEntry(paxHeader({ size: '1' }))),
      /an extended header/,
    ],
    [
      'an extended header for a signature whose name needs none',
      preceding(
        ({ path }) => path.startsWith('signatures/'),
        tarEntry(paxHeader({ path: 'signatures/release.p7s' })),
      ),
      /an extended header/,
    ],
    [
      'global extended headers',
      preceding(isPart, tarEntry({ ...paxHeader({ path: 'x' }), type: 'g' })),
      /global extended headers/,
    ],
    [
      'a header whose checksum is wrong (attack 97)',
      onEntry(isPart, (entry) => {
        entry.header = Buffer.from(entry.header);
        entry.header.write('7', 148);
      }),
      /checksum is wrong/,
    ],
    [
      'a header of GNU tar',
      bendHeader((header) => void header.write('ustar  \0', 257)),
      /a file "blobs/,
    ],
    [
      'other bytes than zeros behind a part',
      onEntry(
        (entry) => isPart(entry) && entry.padding.length > 0,
        (entry) => {
          entry.padding = Buffer.alloc(entry.padding.length, 1);
        },
      ),
      /different bytes/,
    ],
    [
      'other bytes than zeros behind the list',
      onEntry(
        ({ path }) => path === 'SHA512SUMS',
        (entry) => {
          entry.padding = Buffer.alloc(entry.padding.length, 1);
        },
      ),
      /different bytes/,
    ],
    ['the list not first', (entries) => void entries.reverse(), /"blobs/],
    [
      'signatures that are not sorted',
      (entries) => {
        const [signature] = entries.slice(1, 2);
        if (signature !== undefined) entries.splice(1, 0, { ...signature });
      },
      /signatures\/release\.p7s/,
    ],
    [
      'more signatures than any policy asks for',
      (entries) => {
        const [signature] = entries.slice(1, 2);
        if (signature === undefined) throw new Error('no signature');
        const many = Array.from({ length: 40 }, (_, index) => ({
          ...signature,
          header: summed(
            signature.header,
            text(`signatures/a${String(index).padStart(2, '0')}.p7s\0\0\0\0\0\0`, 0),
          ),
        }));
        entries.splice(1, 1, ...many);
      },
      /more/,
    ],
    [
      'a list of 64 MiB and more (attack 78)',
      bendHeader(text('00777777777', 124), ({ path }) => path === 'SHA512SUMS'),
      /134217727 bytes/,
    ],
    [
      'a file in a folder of a signature’s name',
      bendHeader(text('signatures/release/x.p7s\0', 0), ({ path }) =>
        path.startsWith('signatures/'),
      ),
      /signatures\/release\/x/,
    ],
  ])('refuses %s', async (_, bend, found) => {
    const entries = entriesOf(tar);
    bend(entries);
    await refuse(tarOfEntries(entries), 'stream-refused', found);
  });

  it.each<[string, (entries: Streamed[]) => void, RegExp]>([
    ['SHA512SUMS left out', (entries) => void entries.shift(), /^SHA512SUMS is missing/],
    [
      'bundle.json left out',
      (entries) => {
        const at = entries.findIndex(({ path }) => path === 'bundle.json');
        entries.splice(at, 1);
      },
      /^bundle.json is missing/,
    ],
  ])('reports %s as a missing file', async (_, bend, found) => {
    const entries = entriesOf(tar);
    bend(entries);
    await refuse(tarOfEntries(entries), 'part-missing', found);
  });

  it.each<[string, (entries: Streamed[]) => void]>([
    ['a part', (entries) => void entries.splice(-2, 1)],
    ['the last part', (entries) => void entries.pop()],
  ])('keeps what it has, and asks for %s that was left out', async (_, bend) => {
    const entries = entriesOf(tar);
    bend(entries);
    await refuse(tarOfEntries(entries), 'part-missing', /^blobs/, 'keeps parts');
  });

  it('refuses parts in another order', async () => {
    const entries = entriesOf(tar);
    entries.push(...entries.splice(-2, 1));
    await refuse(tarOfEntries(entries), 'stream-refused', /a file "blobs/);
  });

  it.each<[string, () => Buffer]>([
    ['one byte', () => Buffer.concat([tar, Buffer.from('x')])],
    ['another record of zeros', () => Buffer.concat([tar, Buffer.alloc(10_240)])],
    ['a second archive (attack 96)', () => Buffer.concat([tar, newer])],
  ])('refuses %s behind its end, and names none of its blobs', async (_, bytes) => {
    await refuse(bytes(), 'stream-refused', /more bytes/);
  });

  it('refuses changed bytes in its last record', async () => {
    const bytes = Buffer.from(tar);
    bytes[bytes.length - 1] = 1;
    await refuse(bytes, 'stream-refused', /different bytes/);
  });

  it('refuses a compressed stream (attack 98)', async () => {
    const { gzipSync } = await import('node:zlib');
    await refuse(gzipSync(tar), 'stream-refused', /checksum is wrong/);
  });

  it('refuses an empty stream, zeros, and a truncation at any byte', async () => {
    await refuse(Buffer.alloc(0), 'stream-ended', /after 0 bytes/);
    await refuse(Buffer.alloc(20_480), 'stream-refused', /the end of the archive/);
    for (let cut = 100; cut < tar.length; cut += Math.ceil(tar.length / 12))
      await refuse(tar.subarray(0, cut), 'stream-ended', /end of stream after/);
    await refuse(tar.subarray(0, -1), 'stream-ended', /end of stream after/);
  });

  it('refuses the list of one bundle with the index of another (attack 64)', async () => {
    const entries = entriesOf(tar);
    const [index] = entriesOf(newer).filter(isBundle);
    if (index === undefined) throw new Error('no index');
    entries.splice(entries.findIndex(isBundle), 1, index);
    await refuse(tarOfEntries(entries), 'part-damaged', /bundle\.json/);
  });

  it('refuses parts of another bundle after valid control files (attack 62)', async () => {
    const parts = entriesOf(newer).filter(isPart);
    const head = entriesOf(tar).filter((entry) => !isPart(entry));
    await refuse(tarOfEntries([...head, ...parts]), 'stream-refused', /a file "blobs/);
  });

  it('refuses an invalid signature before it reads a part', async () => {
    const entries = entriesOf(tar);
    onEntry(
      ({ path }) => path === 'SHA512SUMS',
      (entry) => {
        entry.content = Buffer.from(entry.content);
        entry.content[3] = entry.content[3] === 0x61 ? 0x62 : 0x61;
      },
    )(entries);
    await refuse(tarOfEntries(entries), 'signature-invalid', /./);
  });
});
