import { canonicalJson, type Json } from '../core/canonical-json.ts';
import { StowageError } from '../core/error.ts';
import { pathDefect } from '../core/safe-path.ts';
import type { HubFile } from './hub-file.ts';
import type { HubRepository, HubRevision } from './hub-repository.ts';

/** What the cache of a Hub client holds of one repository. */
export interface CacheContent {
  /** Such as `models--example--tiny`. */
  readonly folder: string;
  /** By the name that each has below `blobs/`. */
  readonly blobs: ReadonlyMap<string, HubFile>;
  readonly snapshots: readonly CacheSnapshot[];
  /** Small files by path: `refs/NAME`, `trees/COMMIT.json`. */
  readonly texts: ReadonlyMap<string, string>;
  /** Names of revisions that no file can have. */
  readonly unnamed: readonly string[];
}

export interface CacheSnapshot {
  readonly commit: string;
  /** Relative links by path. */
  readonly links: ReadonlyMap<string, { readonly target: string; readonly size: number }>;
}

/**
 * What `huggingface_hub` would have left in its cache had it downloaded every commit that is here.
 * @throws StowageError `path-unsafe` for a repository whose name no folder can have
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
    // Forty digits and no line feed: not every reader strips one.
    if (pathDefect(name) === undefined) texts.set(`refs/${name}`, commit);
    else unnamed.push(name);
  }
  return { folder: folderOf(repository.id), blobs, snapshots, texts, unnamed };
}

function folderOf(id: string): string {
  const defect = id.split('/').length === 2 ? pathDefect(id) : 'not organisation/name';
  if (defect === undefined) return `models--${id.replace('/', '--')}`;
  throw new StowageError('path-unsafe', 'a repository whose name no folder can have', {
    expected: 'organisation/name',
    found: `${JSON.stringify(id.slice(0, 200))}: ${defect}`,
    hint: 'export the other releases by name, and ask who packed this one',
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

/** The listing by which `huggingface_hub` from 1.29 knows offline that nothing of a snapshot is missing. */
function treeText({ files }: HubRevision): string {
  const listed: Record<string, Json> = {};
  for (const { path, size, oid, lfs } of files.values()) {
    const large = lfs === undefined ? {} : { lfs_sha256: lfs.oid, lfs_size: size };
    listed[path] = { size, blob_id: oid, ...large };
  }
  return `${canonicalJson({ format_version: 1, files: listed })}\n`;
}
