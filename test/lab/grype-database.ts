import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { run } from './process.ts';

/** A vulnerability that a database knows. */
export interface KnownVulnerability {
  readonly id: string;
  /** Other names of it. */
  readonly aliases?: readonly string[];
  /** As its provider rates it, such as `negligible`. */
  readonly severity: string;
  /** Who publishes it. */
  readonly provider: 'debian' | 'github' | 'govulndb' | 'nvd';
  /** The package of an ecosystem, in grype's words; Debian's are those of Debian 12. */
  readonly package?: {
    readonly ecosystem: 'deb' | 'python' | 'npm' | 'go-module';
    readonly name: string;
  };
  /** The product in its place, as the National Vulnerability Database names it. */
  readonly product?: { readonly vendor: string; readonly name: string };
  /** The first version that is not affected. */
  readonly below: string;
  /** Whether that version can be had. */
  readonly fixed: boolean;
}

/** What grype 0.121 expects of its database (grype/db/v6/db.go). */
const VERSION = { model: 6, revision: 1, addition: 10 } as const;
const METADATA = `CREATE TABLE db_metadata (
  build_timestamp datetime NOT NULL, model integer NOT NULL, revision integer NOT NULL, addition integer NOT NULL)`;

/**
 * Makes a database of grype that knows these vulnerabilities alone. Grype itself creates its tables and imports it.
 * @returns its folder, for `GRYPE_DB_CACHE_DIR`
 */
export async function grypeDatabase(
  folder: string,
  grype: string,
  { built, known }: { readonly built: Date; readonly known: readonly KnownVulnerability[] },
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const [draft, filled] = [join(folder, 'draft.db'), join(folder, 'filled.db')];
  inDatabase(draft, (database) => {
    database.exec(METADATA);
    database
      .prepare('INSERT INTO db_metadata VALUES (?, ?, ?, ?)')
      .run(timeOf(built), VERSION.model, VERSION.revision, VERSION.addition);
  });
  const empty = await imported(draft, join(folder, 'empty'), grype);
  copyFileSync(join(empty, String(VERSION.model), 'vulnerability.db'), filled);
  inDatabase(filled, (database) => fill(database, known));
  return imported(filled, join(folder, 'database'), grype);
}

async function imported(file: string, folder: string, grype: string): Promise<string> {
  await run(grype, ['db', 'import', file, '--quiet'], {
    env: {
      ...{ PATH: process.env['PATH'], HOME: folder, GRYPE_DB_CACHE_DIR: folder },
      GRYPE_CHECK_FOR_APP_UPDATE: 'false',
    },
  });
  return folder;
}

function inDatabase(path: string, work: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path);
  try {
    work(database);
  } finally {
    database.close();
  }
}

function timeOf(date: Date): string {
  return date.toISOString().replace('T', ' ').replace(/\..*$/, '+00:00');
}

/** grype/db/v6/models.go and blobs.go. */
function fill(database: DatabaseSync, known: readonly KnownVulnerability[]): void {
  const insert = (table: string, row: Readonly<Record<string, string | number | null>>): number => {
    const columns = Object.keys(row);
    const marks = columns.map(() => '?').join(', ');
    const { lastInsertRowid } = database
      .prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${marks})`)
      .run(...Object.values(row));
    return Number(lastInsertRowid);
  };
  const blob = (value: object): number => insert('blobs', { value: JSON.stringify(value) });
  for (const id of new Set(known.map(({ provider }) => provider)))
    insert('providers', { id, version: '1', processor: 'lab', input_digest: 'xxh64:0' });
  const debian = insert('operating_systems', {
    ...{ name: 'debian', release_id: 'debian', major_version: '12', minor_version: '' },
    ...{ label_version: '', codename: 'bookworm', channel: '' },
  });
  for (const each of known) {
    const { id, aliases = [], severity, provider, below, fixed } = each;
    const vulnerability = insert('vulnerability_handles', {
      ...{ name: id, status: 'active', provider_id: provider },
      blob_id: blob({
        ...{ id, aliases, description: `the lab's ${id}` },
        refs: [{ url: `https://lab.example/${id}` }],
        severities: [{ scheme: 'CHMLN', value: severity, rank: 1 }],
      }),
    });
    for (const alias of aliases) insert('vulnerability_aliases', { name: id, alias });
    const type = each.package?.ecosystem ?? '';
    const affected = {
      vulnerability_id: vulnerability,
      blob_id: blob({
        cves: [id, ...aliases].filter((name) => name.startsWith('CVE-')),
        ranges: [
          {
            version: { ...(type === '' ? {} : { type }), constraint: `< ${below}` },
            fix: fixed ? { version: below, state: 'fixed' } : { state: 'wont-fix' },
          },
        ],
      }),
    };
    if (each.package !== undefined)
      insert('affected_package_handles', {
        ...affected,
        operating_system_id: type === 'deb' ? debian : null,
        package_id: insert('packages', each.package),
      });
    if (each.product !== undefined)
      insert('affected_cpe_handles', {
        ...affected,
        cpe_id: insert('cpes', {
          ...{ part: 'a', vendor: each.product.vendor, product: each.product.name },
          ...{ edition: '', language: '', software_edition: '', other: '' },
          ...{ target_hardware: '', target_software: '' },
        }),
      });
  }
}
