import { dirname, join } from 'node:path';
import type { PartFault } from '../../bundle/part-check.ts';
import {
  controlEntries,
  streamEnded,
  streamedParts,
  streamRefused,
} from '../../bundle/stream/stream-order.ts';
import {
  MAX_CHECKSUMS_BYTES,
  MAX_INDEX_BYTES,
  MAX_SIGNATURE_BYTES,
  MAX_SIGNATURES,
  MAX_TRUST_BYTES,
  MIB,
} from '../../core/limits.ts';
import { partInWords, type Tally } from '../../core/tally.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { ByteSource } from '../../io/byte-source.ts';
import { makeFolder, remove, writeNew } from '../../io/file.ts';
import {
  endOfArchive,
  headerInWords,
  headerOf,
  readHeader,
  type TarEntry,
} from '../../io/tar-header.ts';
import { padding } from '../../io/ustar.ts';
import { MAX_TRUST_LINKS } from '../../trust/trust-chain.ts';
import type { Staging } from './staging.ts';
import { spanBuffers, streamPart } from './stream-part.ts';
import { type CopyFailures, LOOSE_TOGETHER } from './take-parts.ts';

/** What all trust documents and their signatures may have together, in bytes. */
const MAX_TRUST_FOLDER_BYTES: number = 64 * MIB;

/** The files that come before anything is known of the bundle. */
const HEAD = /^(?:SHA512SUMS|bundle\.json|(?:signatures|trust)\/[A-Za-z0-9][A-Za-z0-9._-]{0,250})$/;

/** A header that was read ahead, of an entry whose name nobody knew before. */
type Ahead = Omit<TarEntry, 'executable'> | undefined;

/**
 * A bundle that comes through a pipe, in the one form that `stowage stream` writes. Its control files are put into a
 * folder as admission asks for them, never more of them than what was checked so far allows; then its parts follow.
 */
export class PipedBundle {
  /** Where its control files lie while it is admitted. */
  readonly folder: string;
  readonly #source: ByteSource;
  #ahead: Ahead;

  /** @param folder made anew, and removed by {@link discard} */
  constructor(chunks: AsyncIterable<Uint8Array>, folder: string, signal: AbortSignal) {
    this.folder = folder;
    this.#source = new ByteSource(chunks, signal);
  }

  /**
   * Brings the list, its signatures and the trust documents.
   * @throws StowageError `stream-refused`, `stream-ended`
   */
  async signed(): Promise<void> {
    await remove(this.folder);
    await makeFolder(this.folder, 0o700);
    await this.#peek();
    await this.#spool('SHA512SUMS', MAX_CHECKSUMS_BYTES);
    await this.#spoolFolder('signatures/', MAX_SIGNATURES, MAX_SIGNATURE_BYTES);
    // A document and its signatures.
    const files = MAX_TRUST_LINKS * (1 + MAX_SIGNATURES);
    await this.#spoolFolder('trust/', files, MAX_TRUST_BYTES, MAX_TRUST_FOLDER_BYTES);
  }

  /** Brings `bundle.json`, once the signatures over the list hold. */
  async index(): Promise<void> {
    await this.#spool('bundle.json', MAX_INDEX_BYTES, false);
  }

  /** Brings the other control files, whose sizes are known now. */
  async rest(bundle: Bundle): Promise<void> {
    for (const entry of controlEntries(bundle)) {
      await this.#expectHeader(entry);
      await this.#keep(entry);
    }
  }

  /**
   * Takes the parts as they come: each hashed, and written to its place where the site does not have it yet. Names
   * none of its blobs before the end of the stream was seen.
   * @returns what was wrong with parts whose bytes came and are not as signed
   * @throws StowageError `stream-refused`, `stream-ended`, `space-insufficient`, `io-failed`, `interrupted`
   */
  async takeParts(staging: Staging, tally: Tally): Promise<CopyFailures> {
    const { bundle } = staging;
    const faults: PartFault[] = [];
    const recovery = new Set(bundle.parity?.rows.flat());
    const spans = spanBuffers();
    const small: Part[] = [];
    const parts = streamedParts(bundle);
    for (const [index, { entry, part }] of parts.entries()) {
      tally.at(partInWords(index + 1, parts.length));
      await this.#expectHeader(entry);
      // Recovery parts come last: they are kept only where they are of use.
      const wanted =
        !staging.has(part) && staging.keeps(part) && (!recovery.has(part) || faults.length > 0);
      const loose = staging.isLoose(part);
      if (wanted && !loose) await staging.allocate(part);
      const place = wanted ? { ...staging.place(part), loose } : undefined;
      const counted = recovery.has(part) ? (): void => {} : tally.add;
      const done = staging.has(part) ? (): void => {} : counted;
      const fault = await streamPart(part, this.#source, spans, bundle, place, done);
      await this.#expect(padding(part.size), `zeros after ${part.path}`);
      if (fault !== undefined) faults.push(fault);
      else if (wanted && loose) small.push(part);
      else if (!staging.has(part) && (wanted || !staging.keeps(part))) await staging.keep(part);
      if (small.length >= LOOSE_TOGETHER) await staging.commitBatch(small.splice(0));
    }
    await staging.commitBatch(small);
    await this.#expect(endOfArchive(this.#source.offset), 'zeros at the end of the archive');
    const after = await this.#source.next(1);
    if (after.length > 0) throw streamRefused('nothing after the end of the archive', 'more bytes');
    return { faults, lost: new Set() };
  }

  async discard(): Promise<void> {
    await remove(this.folder);
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

  /** Keeps the file whose header was read ahead, and reads the next header unless that is known by itself. */
  async #spool(path: string, maxBytes: number, peek = true): Promise<void> {
    const entry = this.#ahead;
    if (entry === undefined || entry.path !== path)
      throw streamRefused(path, JSON.stringify(entry?.path));
    if (entry.size > maxBytes)
      throw streamRefused(`${path} of at most ${maxBytes} bytes`, `${entry.size} bytes`);
    await this.#keep({ ...entry, executable: false });
    if (peek) await this.#peek();
  }

  async #peek(): Promise<void> {
    const read = (bytes: number): Promise<Buffer> => this.#read(bytes, 'the header of a file');
    const { claim, bytes } = await readHeader(read);
    if (
      claim === undefined ||
      !HEAD.test(claim.path) ||
      !headerOf({ ...claim, executable: false }).equals(bytes)
    )
      throw streamRefused('the header of a control file', headerInWords(bytes));
    this.#ahead = claim;
  }

  async #keep({ path, size }: TarEntry): Promise<void> {
    const bytes = await this.#read(size, path);
    await this.#expect(padding(size), `zeros after ${path}`);
    await makeFolder(dirname(join(this.folder, path)));
    await writeNew(join(this.folder, path), bytes);
  }

  async #expectHeader(entry: TarEntry): Promise<void> {
    const header = headerOf(entry);
    const bytes = await this.#read(header.length, entry.path);
    if (bytes.equals(header)) return;
    throw streamRefused(headerInWords(header), headerInWords(bytes));
  }

  async #expect(bytes: Buffer, what: string): Promise<void> {
    if (!(await this.#read(bytes.length, what)).equals(bytes))
      throw streamRefused(what, 'other bytes');
  }

  async #read(length: number, what: string): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length);
    if ((await this.#source.fill(bytes)) < length) throw streamEnded(what, this.#source.offset);
    return bytes;
  }
}
