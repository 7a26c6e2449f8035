import { createHmac, randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import type { Context } from '../core/context.ts';
import { StowageError, systemCode } from '../core/error.ts';
import { MAX_SITE_BYTES, MAX_TRUST_BYTES } from '../core/limits.ts';
import { oneLine } from '../core/text.ts';
import { checkDocument, type Locate, readValue } from '../format/document.ts';
import type { LedgerUser } from '../format/ledger.ts';
import { type Site, siteKind } from '../format/site.ts';
import { readTrustDocument, type Trust, trustBytes } from '../format/trust.ts';
import { BlobStore } from '../io/blob-store.ts';
import {
  exists,
  namesIn,
  readBounded,
  readIfThere,
  remove,
  removeTemporaries,
  writeAtomic,
} from '../io/file.ts';
import { makeFolder, removeEmpty } from '../io/folder.ts';
import { removeStaleLocks } from '../io/lock-file.ts';
import type { HostProbe } from '../target/host/host-probe.ts';
import type { Target } from '../target/target.ts';

/**
 * Reads a state file of a site. What is no file there says nothing about a bundle.
 * @throws StowageError `file-missing`, `io-failed`; `state-damaged` for what is not a regular file
 */
export async function readState(path: string, maxBytes: number): Promise<Buffer> {
  try {
    return await readBounded(path, maxBytes);
  } catch (cause) {
    if (!(cause instanceof StowageError) || cause.code !== 'file-kind') throw cause;
    const { message, expected = '', found = '' } = cause;
    const hint = `find out what replaced it, and restore ${basename(path)} from the backup of the site folder`;
    throw new StowageError('state-damaged', message, { expected, found, hint, cause });
  }
}

/** {@link readState}, but undefined if the file does not exist. */
export async function readStateIfThere(
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  try {
    return await readState(path, maxBytes);
  } catch (error) {
    if (error instanceof StowageError && error.code === 'file-missing') return undefined;
    throw error;
  }
}

const NAME_KEY = ['keys', 'secret-names.key'] as const;
const NAME_KEY_BYTES = 32;
const KEYS = ['keys/secret-names.key', 'keys/site.key.pem', 'keys/site.pem'] as const;
const FOLDERS = ['releases', 'generations', 'receipts'] as const;

/** What the first command of a site, if it was killed, a person or a file system may have put into a new folder. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  ...[...FOLDERS, 'keys', 'staging', 'store', 'apply', 'bin', 'hops', 'layouts', 'logs', 'current'],
  ...['notices', 'secrets', 'evaluations', 'lost+found'],
]);

const LEFTOVER = /^(?:lock(?:\..*)?|\.[0-9a-f]{16}\.tmp)$/;

/**
 * The folder of one site, with
 * `site.yaml`, `format.json`, `trust.json`, `ledger`, `store/`, `releases/`, `generations/`, `apply/`, `notices/`, `receipts/`, `keys/`, `bin/`, `logs/`,
 * `evaluations/`;
 * a site with a cluster also has `cluster-proof.json`, which can be deleted.
 */
export class SiteFolder {
  readonly root: string;
  readonly store: BlobStore;
  readonly #recovered: Site | undefined;

  /** @param recovered settings to use in place of a `site.yaml` with defects */
  constructor(root: string, recovered?: Site) {
    this.root = root;
    this.store = new BlobStore(join(root, 'store'));
    this.#recovered = recovered;
  }

  /** The path of `site.yaml`. */
  get file(): string {
    return this.path('site.yaml');
  }

  /** A path below the site's root. */
  path(...parts: readonly string[]): string {
    return join(this.root, ...parts);
  }

  /** Whether the folder is that of a site, also one where nothing was imported yet. @throws StowageError `io-failed` */
  async isSite(): Promise<boolean> {
    for (const each of ['format.json', 'site.yaml', 'trust.json', 'ledger', 'generations'])
      if (await exists(this.path(each))) return true;
    return false;
  }

  /**
   * Refuses a folder that holds something else, before a command creates a site in it.
   * @throws StowageError `site-absent`
   */
  async requireOwn(): Promise<void> {
    if (await this.isSite()) return;
    if ((await kindOf(this.root)) === 'file')
      throw new StowageError('site-absent', `${this.root} is not a folder`, {
        expected: 'the folder of a site, an empty folder, or a path where nothing is',
        found: 'a file, or a path below one',
        hint: 'give another folder with --site, or move the file away',
      });
    const foreign = (await namesIn(this.root)).filter(
      (name) => !OWN_NAMES.has(name) && !LEFTOVER.test(name),
    );
    if (foreign.length === 0) return;
    const shown = foreign.slice(0, 5).join(', ');
    throw new StowageError(
      'site-absent',
      `${this.root} is not empty, and not the folder of a site`,
      {
        expected: 'the folder of a site, an empty folder, or a path where nothing is',
        found: oneLine(foreign.length > 5 ? `${shown} and ${foreign.length - 5} more` : shown, 500),
        hint: 'give another folder with --site; nothing was written to this one',
      },
    );
  }

  /** Makes the folders that every command needs. @throws StowageError `io-failed` */
  async prepare(): Promise<void> {
    await makeFolder(this.root, 0o755);
    for (const each of FOLDERS) await makeFolder(this.path(each));
    await makeFolder(this.path('keys'), 0o700);
    // Created here so that making a plan, which derives names from it, writes nothing.
    const key = this.path(...NAME_KEY);
    if (!(await exists(key))) await writeAtomic(key, randomBytes(NAME_KEY_BYTES), 0o600);
  }

  /** Whether this folder is no site yet: nothing was recorded, imported or applied, and it has no keys. */
  async isNew(): Promise<boolean> {
    return (await this.isBlank()) && !(await exists(this.path('keys')));
  }

  /** Whether nothing was recorded, imported or applied here. */
  async isBlank(): Promise<boolean> {
    if (await exists(this.path('ledger'))) return false;
    for (const each of [...FOLDERS, 'staging', 'store', 'notices'])
      if ((await namesIn(this.path(each))).length > 0) return false;
    return !(await exists(this.path('apply'))) && !(await exists(this.path('trust.json')));
  }

  /**
   * Removes what killed commands left: temporary files and folders, links and locks. For the holder of the site's lock.
   * @throws StowageError `io-failed`
   */
  async removeLeftovers(): Promise<void> {
    await removeStaleLocks(this.root, () => false);
    await remove(this.path('.current.tmp'));
    await remove(this.path('bin', '.stowage.partial'));
    for (const each of ['.piped', '.remote', '.repair']) await remove(this.path('staging', each));
    for (const name of await namesIn(this.path('notices')))
      if (name.endsWith('.partial')) await remove(this.path('notices', name));
    // A depot that is at work in `store/cars` does without its record, and calculates it again.
    for (const each of [
      '.',
      'keys',
      'generations',
      'receipts',
      'logs',
      'evaluations',
      'store/cars',
    ])
      await removeTemporaries(this.path(each));
    for (const each of ['releases', 'layouts'])
      for (const name of await namesIn(this.path(each)))
        if (name.endsWith('.partial')) await remove(this.path(each, name));
        else await removeTemporaries(this.path(each, name, 'rendered'));
  }

  /** Removes what the first command of a new site made before its work; other files stay. */
  async removeBlank(): Promise<void> {
    for (const each of ['format.json', ...KEYS]) await remove(this.path(each));
    for (const each of [...FOLDERS, 'staging', 'store', 'notices', 'keys'])
      await removeEmpty(this.path(each), this.path(each));
  }

  /** The key that names of secrets are derived from, 32 random bytes. @throws StowageError `file-missing` before {@link prepare} */
  async nameKey(): Promise<Buffer> {
    return readBounded(this.path(...NAME_KEY), NAME_KEY_BYTES);
  }

  /**
   * The site's id, 8 hex digits, in the names and labels of its objects in an engine. Two sites on one host have different
   * ids. The id does not depend on the name or the folder of the site.
   * @throws StowageError `file-missing` before {@link prepare}
   */
  async id(): Promise<string> {
    return createHmac('sha256', await this.nameKey())
      .update('site id')
      .digest('hex')
      .slice(0, 8);
  }

  /** `site.yaml`, or its defaults if there is none. @throws StowageError `site-invalid`, `format-newer`, `io-failed` */
  async site(): Promise<Site> {
    return this.#recovered ?? (await this.writtenSettings());
  }

  /** The same, never recovered. */
  async writtenSettings(): Promise<Site> {
    const bytes = await this.#written();
    if (bytes !== undefined) {
      // Many sites have none, and YAML takes a while to load.
      const { parseYaml } = await import('../format/yaml-document.ts');
      const { value, ...reading } = parseYaml(siteKind, bytes, this.file);
      return readValue(siteKind, withName(value), reading);
    }
    return checkDocument(siteKind, { apiVersion: 'stowage/v1', name: defaultName() });
  }

  /** Where the fields of `site.yaml` are in the file; undefined if there is none. */
  async locate(): Promise<Locate | undefined> {
    const bytes = await this.#written();
    if (bytes === undefined) return undefined;
    const { parseYaml } = await import('../format/yaml-document.ts');
    return parseYaml(siteKind, bytes, this.file).locate;
  }

  /** The pinned trust document; undefined if the site has none. */
  async trust(): Promise<Trust | undefined> {
    const path = this.path('trust.json');
    const bytes = await readStateIfThere(path, MAX_TRUST_BYTES);
    if (bytes === undefined) return undefined;
    try {
      return readTrustDocument(bytes);
    } catch (cause) {
      if (!(cause instanceof StowageError) || cause.code !== 'document-invalid') throw cause;
      const { expected = '', found = '', defects } = cause;
      throw new StowageError('state-damaged', `${path} is not the trust document of this site`, {
        ...{ expected, found, defects, cause },
        hint: 'restore trust.json from the backup of the site folder, and find out what changed it; without a backup, ask the security officer',
      });
    }
  }

  async pinTrust(trust: Trust): Promise<void> {
    await writeAtomic(this.path('trust.json'), trustBytes(trust));
  }

  async #written(): Promise<Buffer | undefined> {
    try {
      return await readIfThere(this.file, MAX_SITE_BYTES, siteKind.code);
    } catch (error) {
      if (!(error instanceof StowageError) || error.code !== 'file-kind') throw error;
      // The file of a person, not of a bundle.
      const { message, expected = '', found = '', hint } = error;
      throw new StowageError(siteKind.code, message, { expected, found, hint, cause: error });
    }
  }
}

async function kindOf(path: string): Promise<'folder' | 'file' | 'nothing'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    return systemCode(error) === 'ENOTDIR' ? 'file' : 'nothing';
  }
}

/** A `site.yaml` without a name has that of the host. */
function withName(value: unknown): unknown {
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isMapping && !('name' in value) ? { ...value, name: defaultName() } : value;
}

function defaultName(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'site' : name;
}

/** The context of every command of a site. */
export interface SiteContext extends Context {
  readonly site: SiteFolder;
  readonly target: Target;
  /** Why `site.yaml` cannot be used, if its settings were recovered. Nothing may be changed then. */
  readonly settingsDefect?: StowageError;
  /** The variables of this process, for secrets that `site.yaml` finds there. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether to hash stored blobs whose files have not changed since they were last hashed, too. */
  readonly rehash?: boolean;
  /** Who runs the command, for the ledger. */
  readonly user?: LedgerUser;
  /** This host; tests replace it. */
  readonly host?: HostProbe;
}
