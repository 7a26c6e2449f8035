import { StowageError } from '../core/error.ts';
import { MAX_ARCHIVE_ENTRIES } from '../core/limits.ts';
import { oneLine } from '../net/address.ts';

const MAX_LINE_BYTES = 256;

/** A file, link or submodule in the tree of a commit. */
export interface GitEntry {
  readonly path: string;
  readonly kind: 'file' | 'program' | 'link' | 'repository';
  /** The id of the blob; for a submodule, the commit. */
  readonly oid: string;
  /** In bytes; 0 for a submodule. */
  readonly size: number;
}

const KINDS: Readonly<Record<string, GitEntry['kind']>> = {
  '100644': 'file',
  '100664': 'file',
  '100755': 'program',
  '120000': 'link',
  '160000': 'repository',
};

/** Reads what `git ls-tree -r -z -l` prints. @throws StowageError `source-malformed`, `content-refused` */
export function parseTree(output: Buffer): GitEntry[] {
  const lines = output.toString('latin1').split('\0').slice(0, -1);
  if (lines.length > MAX_ARCHIVE_ENTRIES) {
    throw new StowageError(
      'content-refused',
      'the git tree has more files than an archive can contain',
      {
        expected: `at most ${MAX_ARCHIVE_ENTRIES} files`,
        found: `${lines.length}`,
        hint: 'clone the repository and use a folder with the files that you need',
      },
    );
  }
  return lines.map((line) => {
    const tab = line.indexOf('\t');
    const [mode = '', , oid = '', size = ''] = line.slice(0, tab).split(/ +/);
    const kind = KINDS[mode];
    const path = new TextDecoder().decode(Buffer.from(line.slice(tab + 1), 'latin1'));
    const isBlob = kind !== undefined && kind !== 'repository';
    if (kind === undefined || !/^[0-9a-f]{40}$/.test(oid) || (isBlob && !/^\d{1,15}$/.test(size)))
      throw strange(line);
    return { path, kind, oid, size: isBlob ? Number(size) : 0 };
  });
}

/**
 * Reads what `git cat-file --batch` prints for the blobs of these entries, in their order.
 * @param sink must read the bytes of each blob to the end
 * @throws StowageError `source-malformed`
 */
export async function readBatch(
  output: AsyncIterable<Uint8Array>,
  entries: readonly Pick<GitEntry, 'oid' | 'size'>[],
  sink: (index: number, bytes: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const reader = new ByteReader(output);
  for (const [index, { oid, size }] of entries.entries()) {
    const head = await reader.line();
    if (head !== `${oid} blob ${size}`) throw strange(head);
    await sink(index, reader.take(size));
    if ((await reader.line()) !== '') throw strange(oid);
  }
}

/** Reads lines and exact numbers of bytes from a stream. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    let end = this.#held.indexOf(10);
    while (end < 0 && this.#held.length < MAX_LINE_BYTES) {
      if (!(await this.#more())) break;
      end = this.#held.indexOf(10);
    }
    if (end < 0) throw strange(this.#held.toString('latin1', 0, MAX_LINE_BYTES));
    const line = this.#held.toString('latin1', 0, end);
    this.#held = this.#held.subarray(end + 1);
    return line;
  }

  async *take(count: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = count; left > 0; ) {
      if (this.#held.length === 0 && !(await this.#more())) throw strange('end of output');
      const chunk = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(chunk.length);
      left -= chunk.length;
      yield chunk;
    }
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done === true) return false;
    this.#held = this.#held.length === 0 ? Buffer.from(value) : Buffer.concat([this.#held, value]);
    return true;
  }
}

function strange(found: string): StowageError {
  return new StowageError('source-malformed', 'unexpected output from git', {
    expected: 'files, links and submodules',
    found: oneLine(found, 100),
    hint: 'try again with a newer version of git',
  });
}

/**
 * The git object id of a file of `size` bytes: SHA-1 over `blob <size>`, a zero byte, and the file. It only detects
 * damaged transfers; files are identified by their SHA-256.
 */
export function gitBlobHash(size: number): { readonly algorithm: 'sha1'; readonly prefix: string } {
  return { algorithm: 'sha1', prefix: `blob ${size}\0` };
}
