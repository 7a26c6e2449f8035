import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeStream } from '../../../src/bundle/stream/write-stream.ts';
import { openBundle } from '../../../src/cli/commands/open-bundle.ts';
import { sriOf } from '../../../src/core/digest.ts';
import { MIB } from '../../../src/core/limits.ts';
import { readDescriptor } from '../../../src/io/byte-source.ts';
import { namesIn } from '../../../src/io/file.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { collect } from '../../../src/site/applying/collect.ts';
import { type Imported, importMedia } from '../../../src/site/importing/import.ts';
import { partialImports } from '../../../src/site/importing/partial-import.ts';
import { readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { seededBytes } from '../../lab/random.ts';
import { context, type ListeningContext } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import {
  contradictions,
  resign,
  type SmallBundle,
  smallBundle,
} from '../../support/small-bundle.ts';
import { entriesOf, pipe, streamOf, tarOfEntries } from '../../support/streamed.ts';

const scratch = scratchFolder();
let made: SmallBundle;
let tar: Buffer;

beforeAll(async () => {
  const common = { partSize: 4 * MIB, weights: 9 * MIB, crumbs: 3, installer: true };
  made = await smallBundle({ place: scratch.fresh(), ...common, parity: 1 });
  tar = await streamOf(made.folder);
});

function newSite(): SiteFolder {
  return new SiteFolder(scratch.fresh('site'));
}

function take(
  site: SiteFolder,
  bytes: AsyncIterable<Uint8Array>,
  heard: ListeningContext = context(),
  trust = made.trust,
): Promise<Imported> {
  const options = { ...heard, site, target: fakeTarget(), trust };
  return withSite(options, (ledger) => importMedia(bytes, ledger, options));
}

function blobsOf(site: SiteFolder): string[] {
  const folder = site.path('store/blobs/sha256');
  return existsSync(folder) ? readdirSync(folder).toSorted() : [];
}

/** A file with these bytes, as the shell gives it to the program. */
function recording(
  bytes: Buffer,
  before = 0,
): { readonly stream: AsyncIterable<Uint8Array>; readonly file: string } {
  const file = scratch.fresh('recording');
  writeFileSync(file, bytes);
  const fd = openSync(file, 'r');
  readSync(fd, Buffer.alloc(before));
  const stream = readDescriptor(fd);
  if (stream === undefined) throw new Error('not a file');
  return { stream, file };
}

function recorded(bytes: Buffer, before = 0): AsyncIterable<Uint8Array> {
  return recording(bytes, before).stream;
}

async function expectComplete(site: SiteFolder, { bundle }: SmallBundle = made): Promise<void> {
  expect(blobsOf(site)).toEqual(bundle.blobs.map(({ digest }) => digest.slice(7)).toSorted());
  expect(readdirSync(site.path('staging'))).toEqual([]);
  const kinds = (await readLedger(site)).entries.map(({ event }) => event.kind);
  expect(kinds).toContain('accepted');
}

/** The stream with the content of one entry bent. */
function bent(match: (path: string) => boolean): { bytes: Buffer; path: string } {
  const entries = entriesOf(tar);
  const entry = entries.find(({ path }) => match(path));
  if (entry === undefined) throw new Error('no such entry');
  entry.content = Buffer.from(entry.content);
  entry.content[0] = (entry.content[0] ?? 0) ^ 1;
  return { bytes: tarOfEntries(entries), path: entry.path };
}

/** Adds the polynomial of CRC-32, lowest bit first: a multiple of it changes no remainder. */
function flipUnnoticed(bytes: Buffer, offset: number): void {
  [...(0x104c11db7).toString(2)].forEach((bit, index) => {
    const at = offset + Math.floor(index / 8);
    if (bit === '1') bytes[at] = (bytes[at] ?? 0) ^ (1 << (index % 8));
  });
}

/** Where the stream breaks within these entries. */
function cutsIn(match: (entry: { readonly path: string }, index: number) => boolean): number[] {
  return entriesOf(tar)
    .filter(match)
    .map(({ header }) => tar.indexOf(header) + 700);
}

const ofWeights = (path: string): boolean =>
  path.includes(made.bundle.models[0]?.files[0]?.digest.slice(7) ?? '-');

describe('when a bundle is streamed', () => {
  it('is a tar that GNU tar extracts to the same bundle', () => {
    const place = scratch.fresh();
    mkdirSync(place);
    execFileSync('tar', ['-x', '-C', place], { input: tar });
    execFileSync('diff', ['-r', made.folder, place]);
    execFileSync('sha512sum', ['-c', '--quiet', '--strict', 'SHA512SUMS'], { cwd: place });
  });

  it('gives the same bytes each time, control files first, parts in the order of the index', async () => {
    expect((await streamOf(made.folder)).equals(tar)).toBe(true);
    const paths = entriesOf(tar).map(({ path }) => path);
    const parts = [
      ...made.bundle.blobs.flatMap((blob) => blob.parts),
      ...(made.bundle.parity?.rows.flat() ?? []),
    ];
    expect(paths).toEqual([
      'SHA512SUMS',
      'signatures/release.p7s',
      'bundle.json',
      ...made.bundle.control.map(({ path }) => path),
      ...(made.bundle.installers ?? []).map(({ path }) => path),
      ...parts.map(({ path }) => path),
    ]);
    expect(tar.length % 10_240).toBe(0);
  });

  it('gives the same bytes from discs', async () => {
    const common = { authority: made.authority, partSize: 4 * MIB, weights: 5 * MIB };
    const discs = { size: 6 * MIB, parity: false };
    const dealt = await smallBundle({ ...common, place: scratch.fresh(), discs });
    const whole = await smallBundle({ ...common, place: scratch.fresh() });
    expect(dealt.discs.length).toBeGreaterThan(1);
    // Digests: the comparison of buffers goes through them number by number, which takes seconds.
    const rest = (bytes: Buffer): string[] =>
      entriesOf(bytes).flatMap(({ path, header, content }) =>
        path.startsWith('signatures/') ? [] : [path, sriOf(header), sriOf(content)],
      );
    expect(rest(await streamOf(dealt.folder))).toEqual(rest(await streamOf(whole.folder)));
  });

  it('carries the toolkit byte for byte, to GNU tar and to the folder of the site', async () => {
    const toolkit = seededBytes(11, 5 * MIB + 17);
    const { folder, id, bundle, trust } = await smallBundle({
      ...{ place: scratch.fresh(), partSize: 4 * MIB, installer: true, toolkit },
    });
    const path = bundle.installers?.map((each) => each.path).find((each) => /toolkit/.test(each));
    if (path === undefined) throw new Error('the bundle has no toolkit');
    const bytes = await streamOf(folder);
    const place = scratch.fresh();
    mkdirSync(place);
    execFileSync('tar', ['-x', '-C', place], { input: bytes });
    const site = newSite();
    await take(site, pipe(bytes), context(), trust);
    for (const copy of [join(place, path), site.path('releases', id.slice(0, 32), path)])
      expect([readFileSync(copy).equals(toolkit), statSync(copy).mode & 0o777]).toEqual([
        true,
        0o755,
      ]);
    // One byte of it changed on the way.
    const entries = entriesOf(bytes);
    const entry = entries.find((each) => each.path === path);
    if (entry === undefined) throw new Error('the stream has no toolkit');
    entry.content = Buffer.from(entry.content);
    entry.content[4 * MIB] = (entry.content[4 * MIB] ?? 0) ^ 1;
    const other = newSite();
    const refused = take(other, pipe(tarOfEntries(entries)), context(), trust);
    const error = await expectCode(() => refused, 'part-damaged');
    expect(error.message).toContain(path);
  });

  it('names a damaged part, and never sends all of it', async () => {
    const folder = scratch.copy(made.folder);
    const path = entriesOf(tar).find((each) => ofWeights(each.path))?.path ?? '';
    const bytes = readFileSync(join(folder, path));
    bytes[17] = (bytes[17] ?? 0) ^ 1;
    rmSync(join(folder, path));
    writeFileSync(join(folder, path), bytes);
    const sent: Buffer[] = [];
    const keep = async (chunk: Uint8Array): Promise<void> => void sent.push(Buffer.from(chunk));
    const source = await openBundle(folder);
    const error = await expectCode(() => writeStream(source, keep, context()), 'part-damaged');
    expect(error.message).toContain(path);
    expect(error.message).toContain('model.safetensors');
    const site = newSite();
    await expectCode(() => take(site, pipe(Buffer.concat(sent))), 'stream-ended');
    expect(blobsOf(site)).toEqual([]);
  });

  it('sends nothing if a part is missing', async () => {
    const folder = scratch.copy(made.folder);
    const path = entriesOf(tar).find((each) => ofWeights(each.path))?.path ?? '';
    rmSync(join(folder, path));
    const sent: Uint8Array[] = [];
    const source = await openBundle(folder);
    const keep = async (chunk: Uint8Array): Promise<void> => void sent.push(chunk);
    await expectCode(() => writeStream(source, keep, context()), 'part-missing');
    expect(sent).toEqual([]);
  });
});

describe('when a bundle arrives through a pipe', () => {
  it.each([1, 511, 65_536, 8 * MIB])('is imported, in chunks of %i bytes', async (chunk) => {
    const site = newSite();
    // One byte at a time for what is known by its bytes; whole chunks for the rest.
    const split = chunk === 1 ? 20_000 : 0;
    const bytes = (async function* () {
      yield* pipe(tar.subarray(0, split), 1);
      yield* pipe(tar.subarray(split), chunk === 1 ? 65_536 : chunk);
    })();
    const { partial, id } = await take(site, bytes);
    expect(partial).toBeUndefined();
    expect(id).toBe(made.id);
    await expectComplete(site);
  });

  it('resumes after the stream broke, at every part, and counts the parts that were there', async () => {
    const site = newSite();
    for (const cut of cutsIn((_, index) => index % 4 === 3)) {
      await expectCode(() => take(site, pipe(tar.subarray(0, cut))), 'stream-ended');
      expect(await namesIn(site.path('releases'))).toEqual([]);
    }
    const heard = context();
    await take(site, pipe(tar), heard);
    await expectComplete(site);
    const last = heard.events.findLast((event) => event.type === 'progress');
    expect(last).toMatchObject({ task: 'stage' });
  });

  it('knows the trust document after a stream that broke, and needs no fingerprint again', async () => {
    const site = newSite();
    const [first] = cutsIn(({ path }) => ofWeights(path));
    // Before its signatures, and within the weights.
    await expectCode(() => take(site, pipe(tar.subarray(0, 600))), 'stream-ended');
    expect(await site.trust()).toBeUndefined();
    await expectCode(() => take(site, pipe(tar.subarray(0, first))), 'stream-ended');
    expect(await site.trust()).toEqual(made.trust);
  });

  it('leaves no incomplete import if the stream of a complete release broke, at every part, or the import was killed', async () => {
    const site = newSite();
    await take(site, pipe(tar));
    for (const cut of cutsIn((_, index) => index % 5 === 0)) {
      await expectCode(() => take(site, pipe(tar.subarray(0, cut))), 'stream-ended');
      await expectComplete(site);
      expect(await partialImports(site)).toEqual([]);
    }
    let killed = '';
    const bytes = (async function* () {
      yield* pipe(tar.subarray(0, -1000));
      killed = scratch.copy(site.root);
      yield* pipe(tar.subarray(-1000));
    })();
    await take(site, bytes);
    const left = new SiteFolder(killed);
    expect(readdirSync(left.path('staging'))).toContain(made.id);
    expect(await partialImports(left)).toEqual([]);
    const options = { ...context(), site: left, target: fakeTarget() };
    const collecting = { ...options, keep: 1, incomplete: false, dryRun: true };
    expect(await collect(collecting)).toMatchObject({ unfinished: [] });
    await expectComplete(left);
  });

  it('leaves an incomplete import if a stored blob was damaged when the stream broke', async () => {
    const site = newSite();
    await take(site, pipe(tar));
    const weights = made.bundle.models[0]?.files[0]?.digest;
    if (weights === undefined) throw new Error('no weights');
    flipBit(site.store.path(weights), 5 * MIB);
    const [cut] = cutsIn(({ path }) => ofWeights(path));
    await expectCode(() => take(site, pipe(tar.subarray(0, cut))), 'stream-ended');
    const [partial] = await partialImports(site);
    expect(partial?.missing.map(({ offset }) => offset)).toContain(4 * MIB);
    await take(site, pipe(tar));
    await expectComplete(site);
  });

  it('keeps what was staged of a release whose acceptance is not recorded', async () => {
    const site = newSite();
    const now = (): Date => {
      if (existsSync(site.path('releases', made.id.slice(0, 32)))) throw new Error('killed');
      return context().now();
    };
    await expect(take(site, pipe(tar), context({ now }))).rejects.toThrow('killed');
    expect(readdirSync(site.path('releases'))).toHaveLength(1);
    expect(await partialImports(site)).toHaveLength(1);
    await take(site, pipe(tar));
    await expectComplete(site);
  });

  it('is read to its end when the site already has every part', async () => {
    const site = newSite();
    await take(site, pipe(tar));
    let read = 0;
    const bytes = (async function* () {
      for await (const chunk of pipe(tar)) {
        read += chunk.length;
        yield chunk;
      }
    })();
    await take(site, bytes);
    expect(read).toBe(tar.length);
    await expectComplete(site);
  });

  it('rebuilds a damaged part from the recovery parts that follow it', async () => {
    const site = newSite();
    const { rebuilt } = await take(site, pipe(bent(ofWeights).bytes));
    expect(rebuilt).toBe(1);
    await expectComplete(site);
  });

  it('names the file and byte range of a damaged part that cannot be rebuilt, and keeps the rest', async () => {
    const bare = await smallBundle({
      ...{ place: scratch.fresh(), authority: made.authority, name: 'bare' },
      ...{ partSize: 4 * MIB, weights: 9 * MIB },
    });
    const bytes = await streamOf(bare.folder);
    const entries = entriesOf(bytes);
    const weights = bare.bundle.models[0]?.files[0]?.digest.slice(7) ?? '-';
    const entry = entries.find(({ path }) => path.endsWith(`${weights}.0001`));
    if (entry === undefined) throw new Error('no second part');
    entry.content = Buffer.from(entry.content);
    entry.content[5] = (entry.content[5] ?? 0) ^ 1;
    const site = newSite();
    const error = await expectCode(() => take(site, pipe(tarOfEntries(entries))), 'part-damaged');
    expect(error.message).toContain('model.safetensors');
    expect(error.found).toContain('within 0-4194303');
    expect(blobsOf(site)).toHaveLength(bare.bundle.blobs.length - 1);
    await take(site, pipe(bytes));
    await expectComplete(site, bare);
  });

  it('refuses other bytes with the same CRC-32, which the sender does not notice', async () => {
    const bare = await smallBundle({
      ...{ place: scratch.fresh(), authority: made.authority, name: 'bare' },
      ...{ partSize: 4 * MIB, weights: 9 * MIB },
    });
    const weights = bare.bundle.models[0]?.files[0]?.digest.slice(7) ?? '-';
    const path = join(bare.folder, `blobs/sha256/${weights}.0001`);
    const bytes = readFileSync(path);
    const before = crc32(bytes);
    flipUnnoticed(bytes, 17);
    expect(crc32(bytes)).toBe(before);
    rmSync(path);
    writeFileSync(path, bytes);
    const site = newSite();
    const sent = await streamOf(bare.folder);
    const error = await expectCode(() => take(site, pipe(sent)), 'part-damaged');
    expect(error.message).toContain('model.safetensors');
    expect(error.found).toContain('the CRC-32 values do not locate them');
    expect(blobsOf(site)).toHaveLength(bare.bundle.blobs.length - 1);
  });

  it('stops at the signal and removes the control files', async () => {
    const site = newSite();
    const heard = context();
    const bytes = (async function* () {
      yield* pipe(tar.subarray(0, 30_000));
      heard.controller.abort();
      await new Promise(() => {});
    })();
    await expectCode(() => take(site, bytes, heard), 'interrupted');
    expect(await namesIn(site.path('staging'))).not.toContain('.piped');
    expect(blobsOf(site)).toEqual([]);
  });

  it('verifies the signatures before it reads anything else', async () => {
    const site = newSite();
    const folder = scratch.copy(made.folder);
    writeFileSync(join(folder, 'signatures/release.p7s'), 'nothing signed');
    const bytes = await streamOf(folder);
    let read = 0;
    const counted = (async function* () {
      for await (const chunk of pipe(bytes, 512)) {
        read += chunk.length;
        yield chunk;
      }
    })();
    await expectCode(() => take(site, counted), 'signature-malformed');
    expect(read).toBeLessThan(bytes.indexOf('bundle.json\0') + 1024);
    expect(existsSync(site.root)).toBe(false);
  });

  it('accepts names of more than 100 bytes in extended headers', async () => {
    const folder = scratch.copy(made.folder);
    const long = `signatures/release-${'x'.repeat(150)}.p7s`;
    resign(folder, made.authority);
    writeFileSync(join(folder, long), readFileSync(join(folder, 'signatures/release.p7s')));
    rmSync(join(folder, 'signatures/release.p7s'));
    const bytes = await streamOf(folder);
    const place = scratch.fresh();
    mkdirSync(place);
    execFileSync('tar', ['-x', '-C', place], { input: bytes });
    execFileSync('diff', ['-r', folder, place]);
    const site = newSite();
    await take(site, pipe(bytes));
    expect(existsSync(site.path('releases'))).toBe(true);
  });
});

describe('when a recorded stream is redirected from a file', () => {
  it.each([0, 512, 4711])('is imported, after %i bytes that others have read', async (before) => {
    const site = newSite();
    const heard = context();
    const bytes = Buffer.concat([Buffer.alloc(before, 'x'), tar]);
    expect((await take(site, recorded(bytes, before), heard)).id).toBe(made.id);
    await expectComplete(site);
    const last = heard.events.findLast((event) => event.type === 'progress');
    expect(last).toMatchObject({ task: 'stage' });
  });

  it('resumes when the file has more, and counts the parts that were there', async () => {
    const site = newSite();
    for (const cut of cutsIn((_, index) => index % 4 === 0)) {
      await expectCode(() => take(site, recorded(tar.subarray(0, cut))), 'stream-ended');
      expect(await namesIn(site.path('releases'))).toEqual([]);
    }
    await take(site, recorded(tar));
    await expectComplete(site);
  });

  it('ends where the file becomes shorter meanwhile', async () => {
    const site = newSite();
    const weights = entriesOf(tar).find(({ path }) => ofWeights(path))?.path ?? '-';
    const start = tar.indexOf(weights);
    const { stream, file } = recording(tar);
    const heard = context({
      emit: (event) => {
        if (event.type === 'step' && event.step === 'stage') truncateSync(file, start + 1000);
      },
    });
    await expectCode(() => take(site, stream, heard), 'stream-ended');
    await take(site, recorded(tar));
    await expectComplete(site);
  });

  it('rebuilds a damaged part from the recovery parts that follow it', async () => {
    const site = newSite();
    expect((await take(site, recorded(bent(ofWeights).bytes))).rebuilt).toBe(1);
    await expectComplete(site);
  });

  it('refuses changed bytes after the last part, and more than the archive', async () => {
    for (const bytes of [
      Buffer.concat([tar, Buffer.from('x')]),
      Buffer.concat([tar.subarray(0, -1), Buffer.from('x')]),
    ])
      await expectCode(() => take(newSite(), recorded(bytes)), 'stream-refused');
  });
});

describe('when a streamed bundle is signed and inconsistent', () => {
  it.each(Object.entries(contradictions))('does not accept %s', async (_, index) => {
    const small = await smallBundle({ place: scratch.fresh() });
    resign(small.folder, small, { index });
    const site = newSite();
    const bytes = await streamOf(small.folder);
    await expectCode(() => take(site, pipe(bytes), context(), small.trust), 'index-mismatch');
    expect(readdirSync(site.path('releases'))).toEqual([]);
    expect(readdirSync(site.path('staging'))).toEqual([]);
    const kinds = (await readLedger(site)).entries.map(({ event }) => event.kind);
    expect(kinds).not.toContain('accepted');
  });
});
