import { dirname, join } from 'node:path';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { contentOf, type PartFault } from '../../bundle/part-check.ts';
import {
  controlEntries,
  streamEnded,
  streamedParts,
  streamRefused,
} from '../../bundle/stream/stream-order.ts';
import { partInWords } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import {
  CRC_SPAN_BYTES,
  MAX_CHECKSUMS_BYTES,
  MAX_INDEX_BYTES,
  MAX_SIGNATURE_BYTES,
  MAX_SIGNATURES,
  MAX_TRUST_BYTES,
  MIB,
} from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import { readChecksums } from '../../format/checksums.ts';
import type { Part } from '../../format/part.ts';
import { BufferRing } from '../../io/buffer-ring.ts';
import { ByteSource } from '../../io/byte-source.ts';
import { readBounded, remove, writeNew } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { FollowPool } from '../../io/follow-pool.ts';
import { HashPool } from '../../io/hashing.ts';
import { readersFor } from '../../io/seeking.ts';
import {
  describeHeader,
  endOfArchive,
  headerOf,
  readHeader,
  type TarEntry,
} from '../../io/tar-header.ts';
import { BLOCK_BYTES, padding } from '../../io/ustar.ts';
import { MAX_TRUST_LINKS } from '../../trust/trust-chain.ts';
import { copyFromStream } from './copy-from-stream.ts';
import type { CopyFailures, CopyRequest, ImportMedium } from './import-medium.ts';
import { UncheckedParts } from './unchecked-parts.ts';

/** The total size of all trust documents and their signatures, in bytes. */
const MAX_TRUST_FOLDER_BYTES: number = 64 * MIB;

/** How many blocks of parts are in memory, to be filled, hashed or written. */
const BLOCKS = 8;

/** Names that are allowed before anything about the bundle is known. */
const HEAD = /^(?:SHA512SUMS|bundle\.json|(?:signatures|trust)\/[A-Za-z0-9][A-Za-z0-9._-]{0,250})$/;

/** A header that was read ahead, of an entry whose name was not known before. */
type Ahead = TarEntry | undefined;

/**
 * A bundle that arrives through a pipe, byte for byte as `stowage stream` writes it. Admission reads its control files
 * from a private folder; each step writes only the files that the checks so far allow. The parts follow.
 */
export class PipeMedium implements ImportMedium {
  readonly countsAtEnd = true;
  readonly #folder: string;
  readonly #source: ByteSource;
  readonly #signal: AbortSignal;
  #ahead: Ahead;
  #partsRead = false;
  readonly #absent = new Set<string>();

  /** @param folder for the control files; emptied first, and removed by {@link close} */
  constructor(chunks: AsyncIterable<Uint8Array>, folder: string, signal: AbortSignal) {
    this.#folder = folder;
    this.#source = new ByteSource(chunks, signal);
    this.#signal = signal;
  }

  get folders(): readonly string[] {
    return [this.#folder];
  }

  visibleFolder(_folder: string): undefined {}

  /** @throws StowageError `stream-refused`, `stream-ended`, `part-missing` */
  async readSigned(): Promise<void> {
    await remove(this.#folder);
    await makeFolder(this.#folder, 0o700);
    await this.#peek();
    if (
      this.#ahead !== undefined &&
      this.#ahead.path !== 'SHA512SUMS' &&
      HEAD.test(this.#ahead.path)
    )
      throw missing('SHA512SUMS', this.#ahead.path);
    await this.#spool('SHA512SUMS', MAX_CHECKSUMS_BYTES);
    await this.#spoolFolder('signatures/', MAX_SIGNATURES, MAX_SIGNATURE_BYTES);
    // A document and its signatures.
    const files = MAX_TRUST_LINKS * (1 + MAX_SIGNATURES);
    await this.#spoolFolder('trust/', files, MAX_TRUST_BYTES, MAX_TRUST_FOLDER_BYTES);
  }

  /** @throws StowageError `stream-refused`, `stream-ended`, `part-missing` */
  async readIndex(): Promise<void> {
    const path = this.#ahead?.path ?? '';
    if (path !== 'bundle.json' && (await this.#lists(path))) throw missing('bundle.json', path);
    await this.#spool('bundle.json', MAX_INDEX_BYTES, false);
  }

  /** @throws StowageError `stream-refused`, `stream-ended`, `part-missing` */
  async readControlFiles(bundle: Bundle): Promise<void> {
    const entries = controlEntries(bundle);
    for (const [index, entry] of entries.entries()) {
      await this.#expectHeader(entry, () => [
        ...entries.slice(index + 1),
        ...streamedParts(bundle).map((each) => each.entry),
      ]);
      await this.#keep(entry);
    }
  }

  /** Everything until the parts were read, and nothing after that. */
  available(parts: readonly Part[], _admitted: AdmittedBundle): Part[] {
    return this.#partsRead ? [] : [...parts];
  }

  lacks(part: Part, _admitted: AdmittedBundle): boolean {
    return this.#absent.has(part.path);
  }

  /**
   * As {@link ImportMedium.copyParts}, in the order of the stream and to its end. Every part is hashed, whether or not
   * the site needs it; recovery parts are written only after a part was found damaged or absent. An increment lacks parts: one that
   * the site needs is a fault, which does not stop the others.
   */
  async copyParts(request: CopyRequest): Promise<CopyFailures> {
    const unchecked = new UncheckedParts(request.staging);
    const pool = new FollowPool();
    const passes = await passesOver(this.#source, request.pool.width, this.#signal);
    this.#partsRead = true;
    try {
      await this.#copyAll(request, unchecked, { pool, passes });
    } catch (error) {
      // Parts that were read completely count, even if the stream broke.
      if (!(error instanceof StowageError && error.code === 'interrupted'))
        await unchecked.settle(0).catch(() => {});
      throw error;
    } finally {
      await unchecked.quiet();
      await Promise.all([pool.close(), passes?.close()]);
    }
    // The first block of it was read in place of a header.
    const end = endOfArchive(this.#source.offset - BLOCK_BYTES).subarray(BLOCK_BYTES);
    await this.#expect(end, 'zeros at the end of the archive');
    const after = await this.#source.next(1);
    if (after.length > 0) throw streamRefused('nothing after the end of the archive', 'more bytes');
    return { faults: unchecked.faults, lost: new Set() };
  }

  async close(): Promise<void> {
    await remove(this.#folder);
  }

  async #copyAll(
    { admitted: { bundle }, staging, tally, parts: requested }: CopyRequest,
    unchecked: UncheckedParts,
    { pool, passes }: { readonly pool: FollowPool; readonly passes: HashPool | undefined },
  ): Promise<void> {
    const needed = new Set(requested.map(({ path }) => path));
    const recovery = new Set(bundle.parity?.rows.flat().map(({ path }) => path));
    const { faults } = unchecked;
    const blocks = new BufferRing(BLOCKS, CRC_SPAN_BYTES);
    const parts = streamedParts(bundle);
    let areOthersChecked = false;
    for (let index = 0; ; index += 1) {
      const next = await this.#nextPart(parts, index);
      for (const { part } of parts.slice(index, next)) {
        this.#absent.add(part.path);
        if (needed.has(part.path) && !staging.isOptional(part) && !staging.has(part))
          faults.push(absentFault(bundle, part));
      }
      index = next;
      const at = parts[index];
      if (at === undefined) break;
      const { part } = at;
      tally.at(partInWords(index + 1, parts.length));
      // Recovery parts follow all others: whether they are needed must be known.
      if (recovery.has(part.path) && !areOthersChecked) {
        await unchecked.settle(0);
        areOthersChecked = true;
      }
      const wanted = needed.has(part.path) || (recovery.has(part.path) && faults.length > 0);
      const write = wanted && !staging.has(part);
      const loose = staging.isSmall(part);
      if (write && !loose) await staging.allocate(part);
      const { checked } = await copyFromStream(part, {
        ...{ bundle, blocks, pool, source: this.#source, ...(passes && { passes }) },
        onBytes: needed.has(part.path) ? tally.add : (): void => {},
        ...(write ? { destination: { ...staging.place(part), loose } } : {}),
      });
      const batched = write && loose ? 'in a batch' : 'now';
      unchecked.add({ part, checked, keep: wanted ? batched : 'no' });
      await this.#expect(padding(part.size), `zeros after ${part.path}`);
      await unchecked.settle(passes?.width ?? pool.width);
    }
    await unchecked.settle(0);
  }

  async #spoolFolder(
    prefix: string,
    most: number,
    maxBytes: number,
    maxTotal = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    let previous = '';
    let total = 0;
    for (let count = 0; this.#ahead?.path.startsWith(prefix) === true; count++) {
      const { path, size } = this.#ahead;
      if (path <= previous) throw streamRefused(`names sorted, after ${previous}`, path);
      if (count === most) throw streamRefused(`at most ${most} files in ${prefix}`, 'more');
      total += size;
      if (total > maxTotal) throw streamRefused(`at most ${maxTotal} bytes in ${prefix}`, 'more');
      previous = path;
      await this.#spool(path, maxBytes);
    }
  }

  /** Writes the file whose header was read ahead, and reads the next header unless its content is already known. */
  async #spool(path: string, maxBytes: number, peek = true): Promise<void> {
    const entry = this.#ahead;
    if (entry === undefined || entry.path !== path)
      throw streamRefused(path, JSON.stringify(entry?.path));
    if (entry.size > maxBytes)
      throw streamRefused(`${path} of at most ${maxBytes} bytes`, counted(entry.size, 'byte'));
    if (!HEAD.test(path) || entry.executable)
      throw streamRefused('a control file', JSON.stringify(path));
    await this.#keep(entry);
    if (peek) await this.#peek();
  }

  async #peek(): Promise<void> {
    const read = (bytes: number): Promise<Buffer> => this.#read(bytes, 'the header of a file');
    const { claim, bytes } = await readHeader(read);
    const entry = [false, true]
      .map((executable) => claim && { ...claim, executable })
      .find((each) => each !== undefined && headerOf(each).equals(bytes));
    if (entry === undefined)
      throw streamRefused('the header of a control file', describeHeader(bytes));
    this.#ahead = entry;
  }

  async #keep({ path, size }: TarEntry): Promise<void> {
    const bytes = await this.#read(size, path);
    await this.#expect(padding(size), `zeros after ${path}`);
    await makeFolder(dirname(join(this.#folder, path)));
    await writeNew(join(this.#folder, path), bytes);
  }

  /**
   * Reads the header of the next part that the stream has.
   * @returns its index, at least `from`; the number of all parts at the end of the archive, whose first block was read
   */
  async #nextPart(parts: readonly { readonly entry: TarEntry }[], from: number): Promise<number> {
    const what = parts[from]?.entry.path ?? 'the end of the archive';
    const first = await this.#read(BLOCK_BYTES, what);
    if (first.every((byte) => byte === 0)) return parts.length;
    // Headers that begin alike have the same length.
    let bytes = first;
    for (let index = from; index < parts.length; index += 1) {
      const header = headerOf((parts[index] as { readonly entry: TarEntry }).entry);
      if (!startsAlike(header, bytes)) continue;
      if (header.length > bytes.length) {
        const rest = await this.#read(header.length - bytes.length, what);
        bytes = Buffer.concat([bytes, rest]);
      }
      if (bytes.equals(header)) return index;
    }
    const expected = parts[from]?.entry;
    throw streamRefused(
      expected === undefined ? what : describeHeader(headerOf(expected)),
      describeHeader(bytes),
    );
  }

  /** @param later the entries that follow: one of them in its place means that this one is missing */
  async #expectHeader(entry: TarEntry, later: () => readonly TarEntry[]): Promise<void> {
    const header = headerOf(entry);
    const bytes = await this.#read(header.length, entry.path);
    if (bytes.equals(header)) return;
    if (bytes.every((byte) => byte === 0)) throw missing(entry.path, 'the end of the archive');
    const next = later().find((each) => startsAlike(headerOf(each), bytes));
    if (next !== undefined) throw missing(entry.path, next.path);
    throw streamRefused(describeHeader(header), describeHeader(bytes));
  }

  /** Whether the verified `SHA512SUMS` lists this file. */
  async #lists(path: string): Promise<boolean> {
    const bytes = await readBounded(join(this.#folder, 'SHA512SUMS'), MAX_CHECKSUMS_BYTES);
    return readChecksums(bytes).some((each) => each.path === path);
  }

  async #expect(bytes: Buffer, what: string): Promise<void> {
    if (!(await this.#read(bytes.length, what)).equals(bytes))
      throw streamRefused(what, 'different bytes');
  }

  async #read(length: number, what: string): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length);
    if ((await this.#source.fill(bytes)) < length) throw streamEnded(what, this.#source.offset);
    return bytes;
  }
}

/** Threads that read the parts of a stream that is a file, one part at a time from a disk that seeks; undefined for a pipe. */
async function passesOver(
  { file }: ByteSource,
  width: number,
  signal: AbortSignal,
): Promise<HashPool | undefined> {
  if (file === undefined) return undefined;
  return new HashPool(signal, await readersFor([`/proc/self/fd/${file}`], width));
}

function absentFault(bundle: Bundle, part: Part): PartFault {
  const error = new StowageError(
    'part-missing',
    `${part.path} is missing from the stream: ${contentOf(bundle, part)}`,
    {
      expected: part.path,
      found: 'nothing',
      hint: 'stream a complete copy; an increment is enough only for the sites that it was made for',
    },
  );
  return { part, folder: 'the stream', error, ranges: [], unreadable: false };
}

function startsAlike(a: Buffer, b: Buffer): boolean {
  const length = Math.min(a.length, b.length);
  return a.subarray(0, length).equals(b.subarray(0, length));
}

function missing(path: string, next: string): StowageError {
  return new StowageError('part-missing', `${path} is missing from the stream`, {
    expected: path,
    found: next,
    hint: 'the sending copy is incomplete: run stowage verify there, then stream a complete copy',
  });
}
