import { createHash } from 'node:crypto';
import { type Digest, digestHex } from '../core/digest.ts';
import type { CatalogFile, CatalogModel } from './catalog.ts';

/** A file of a repository as the Hub describes it. */
export interface HubFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly digest: Digest;
  /** Its SHA-1 in git: of its bytes, or of its LFS pointer. */
  readonly oid: string;
  /** For a file in LFS: the SHA-256 of its bytes in hex, and the bytes of its pointer. */
  readonly lfs?: { readonly oid: string; readonly pointerSize: number };
  /** Its ETag, which is also its name in a client's cache: SHA-256 for LFS, git's SHA-1 otherwise. */
  readonly etag: string;
}

/**
 * Describes a file of the catalog. A file without a git blob id was in LFS; its pointer has only one form
 * (git-lfs, docs/spec.md), so its id can be calculated.
 */
export function hubFile({ path, size, digest, gitOid }: CatalogFile): HubFile {
  if (gitOid !== undefined) return { path, size, digest, oid: gitOid, etag: gitOid };
  const sha256 = digestHex(digest);
  const pointer = pointerOf(sha256, size);
  const lfs = { oid: sha256, pointerSize: pointer.length };
  return { path, size, digest, oid: gitId('blob', pointer), lfs, etag: sha256 };
}

/** The pointer that git stores for a file in LFS. */
export function pointerOf(sha256: string, size: number): Buffer {
  return Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`,
  );
}

/** The git object id of a blob or tree. */
export function gitId(kind: 'blob' | 'tree', content: Uint8Array): string {
  return createHash('sha1').update(`${kind} ${content.length}\0`).update(content).digest('hex');
}

/** A repository at one commit: the files that all releases have of it. */
export interface HubRevision {
  readonly commit: string;
  /** The newest release that contains it. */
  readonly release: CatalogModel['release'];
  readonly license?: string;
  readonly tags: readonly string[];
  /** By path, sorted bytewise. */
  readonly files: ReadonlyMap<string, HubFile>;
}

/** A repository of the Hub, as far as the releases contain it. */
export interface HubRepository {
  /** `organisation/name`. */
  readonly id: string;
  /** Branches and tags that manifests named; always includes `main`. */
  readonly names: ReadonlyMap<string, HubRevision>;
  readonly commits: ReadonlyMap<string, HubRevision>;
}

const COMMIT = /^[0-9a-f]{40}$/;

/**
 * The repositories of a catalog, by their names in lower case. `main` is the commit in the newest release, whatever
 * revision its manifest named; any other name is the commit in the newest release whose manifest named it. Installed releases
 * come before all others: one that was only imported may have failed its gate.
 */
export function hubRepositories(models: readonly CatalogModel[]): Map<string, HubRepository> {
  const found = new Map<string, CatalogModel[]>();
  for (const model of [...models].sort(newestFirst)) {
    const key = model.repository.toLowerCase();
    found.set(key, [...(found.get(key) ?? []), model]);
  }
  return new Map([...found].map(([key, of]) => [key, repositoryOf(of)]));
}

/** Finds a revision by `HEAD`, a branch, a tag, or a full commit. */
export function findRevision(repository: HubRepository, name: string): HubRevision | undefined {
  const revision = name === 'HEAD' ? 'main' : name;
  return repository.commits.get(revision) ?? repository.names.get(revision);
}

function repositoryOf(newest: readonly CatalogModel[]): HubRepository {
  const commits = new Map<string, HubRevision>();
  const names = new Map<string, HubRevision>();
  for (const model of newest) {
    const known = commits.get(model.commit);
    const revision = known === undefined ? revisionOf(model, newest) : known;
    commits.set(model.commit, revision);
    if (names.size === 0) names.set('main', revision);
    if (!COMMIT.test(model.revision) && !names.has(model.revision))
      names.set(model.revision, revision);
  }
  return { id: newest[0]?.repository ?? '', names, commits };
}

function revisionOf(model: CatalogModel, newest: readonly CatalogModel[]): HubRevision {
  const { commit, release, license, tags = [] } = model;
  const files = new Map<string, HubFile>();
  for (const other of newest) {
    if (other.commit !== commit) continue;
    for (const file of other.files) if (!files.has(file.path)) files.set(file.path, hubFile(file));
  }
  const sorted = [...files].sort(([a], [b]) => bytewise(a, b));
  return {
    commit,
    release,
    ...(license === undefined ? {} : { license }),
    tags,
    files: new Map(sorted),
  };
}

/** Installed releases first, then the newest lock; within one release, `main` first. */
function newestFirst(a: CatalogModel, b: CatalogModel): number {
  return (
    Number(b.release.installed === true) - Number(a.release.installed === true) ||
    bytewise(b.release.resolvedAt, a.release.resolvedAt) ||
    b.release.seq - a.release.seq ||
    bytewise(a.release.name, b.release.name) ||
    Number(b.revision === 'main') - Number(a.revision === 'main')
  );
}

/** The order of UTF-8 bytes, as in git. */
export function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
