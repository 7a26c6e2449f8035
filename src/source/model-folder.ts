import type { BigIntStats } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve as resolvePath } from 'node:path';
import { digestFromHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { isHubRepository } from '../core/repository-name.ts';
import { isPathSource } from '../format/source.ts';
import { localFailure, localTree } from './local.ts';
import type { FoundFile, FoundModel, ModelSourceKind } from './origin.ts';
import { stableOrigin, stateOf } from './stable-file.ts';

/** What git and clients of the Hub keep in a folder of model files. */
const TOOLS = /^\.(?:git|cache|locks)(?:\/|$)/;
const CACHED_REPOSITORY = /^models--([^-].*?)--(.+)$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** A snapshot in the cache of `huggingface_hub`. */
interface Snapshot {
  readonly repository: string;
  readonly commit: string;
  /** The folder of the repository in the cache. */
  readonly cache: string;
}

/**
 * Models in local folders: what a trainer wrote, or a snapshot in the cache of `huggingface_hub`, whose links lead to
 * files that are named by their hash.
 * @param clients with the folder that paths are relative to
 */
export function folderModels({ folder }: { readonly folder: string }): ModelSourceKind {
  return {
    reads: isPathSource,
    resolve: async ({ source }) => listModel(source, await locate(resolvePath(folder, source))),
    file: async ({ source, commit }, { path, state }) =>
      stableOrigin(join(await locate(resolvePath(folder, source), commit), path), { state }),
  };
}

async function listModel(uri: string, folder: string): Promise<FoundModel> {
  const snapshot = snapshotIn(folder);
  const inside = await folderPath(folder);
  const cached = snapshot === undefined ? [] : await blobFolders(snapshot);
  const roots = [inside, ...cached].map((each) => `${each}/`);
  const tree = await localTree(folder, {
    omit: (path) => TOOLS.test(path),
    follow: async (path) => {
      const target = await realpath(path).catch(() => undefined);
      return target !== undefined && roots.some((root) => target.startsWith(root))
        ? target
        : undefined;
    },
  });
  const now = Date.now();
  const files: FoundFile[] = [];
  let verified = snapshot !== undefined;
  for (const { path, absolute } of tree) {
    const status = await statusOf(absolute);
    const hash = cached.includes(dirname(absolute)) ? hashInName(basename(absolute)) : {};
    verified &&= Object.keys(hash).length > 0;
    files.push({ path, size: Number(status.size), ...hash, state: stateOf(status, now) });
  }
  const about = { gated: false, tags: [], files };
  if (snapshot === undefined) return { ...about, origin: { kind: 'folder', uri } };
  const { repository, commit } = snapshot;
  // Files that are no links to named content may be of any commit.
  if (!verified) return { ...about, repository, origin: { kind: 'folder', uri } };
  return { ...about, repository, commit, origin: { kind: 'hub-cache', uri } };
}

/** @throws StowageError `file-missing`, `file-kind` */
async function folderPath(folder: string): Promise<string> {
  if ((await statusOf(folder)).isDirectory()) return realpath(folder);
  throw new StowageError('file-kind', `${folder} is not a folder`, {
    expected: 'the folder of the model',
    found: 'a file',
    hint: `write its folder as the source, and include: [${JSON.stringify(basename(folder))}]`,
  });
}

async function statusOf(path: string): Promise<BigIntStats> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    throw localFailure(path, error);
  }
}

/** The name of a file in the cache is its ETag: SHA-256 for files in LFS, the git blob hash for others. */
function hashInName(name: string): Pick<FoundFile, 'digest' | 'gitOid'> {
  if (/^[0-9a-f]{64}$/.test(name)) return { digest: digestFromHex(name) };
  return COMMIT.test(name) ? { gitOid: name } : {};
}

/** The folders of named content: that of the repository, and the one that repositories share. */
async function blobFolders({ cache }: Snapshot): Promise<string[]> {
  const found = await realpath(join(cache, 'blobs')).catch(() => undefined);
  return found === undefined ? [] : [found];
}

function snapshotIn(folder: string): Snapshot | undefined {
  const commit = basename(folder);
  const cache = dirname(dirname(folder));
  const [, owner, name] = CACHED_REPOSITORY.exec(basename(cache)) ?? [];
  const repository = `${owner}/${name}`;
  if (basename(dirname(folder)) !== 'snapshots' || !COMMIT.test(commit)) return undefined;
  return isHubRepository(repository) ? { repository, commit, cache } : undefined;
}

/**
 * The folder with the files: for a repository in the cache of `huggingface_hub`, its snapshot of a commit, or of `main`.
 * @throws StowageError `file-missing`
 */
async function locate(path: string, commit?: string): Promise<string> {
  if (!CACHED_REPOSITORY.test(basename(path))) return path;
  const snapshots = await readdir(join(path, 'snapshots')).catch((): string[] => []);
  const main = await readFile(join(path, 'refs/main'), 'utf8').catch(() => '');
  const wanted = [commit, main.trim()].find((each) => each && snapshots.includes(each));
  const only = snapshots.length === 1 ? snapshots[0] : undefined;
  const found = wanted ?? only;
  if (found !== undefined) return join(path, 'snapshots', found);
  if (snapshots.length === 0) return path;
  throw new StowageError('file-missing', `${path} has several snapshots, and none is main`, {
    expected: 'the folder of one snapshot',
    found: snapshots.slice(0, 8).join(', '),
    hint: 'write one of them in the manifest: add snapshots/ and its name to the path',
  });
}
