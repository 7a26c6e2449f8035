import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { RecordedFile } from '../recorded-file.ts';

/** Raised when the tables change: an index of another version is built again. */
const VERSION = 6;

/** How long a command waits while another writes the index. */
const BUSY_MS = 60_000;
const PAGE_ROWS = 1000;

const TABLES = `
CREATE TABLE entry (digest TEXT PRIMARY KEY, at TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, uid INTEGER NOT NULL, sudo_user TEXT) WITHOUT ROWID;
CREATE TABLE parent (digest TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE file (path TEXT PRIMARY KEY, sha512 TEXT NOT NULL, entry TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE todo (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE defect (path TEXT PRIMARY KEY, code TEXT NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE site_document (site TEXT NOT NULL, number INTEGER NOT NULL, path TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (site, number)) WITHOUT ROWID;
CREATE TABLE old_key (site TEXT NOT NULL, fingerprint TEXT NOT NULL, until TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY (site, path)) WITHOUT ROWID;
CREATE TABLE site_key (site TEXT NOT NULL, fingerprint TEXT NOT NULL, PRIMARY KEY (site, fingerprint)) WITHOUT ROWID;
CREATE INDEX site_key_fingerprint ON site_key (fingerprint);
CREATE TABLE receipt (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, site TEXT NOT NULL, at TEXT NOT NULL, entries INTEGER NOT NULL, head TEXT NOT NULL, generation INTEGER NOT NULL, highest INTEGER NOT NULL, intent TEXT NOT NULL, outcome TEXT NOT NULL, healthy INTEGER NOT NULL, key TEXT NOT NULL, taken_at TEXT NOT NULL, taken_by TEXT NOT NULL, state TEXT NOT NULL);
CREATE INDEX receipt_site ON receipt (site, at);
CREATE TABLE run (receipt INTEGER NOT NULL, bundle TEXT NOT NULL, PRIMARY KEY (receipt, bundle)) WITHOUT ROWID;
CREATE INDEX run_bundle ON run (bundle);
CREATE TABLE release (bundle TEXT PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, seq INTEGER NOT NULL, channel TEXT NOT NULL, resolved_at TEXT NOT NULL, bytes INTEGER NOT NULL, upgrade_from TEXT, path TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE promotion (path TEXT PRIMARY KEY, bundle TEXT NOT NULL, channel TEXT NOT NULL, at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE recall (path TEXT PRIMARY KEY, name TEXT NOT NULL, versions TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL, back_to TEXT) WITHOUT ROWID;
CREATE TABLE advisory (path TEXT PRIMARY KEY, bundle TEXT NOT NULL, at TEXT NOT NULL, total INTEGER NOT NULL, open INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dispatch (site TEXT NOT NULL, number INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (site, number)) WITHOUT ROWID;
CREATE TABLE newest (site TEXT PRIMARY KEY, receipt INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE alarm (site TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL, PRIMARY KEY (site, kind, first, second)) WITHOUT ROWID;
`;

type Row = Readonly<Record<string, SQLInputValue>>;

/** The SQLite file of the index. Whatever is in it can be read again from the documents of the fleet. */
export class Database {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    // A lost index is built again: it need not survive a power failure.
    this.#database.exec(
      `PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;`,
    );
  }

  get isCurrent(): boolean {
    return this.all<{ user_version: number }>('PRAGMA user_version')[0]?.user_version === VERSION;
  }

  /** Removes everything and makes empty tables. */
  reset(): void {
    for (const { name } of this.all<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    ))
      this.#database.exec(`DROP TABLE "${name}"`);
    this.#database.exec(`${TABLES}PRAGMA user_version = ${VERSION};`);
    this.#statements.clear();
  }

  all<T extends object>(sql: string, ...values: readonly SQLInputValue[]): T[] {
    return this.#prepare(sql).all(...values) as unknown as T[];
  }

  /**
   * Rows in the order of their paths, read a page at a time: a large fleet has a million documents.
   * @param sql takes the path after which they begin, the values, and the number of rows
   */
  *byPath<T extends { readonly path: string }>(
    sql: string,
    after: string,
    ...values: readonly SQLInputValue[]
  ): Generator<T> {
    for (let last: string | undefined = after; last !== undefined; ) {
      const page: T[] = this.all<T>(sql, last, ...values, PAGE_ROWS);
      yield* page;
      last = page.at(-1)?.path;
    }
  }

  /** The first row; undefined if there is none. */
  first<T extends object>(sql: string, ...values: readonly SQLInputValue[]): T | undefined {
    return this.#prepare(sql).get(...values) as unknown as T | undefined;
  }

  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).lastInsertRowid);
  }

  /** Inserts a row, or replaces the one with the same key. @returns its row id */
  put(table: string, row: Row): number {
    const names = Object.keys(row);
    const marks = names.map(() => '?').join(', ');
    return this.run(
      `INSERT OR REPLACE INTO ${table} (${names.join(', ')}) VALUES (${marks})`,
      ...Object.values(row),
    );
  }

  /** Runs `work` as one change that other commands see whole or not at all. */
  async change<T>(work: () => Promise<T>): Promise<T> {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = await work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }
}

/** What an entry of the ledger recorded of a file; undefined if none did. */
export function recordedFile(database: Database, path: string): RecordedFile | undefined {
  return database.first<RecordedFile & Row>('SELECT path, sha512 FROM file WHERE path = ?', path);
}
