import { createHmac, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MAX_SITE_BYTES, MAX_TRUST_BYTES } from '../core/limits.ts';
import { checkDocument } from '../format/document.ts';
import { type Site, siteKind } from '../format/site.ts';
import { readTrustDocument, type Trust, trustBytes } from '../format/trust.ts';
import { BlobStore } from '../io/blob-store.ts';
import { exists, makeFolder, readBounded, readIfThere, writeAtomic } from '../io/file.ts';

const NAME_KEY = ['keys', 'secret-names.key'] as const;
const NAME_KEY_BYTES = 32;

/**
 * The folder of one site, with
 * `site.yaml`, `format.json`, `trust.json`, `ledger`, `store/`, `releases/`, `generations/`, `apply/`, `receipts/`, `keys/`, `bin/`.
 */
export class SiteFolder {
  readonly root: string;
  readonly store: BlobStore;

  constructor(root: string) {
    this.root = root;
    this.store = new BlobStore(join(root, 'store'));
  }

  /** A path below the site's root. */
  path(...parts: readonly string[]): string {
    return join(this.root, ...parts);
  }

  /** Makes the folders that every command needs. @throws StowageError `io-failed` */
  async prepare(): Promise<void> {
    await makeFolder(this.root, 0o755);
    for (const each of ['releases', 'generations', 'receipts']) await makeFolder(this.path(each));
    await makeFolder(this.path('keys'), 0o700);
    // Created here so that making a plan, which derives names from it, writes nothing.
    const key = this.path(...NAME_KEY);
    if (!(await exists(key))) await writeAtomic(key, randomBytes(NAME_KEY_BYTES), 0o600);
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

  /** `site.yaml`, or its defaults if there is none. */
  async site(): Promise<Site> {
    const bytes = await this.#read('site.yaml', MAX_SITE_BYTES);
    if (bytes !== undefined) {
      // Many sites have none, and YAML takes a while to load.
      const { readYaml } = await import('../format/yaml-document.ts');
      return readYaml(siteKind, bytes);
    }
    return checkDocument(siteKind, { apiVersion: 'stowage/v1', name: defaultName() });
  }

  /** The pinned trust document; undefined if the site has none. */
  async trust(): Promise<Trust | undefined> {
    const bytes = await this.#read('trust.json', MAX_TRUST_BYTES);
    return bytes === undefined ? undefined : readTrustDocument(bytes);
  }

  async pinTrust(trust: Trust): Promise<void> {
    await writeAtomic(this.path('trust.json'), trustBytes(trust));
  }

  async #read(name: string, maxBytes: number): Promise<Buffer | undefined> {
    return readIfThere(this.path(name), maxBytes);
  }
}

function defaultName(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);
  return name === '' ? 'site' : name;
}
