import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { GIB } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import { readCanonical, writeCanonical } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import {
  type LedgerEntry,
  type LedgerEvent,
  type LedgerHead,
  type LedgerUser,
  ledgerEntryKind,
  ledgerHeadKind,
} from '../../format/ledger.ts';
import { appendLine, cutFile, writeAtomic } from '../../io/file.ts';
import { prefixing } from '../../trust/signature-file.ts';
import { readStateIfThere } from '../site-folder.ts';

const EMPTY: LedgerHead = { number: 0, digest: '0'.repeat(128) };

/**
 * A site's append-only, hash-chained log of what it accepted, trusted, recalled and did. Each line contains the digest of
 * the line before. A second file contains the digest of the last line, which reveals a truncated log.
 */
export class Ledger {
  readonly #path: string;
  readonly #entries: LedgerEntry[];
  /** Who appends to it. */
  readonly #by: LedgerUser | undefined;
  #head: LedgerHead;

  private constructor(
    path: string,
    {
      entries,
      head,
      by,
    }: { entries: LedgerEntry[]; head: LedgerHead; by?: LedgerUser | undefined },
  ) {
    this.#path = path;
    this.#entries = entries;
    this.#head = head;
    this.#by = by;
  }

  /**
   * Reads the ledger and checks its chain, to append to it. Removes an incomplete last line after a power failure, and
   * accepts one entry after the head.
   * @param witnesses heads in other documents (receipts): the ledger must contain each of them
   * @param by who appends to it
   * @throws StowageError `state-damaged`
   */
  static async open(
    path: string,
    witnesses: readonly LedgerHead[] = [],
    by?: LedgerUser,
  ): Promise<Ledger> {
    const { read, head, last } = await Ledger.#check(path, witnesses);
    if (read.torn) await cutFile(path, read.length);
    if (last.number !== head.number) await writeHead(path, last);
    return new Ledger(path, { entries: read.entries, head: last, by });
  }

  /** Reads and checks like {@link open}, and writes nothing. */
  static async read(path: string, witnesses: readonly LedgerHead[] = []): Promise<Ledger> {
    const { read, last } = await Ledger.#check(path, witnesses);
    return new Ledger(path, { entries: read.entries, head: last });
  }

  static async #check(
    path: string,
    witnesses: readonly LedgerHead[],
  ): Promise<{ read: Read; head: LedgerHead; last: LedgerHead }> {
    const head = await readHead(path);
    const read = await readEntries(path, head);
    if (read.fault !== undefined) throw read.fault;
    const last = { number: read.entries.length, digest: read.digests.at(-1) ?? EMPTY.digest };
    for (const witness of [head, ...witnesses]) requireContains(path, witness, read.digests);
    if (last.number > head.number + 1) {
      throw damaged(
        path,
        `${head.number} or ${counted(head.number + 1, 'entry', 'entries')}`,
        `${last.number}`,
      );
    }
    return { read, head, last };
  }

  get entries(): readonly LedgerEntry[] {
    return this.#entries;
  }

  get head(): LedgerHead {
    return this.#head;
  }

  /** Appends an entry, which is on disk when the promise resolves. */
  async append(event: LedgerEvent, now: Date): Promise<void> {
    const entry: LedgerEntry = {
      schema: 'stowage/ledger-entry/v2',
      number: this.#head.number + 1,
      at: momentOf(now),
      previous: this.#head.digest,
      event,
      ...(this.#by === undefined ? {} : { by: this.#by }),
    };
    const line = writeCanonical(ledgerEntryKind, entry);
    await appendLine(this.#path, line.toString('utf8'));
    this.#entries.push(entry);
    this.#head = { number: entry.number, digest: sriHex(sriOf(line)) };
    await writeHead(this.#path, this.#head);
  }
}

interface Read {
  readonly entries: LedgerEntry[];
  readonly digests: string[];
  /** Bytes up to the last line feed. */
  readonly length: number;
  /** Whether the last line is incomplete. */
  readonly torn: boolean;
  /** Why the entry after these is not as it was written. */
  readonly fault?: StowageError;
}

/** Reads entries up to the first that is not as it was written. */
async function readEntries(path: string, head: LedgerHead): Promise<Read> {
  const bytes = (await readStateIfThere(path, GIB)) ?? Buffer.alloc(0);
  const entries: LedgerEntry[] = [];
  const digests: string[] = [];
  let start = 0;
  const stopped = (fault: StowageError, intact = entries.length): Read => ({
    entries: entries.slice(0, intact),
    digests: digests.slice(0, intact),
    ...{ length: start, torn: false, fault },
  });
  for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, start)) {
    const line = bytes.subarray(start, end);
    const number = entries.length + 1;
    const entry = entryIn(line, `entry ${number} in ${path}`);
    if (entry instanceof StowageError) return stopped(entry);
    if (entry.number !== number)
      return stopped(damaged(path, `entry ${number}`, `entry ${entry.number}`));
    const previous = digests.at(-1) ?? EMPTY.digest;
    if (entry.previous !== previous) {
      const [recorded, computed] = [entry.previous, previous].map((each) => each.slice(0, 16));
      const follower = followerDigest(bytes.subarray(end + 1)) ?? head.digest;
      if (number === 1 || follower !== sriHex(sriOf(line)))
        return stopped(
          damaged(path, `entry ${number} after ${computed}`, `entry ${number} after ${recorded}`),
        );
      const before = `entry ${number - 1} with digest`;
      return stopped(damaged(path, `${before} ${recorded}`, `${before} ${computed}`), number - 2);
    }
    entries.push(entry);
    digests.push(sriHex(sriOf(line)));
    start = end + 1;
  }
  return { entries, digests, length: start, torn: start < bytes.length };
}

function entryIn(line: Buffer, name: string): LedgerEntry | StowageError {
  try {
    return prefixing(name, () => readCanonical(ledgerEntryKind, line));
  } catch (error) {
    if (error instanceof StowageError) return error;
    throw error;
  }
}

/** The entries of a damaged ledger that can still be read. */
export interface DamagedLedger {
  readonly entries: readonly LedgerEntry[];
  /**
   * How many of them, from the first on, a witness confirms. Somebody who changed an entry can hash every later one again, so
   * the others may be forged although they fit each other.
   */
  readonly confirmed: number;
}

/**
 * The entries of a damaged ledger before the damage, for people who look into it: no change may rely on them.
 * @param witnesses as for {@link Ledger.open}
 */
export async function entriesBeforeDamage(
  path: string,
  witnesses: readonly LedgerHead[],
): Promise<DamagedLedger> {
  const { entries, digests } = await readEntries(path, EMPTY);
  // Beside the ledger and unsigned: it can contradict an entry, but confirms none.
  const head = await readHead(path).catch(() => EMPTY);
  const isSeen = ({ number }: LedgerHead): boolean => number > 0 && number <= digests.length;
  const isRight = ({ number, digest }: LedgerHead): boolean => digests[number - 1] === digest;
  const wrong = [head, ...witnesses]
    .filter((each) => isSeen(each) && !isRight(each))
    .map(({ number }) => number);
  const end = Math.min(entries.length, ...wrong.map((number) => number - 1));
  const right = witnesses
    .filter((each) => isSeen(each) && isRight(each))
    .map(({ number }) => number);
  return {
    entries: entries.slice(0, end),
    confirmed: Math.max(0, ...right.filter((number) => number <= end)),
  };
}

/** The digest that the first complete line records of the line before it; only to name the changed entry. */
function followerDigest(rest: Buffer): string | undefined {
  const end = rest.indexOf(0x0a);
  if (end === -1) return undefined;
  return /"previous":"([0-9a-f]{128})"/.exec(rest.subarray(0, end).toString('latin1'))?.[1] ?? '';
}

async function readHead(path: string): Promise<LedgerHead> {
  const bytes = await readStateIfThere(headPath(path), ledgerHeadKind.maxBytes);
  return bytes === undefined ? EMPTY : readCanonical(ledgerHeadKind, bytes);
}

async function writeHead(path: string, head: LedgerHead): Promise<void> {
  await writeAtomic(headPath(path), writeCanonical(ledgerHeadKind, head));
}

function requireContains(path: string, witness: LedgerHead, digests: readonly string[]): void {
  if (witness.number === 0) return;
  const found = digests[witness.number - 1];
  if (found === witness.digest) return;
  throw damaged(
    path,
    `entry ${witness.number} with digest ${witness.digest.slice(0, 16)}`,
    found === undefined
      ? counted(digests.length, 'entry', 'entries')
      : `digest ${found.slice(0, 16)}`,
  );
}

function headPath(path: string): string {
  return `${path}.head`;
}

function damaged(path: string, expected: string, found: string): StowageError {
  return new StowageError(
    'state-damaged',
    `the ledger ${path} does not match what this site wrote`,
    {
      expected,
      found,
      hint: ledgerEntryKind.hint,
    },
  );
}
