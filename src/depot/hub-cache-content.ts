import { StowageError } from '../core/error.ts';
import { canonicalJson, type Json } from '../core/json.ts';
import { pathDefect } from '../core/safe-path.ts';
import type { HubFile, HubRepository, HubRevision } from './hub-file.ts';

/** The content of a Hub client's cache for one repository. */
export interface CacheContent {
  /** Such as `models--example--tiny`. */
  readonly folder: string;
  /** By their names in `blobs/`. */
  readonly blobs: ReadonlyMap<string, HubFile>;
  readonly snapshots: readonly CacheSnapshot[];
  /** Small files by path: `refs/NAME`, `trees/COMMIT.json`. */
  readonly texts: ReadonlyMap<string, string>;
  /** Revisions whose names cannot be file names. */
  readonly unnamed: readonly string[];
}

export interface CacheSnapshot {
  readonly commit: string;
  /** Relative links by path. */
  readonly links: ReadonlyMap<string, { readonly target: string; readonly size: number }>;
}

/**
 * The cache that `huggingface_hub` would have after it downloaded every commit in the catalog.
 * @throws StowageError `path-unsafe` if the repository's name cannot be a folder name
 */
export function cacheContent(repository: HubRepository): CacheContent {
  const blobs = new Map<string, HubFile>();
  const texts = new Map<string, string>();
  const snapshots: CacheSnapshot[] = [];
  for (const revision of repository.commits.values()) {
    for (const file of revision.files.values()) blobs.set(file.etag, file);
    snapshots.push({ commit: revision.commit, links: linksOf(revision) });
    texts.set(`trees/${revision.commit}.json`, treeText(revision));
  }
  const unnamed: string[] = [];
  for (const [name, { commit }] of repository.names) {
    // Forty digits without a line feed: not every client strips one.
    if (pathDefect(name) === undefined) texts.set(`refs/${name}`, commit);
    else unnamed.push(name);
  }
  return { folder: folderOf(repository.id), blobs, snapshots, texts, unnamed };
}

function folderOf(id: string): string {
  const defect = id.split('/').length === 2 ? pathDefect(id) : 'not organisation/name';
  if (defect === undefined) return `models--${id.replace('/', '--')}`;
  throw new StowageError('path-unsafe', 'the name of a repository cannot be a folder name', {
    expected: 'organisation/name',
    found: `${JSON.stringify(id.slice(0, 200))}: ${defect}`,
    hint: 'export the other releases by name, and ask the release engineer about this one',
  });
}

function linksOf({ files }: HubRevision): CacheSnapshot['links'] {
  return new Map(
    [...files.values()].map(({ path, size, etag }) => {
      const up = '../'.repeat(path.split('/').length + 1);
      return [path, { target: `${up}blobs/${etag}`, size }];
    }),
  );
}

/** The file list by which `huggingface_hub` 1.29 and later knows offline that a snapshot is complete. */
function treeText({ files }: HubRevision): string {
  const listed: Record<string, Json> = {};
  for (const { path, size, oid, lfs } of files.values()) {
    const large = lfs === undefined ? {} : { lfs_sha256: lfs.oid, lfs_size: size };
    listed[path] = { size, blob_id: oid, ...large };
  }
  return `${canonicalJson({ format_version: 1, files: listed })}\n`;
}
