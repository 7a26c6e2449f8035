import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { beginStream, writeNoticeStream } from '../../../src/bundle/stream/notice-stream.ts';
import { StowageError } from '../../../src/core/error.ts';
import { MIB } from '../../../src/core/limits.ts';
import { ByteSource } from '../../../src/io/byte-source.ts';
import { headerOf } from '../../../src/io/tar-header.ts';
import { padding } from '../../../src/io/ustar.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import type { ImportOptions } from '../../../src/site/importing/import.ts';
import {
  type ImportedNotice,
  importPipedNotice,
} from '../../../src/site/importing/import-notice.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import {
  advisoryOf,
  noticeAuthority,
  promotionOf,
  recallOf,
  smallNotice,
} from '../../support/small-notice.ts';
import { entriesOf, pipe, type Streamed, tarOfEntries } from '../../support/streamed.ts';

const scratch = scratchFolder(true);
const authority = noticeAuthority();
const { trust, approver } = authority;
let folder: string;
let tar: Buffer;

beforeAll(async () => {
  trust.issue({ trust: { ...trust.pinned, version: 2 } });
  folder = scratch.fresh('notice');
  const documents = [recallOf(), promotionOf({}, approver.signer), advisoryOf()];
  await smallNotice({ authority, folder, chain: trust.links, documents });
  tar = await streamed(folder);
});

async function streamed(from: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await writeNoticeStream(from, async (bytes) => void chunks.push(Buffer.from(bytes)));
  return Buffer.concat(chunks);
}

function newSite(): ImportOptions {
  const site = new SiteFolder(scratch.fresh('site'));
  mkdirSync(site.root);
  writeFileSync(site.path('site.yaml'), 'apiVersion: stowage/v1\nname: vault\n');
  return { ...context(), site, target: fakeTarget(), trust: trust.pinned };
}

const take = (bytes: Buffer, options: ImportOptions, size?: number): Promise<ImportedNotice> =>
  withSite(options, async (ledger) => {
    const { chunks } = await beginStream(size === undefined ? pipe(bytes) : inPieces(bytes, size));
    return importPipedNotice(chunks, ledger, options);
  });

async function* inPieces(bytes: Buffer, size: number): AsyncIterable<Uint8Array> {
  // One buffer for all, as a pipe has it.
  const buffer = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) {
    const count = bytes.copy(buffer, 0, at, at + size);
    yield buffer.subarray(0, count);
  }
}

describe('when a notice arrives through a pipe', () => {
  it.each([7, 512, 65_536])('is imported from pieces of %i bytes, once', async (size) => {
    const opened = newSite();
    const imported = await take(tar, opened, size);
    expect(imported).toMatchObject({ known: false, trust: 2, recalls: [{}], promotions: [{}] });
    expect(imported.advisories).toHaveLength(1);
    expect((await take(tar, opened, size)).known).toBe(true);
    expect(existsSync(opened.site.path('staging/.piped'))).toBe(false);
  });

  it('has the same bytes each time, and is known by its first file', async () => {
    expect(await streamed(folder)).toEqual(tar);
    expect((await beginStream(pipe(tar))).isNotice).toBe(true);
    for (const other of [
      Buffer.alloc(0),
      Buffer.from('notice.jso'),
      Buffer.from('SHA512SUMS\0\0\0'),
    ])
      expect((await beginStream(pipe(other))).isNotice).toBe(false);
  });

  it('leaves the rest of a pipe to be read where a receiver wants it', async () => {
    const buffer = Buffer.alloc(MIB);
    const chunk = { done: false, value: new Uint8Array(tar) } as const;
    const filling = { next: async () => chunk, fill: async (to: Uint8Array) => to.fill(7).length };
    const { chunks } = await beginStream({ [Symbol.asyncIterator]: () => filling });
    const source = new ByteSource(chunks, new AbortController().signal);
    expect(await source.next(tar.length)).toEqual(tar);
    expect(await source.fill(buffer)).toBe(MIB);
    expect(buffer.every((byte) => byte === 7)).toBe(true);
  });

  it('is not written if a file of it was changed or added', async () => {
    const changed = scratch.copy(folder);
    writeFileSync(join(changed, 'documents/recall-1.json'), '{}');
    await expectCode(() => streamed(changed), 'part-damaged');
    const more = scratch.copy(folder);
    writeFileSync(join(more, 'documents/more.json'), '{}');
    await expectCode(() => streamed(more), 'file-unexpected');
  });

  it('is refused with one bit flipped, wherever, and leaves no site behind', async () => {
    const opened = newSite();
    for (let at = 0; at < tar.length; at += 397) {
      const bytes = Buffer.from(tar);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      const code = await take(bytes, opened).then(
        () => 'imported',
        (error: unknown) => (error instanceof StowageError ? error.code : String(error)),
      );
      expect(code, `byte ${at}`).toMatch(/^[a-z]+(?:-[a-z]+)+$/);
      expect(readdirSync(opened.site.root)).toEqual(['site.yaml']);
    }
  });

  it.each([0, 300, 512, 5000, -10_240, -1])('is refused if it ends at %i', async (at) => {
    await expectCode(() => take(tar.subarray(0, at), newSite()), 'stream-ended');
  });

  const file = (path: string, size = 2): Streamed => ({
    ...{ path, header: headerOf({ path, size, executable: false }) },
    ...{ content: Buffer.alloc(size, '{}'), padding: padding(size) },
  });
  it.each<[string, (entries: Streamed[]) => Streamed[]]>([
    ['a part of a bundle (attack 149)', (all) => [...all, file(`blobs/sha256/${'a'.repeat(64)}`)]],
    ['the index of a bundle', (all) => [...all, file('bundle.json')]],
    ['a name that leads out (attack 80)', (all) => [...all, file('trust/../../site.yaml')]],
    ['an absolute name (attack 81)', (all) => [...all, file('/etc/passwd')]],
    ['a hidden name', (all) => [...all, file('trust/.hidden')]],
    ['a file twice', (all) => all.flatMap((each) => [each, each])],
    ['another order', (all) => [...all.slice(0, 1), ...all.slice(1).toReversed()]],
    ['another first file', (all) => all.slice(1)],
    ['a document of 5 MiB', (all) => [...all, file('trust/z.json', 5 * MIB)]],
    [
      'documents of 45 MiB in all',
      (all) => [
        ...all,
        ...Array.from({ length: 15 }, (_, n) => file(`trust/z-${n + 10}`, 3 * MIB)),
      ],
    ],
  ])('refuses %s', async (_, bend) => {
    const bytes = tarOfEntries(bend(entriesOf(tar)));
    const opened = newSite();
    await expectCode(() => take(bytes, opened), 'stream-refused');
    expect(readdirSync(opened.site.root)).toEqual(['site.yaml']);
  });

  it('refuses a file that is not on the list, and one that is missing', async () => {
    const more = tarOfEntries([...entriesOf(tar), file('trust/z.json')]);
    await expectCode(() => take(more, newSite()), 'file-unexpected');
    const fewer = entriesOf(tar).filter(({ path }) => path !== 'documents/recall-1.json');
    await expectCode(() => take(tarOfEntries(fewer), newSite()), 'part-missing');
  });

  it('refuses more after the end of the archive (attack 96)', async () => {
    await expectCode(() => take(Buffer.concat([tar, tar]), newSite()), 'stream-refused');
    expect(readFileSync(join(folder, 'notice.json')).length).toBeGreaterThan(100);
  });
});
