import { dirname, join } from 'node:path';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { unexpected } from '../../bundle/bundle-files.ts';
import { contentOf, type PartFault } from '../../bundle/part-check.ts';
import type { RemoteBundle, RemoteFile } from '../../bundle/remote-bundle.ts';
import { isTrustFile } from '../../bundle/stream/stream-order.ts';
import { partInWords } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import {
  CRC_SPAN_BYTES,
  MAX_CHECKSUMS_BYTES,
  MAX_CONTROL_FILE_BYTES,
  MAX_INDEX_BYTES,
  MAX_SIGNATURE_BYTES,
  MAX_SIGNATURES,
  MAX_TRUST_BYTES,
  MIB,
} from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import { type Bundle, bundleFiles, totalSize } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { BufferRing } from '../../io/buffer-ring.ts';
import { ByteSource } from '../../io/byte-source.ts';
import { remove, writeNew } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { FollowPool } from '../../io/follow-pool.ts';
import { forEachBounded } from '../../io/queue.ts';
import { MAX_TRUST_LINKS } from '../../trust/trust-chain.ts';
import { copyFromStream } from './copy-from-stream.ts';
import {
  type CopyFailures,
  type CopyRequest,
  type ImportMedium,
  SMALL_PARTS_PER_BATCH,
} from './import-medium.ts';
import { type RemoteBytes, readRemote } from './remote-bytes.ts';
import type { Staging } from './staging.ts';

/** The total size of all trust documents and their signatures, in bytes. */
const MAX_TRUST_FOLDER_BYTES: number = 64 * MIB;
/** Parts that are read at once, each over a connection of its own. */
const CONNECTIONS = 3;
/** Blocks of one part in memory, to be filled, hashed or written. */
const BLOCKS = 4;

/** Names of files that are read before anything about the bundle is known. */
const SIGNED = /^(?:signatures|trust)\/[A-Za-z0-9][A-Za-z0-9._-]{0,250}$/;

/**
 * A bundle on another host. Admission reads its control files from a private folder; each step fetches only the files that
 * the checks so far allow. Parts are fetched by name, so an interrupted import resumes at the part where it stopped.
 */
export class RemoteMedium implements ImportMedium {
  readonly countsAtEnd = false;
  readonly #bundle: RemoteBundle;
  readonly #folder: string;
  readonly #signal: AbortSignal;
  #files: ReadonlyMap<string, RemoteFile> = new Map();

  /** @param folder for the control files; emptied first, and removed by {@link close} */
  constructor(bundle: RemoteBundle, folder: string, signal: AbortSignal) {
    this.#bundle = bundle;
    this.#folder = folder;
    this.#signal = signal;
  }

  get folders(): readonly string[] {
    return [this.#folder];
  }

  visibleFolder(_folder: string): undefined {}

  /** @throws StowageError `bundle-absent`, `stream-refused`, `part-damaged`, and as the other host does */
  async readSigned(): Promise<void> {
    await remove(this.#folder);
    await makeFolder(this.#folder, 0o700);
    this.#files = await this.#bundle.list(this.#signal);
    await this.#download('SHA512SUMS', MAX_CHECKSUMS_BYTES);
    await this.#downloadFolder('signatures/', MAX_SIGNATURES, MAX_SIGNATURE_BYTES);
    // A document and its signatures.
    const files = MAX_TRUST_LINKS * (1 + MAX_SIGNATURES);
    await this.#downloadFolder('trust/', files, MAX_TRUST_BYTES, MAX_TRUST_FOLDER_BYTES);
  }

  /** @throws StowageError `stream-refused`, `part-damaged`, and as the other host does */
  async readIndex(): Promise<void> {
    await this.#download('bundle.json', MAX_INDEX_BYTES);
  }

  /** @throws StowageError `file-unexpected`, `stream-refused`, `part-damaged`, and as the other host does */
  async readControlFiles(bundle: Bundle): Promise<void> {
    const sizes = new Map(bundleFiles(bundle).map(({ path, size }) => [path, size]));
    for (const { path, size } of this.#files.values()) {
      if (['SHA512SUMS', 'bundle.json'].includes(path) || path.startsWith('signatures/')) continue;
      const listed = sizes.get(path);
      if (listed === undefined) throw unexpected(path);
      if (listed !== size)
        throw this.#refused(`${path} of ${counted(listed, 'byte')}`, counted(size, 'byte'));
    }
    for (const { path } of bundle.control)
      if (!isTrustFile(path)) await this.#download(path, MAX_CONTROL_FILE_BYTES);
  }

  available(parts: readonly Part[], _admitted: AdmittedBundle): Part[] {
    return parts.filter(({ path }) => this.#files.has(path));
  }

  lacks({ path }: Part, _admitted: AdmittedBundle): boolean {
    return !this.#files.has(path);
  }

  /** As {@link ImportMedium.copyParts}; what was fetched completely is kept even if the connection is lost. */
  async copyParts(request: CopyRequest): Promise<CopyFailures> {
    const { parts, staging } = request;
    const faults: PartFault[] = [];
    const pool = new FollowPool();
    try {
      const small = parts.filter((part) => staging.isSmall(part));
      const large = parts.filter((part) => !staging.isSmall(part));
      const copying = { request, pool, faults, idle: [], count: { begun: 0 } };
      await forEachBounded(batchesOf(small), CONNECTIONS, (batch) => this.#copy(batch, copying));
      await forEachBounded(large, CONNECTIONS, (part) => this.#copy([part], copying));
    } finally {
      await pool.close();
    }
    return { faults, lost: new Set() };
  }

  async close(): Promise<void> {
    await remove(this.#folder);
  }

  async #copy(
    parts: readonly Part[],
    { request, pool, faults, idle, count }: Copying,
  ): Promise<void> {
    const { staging, tally } = request;
    const blocks = idle.pop() ?? new BufferRing(BLOCKS, CRC_SPAN_BYTES);
    const copied: Part[] = [];
    try {
      for (const part of parts) {
        count.begun += 1;
        tally.at(partInWords(count.begun, request.parts.length, this.#bundle.address));
        const fault = await this.#copyOne(part, { request, pool, blocks });
        if (fault === undefined) copied.push(part);
        else faults.push(fault);
      }
    } finally {
      await blocks.quiet();
      idle.push(blocks);
      await keep(staging, copied);
    }
  }

  async #copyOne(
    part: Part,
    { request, pool, blocks }: { request: CopyRequest; pool: FollowPool; blocks: BufferRing },
  ): Promise<PartFault | undefined> {
    const { admitted, staging, tally } = request;
    const file = this.#files.get(part.path);
    if (file === undefined) return undefined;
    const loose = staging.isSmall(part);
    if (!loose) await staging.allocate(part);
    const { used: fault, bytes } = await this.#read(file, async (source) => {
      const { checked } = await copyFromStream(part, {
        ...{ bundle: admitted.bundle, blocks, pool, source, onBytes: tally.add },
        ...{ from: this.#bundle.address, destination: { ...staging.place(part), loose } },
      });
      return checked;
    });
    if (fault !== undefined || bytes.digest() === file.digest) return fault;
    const error = this.#otherDigest(file, bytes.digest(), contentOf(admitted.bundle, part));
    return { part, folder: this.#bundle.address, error, ranges: [], unreadable: false };
  }

  async #downloadFolder(
    prefix: string,
    most: number,
    maxBytes: number,
    maxTotal = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    const files = [...this.#files.values()].filter(({ path }) => path.startsWith(prefix));
    if (files.length > most) throw this.#refused(`at most ${most} files in ${prefix}`, 'more');
    if (totalSize(files) > maxTotal)
      throw this.#refused(`at most ${maxTotal} bytes in ${prefix}`, 'more');
    for (const { path } of files) {
      if (!SIGNED.test(path)) throw this.#refused('a control file', JSON.stringify(path));
      await this.#download(path, maxBytes);
    }
  }

  /** A file that the host does not have is reported where it is read. */
  async #download(path: string, maxBytes: number): Promise<void> {
    const file = this.#files.get(path);
    if (file === undefined) return;
    if (file.size > maxBytes)
      throw this.#refused(`${path} of at most ${maxBytes} bytes`, counted(file.size, 'byte'));
    const content = Buffer.allocUnsafe(file.size);
    const { bytes } = await this.#read(file, (source) => source.fill(content));
    if (bytes.digest() !== file.digest) throw this.#otherDigest(file, bytes.digest());
    const target = join(this.#folder, path);
    await makeFolder(dirname(target));
    await writeNew(target, content);
  }

  /** Reads a file to its end, so that its connection is free again. */
  async #read<T>(
    file: RemoteFile,
    use: (source: ByteSource) => Promise<T>,
  ): Promise<{ readonly used: T; readonly bytes: RemoteBytes }> {
    const bytes = readRemote(file, this.#signal);
    const source = new ByteSource(bytes, this.#signal);
    try {
      const used = await use(source);
      await source.next(1);
      return { used, bytes };
    } finally {
      await bytes.close();
    }
  }

  #otherDigest({ path, digest }: RemoteFile, found?: string, content?: string): StowageError {
    const what = content === undefined ? '' : `: ${content}`;
    return new StowageError('part-damaged', `${this.#bundle.address} has another ${path}${what}`, {
      expected: digest ?? '',
      found: found ?? '',
      hint: 'check the storage of the registry, and push the bundle again',
    });
  }

  #refused(expected: string, found: string): StowageError {
    return new StowageError('stream-refused', `${this.#bundle.address} offers no such bundle`, {
      expected,
      found,
      hint: 'push the bundle again, or import it from a complete copy; if it happens again, find out who changed it there',
    });
  }
}

interface Copying {
  readonly request: CopyRequest;
  readonly pool: FollowPool;
  readonly faults: PartFault[];
  /** Blocks that no part uses now. Threads that were given their memory keep it, so each part does not get new ones. */
  readonly idle: BufferRing[];
  readonly count: { begun: number };
}

async function keep(staging: Staging, parts: readonly Part[]): Promise<void> {
  const [only] = parts;
  if (only === undefined) return;
  if (staging.isSmall(only)) await staging.commitBatch(parts);
  else await staging.keep(only);
}

function batchesOf(parts: readonly Part[]): Part[][] {
  return Array.from({ length: Math.ceil(parts.length / SMALL_PARTS_PER_BATCH) }, (_, index) =>
    parts.slice(index * SMALL_PARTS_PER_BATCH, (index + 1) * SMALL_PARTS_PER_BATCH),
  );
}
