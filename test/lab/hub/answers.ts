import { isBranch, type LoadedRepo } from './repository.ts';
import { type HubFile, type Revision, sha1 } from './revision.ts';

const DATE = '2026-01-01T00:00:00.000Z';

/** What `/api/models/{repo}` and `/api/models/{repo}/revision/{rev}` answer. */
export function modelInfo(repo: LoadedRepo, revision: Revision, blobs: boolean): object {
  return {
    _id: sha1('repo', repo.name).slice(0, 24),
    id: repo.name,
    modelId: repo.name,
    author: repo.name.split('/')[0],
    sha: revision.commit,
    private: repo.private ?? false,
    gated: repo.gated ?? false,
    disabled: false,
    downloads: 0,
    likes: 0,
    tags: repo.license === undefined ? [] : [`license:${repo.license}`],
    ...(repo.license === undefined ? {} : { cardData: { license: repo.license } }),
    pipeline_tag: 'text-generation',
    lastModified: DATE,
    createdAt: DATE,
    siblings: [...revision.files.values()].map((file) =>
      blobs ? sibling(file) : { rfilename: file.path },
    ),
  };
}

function sibling(file: HubFile): object {
  const lfs = file.lfs && {
    sha256: file.lfs.sha256,
    size: file.size,
    pointerSize: file.lfs.pointerSize,
  };
  return { rfilename: file.path, size: file.size, blobId: file.oid, ...(lfs && { lfs }) };
}

/** What `/refs` answers. */
export function refs(repo: LoadedRepo): object {
  const of = (branch: boolean): object[] =>
    [...repo.named]
      .filter(([name]) => isBranch(repo, name) === branch)
      .map(([name, { commit }]) => ({
        name,
        ref: `refs/${branch ? 'heads' : 'tags'}/${name}`,
        targetCommit: commit,
      }));
  return { branches: of(true), converts: [], tags: of(false) };
}

/** The files below a folder (`''` for all), and the folders between, as `/tree` lists them. */
export function tree(
  revision: Revision,
  folder: string,
  recursive: boolean,
  expand: boolean,
): object[] {
  const prefix = folder === '' ? '' : `${folder}/`;
  const folders = new Set<string>();
  const files: object[] = [];
  for (const file of revision.files.values()) {
    if (!file.path.startsWith(prefix)) continue;
    const steps = file.path.slice(prefix.length).split('/');
    for (let depth = 1; depth < (recursive ? steps.length : Math.min(2, steps.length)); depth++) {
      folders.add(prefix + steps.slice(0, depth).join('/'));
    }
    if (recursive || steps.length === 1) files.push(treeFile(revision, file, expand));
  }
  const between = [...folders].map((path) => ({
    type: 'directory',
    oid: sha1('tree', path),
    size: 0,
    path,
  }));
  return [...between, ...files];
}

/** What `/paths-info` answers: the paths that exist, others left out. */
export function pathsInfo(revision: Revision, paths: readonly string[], expand: boolean): object[] {
  return paths.flatMap((path) => {
    const file = revision.files.get(path);
    return file === undefined ? [] : [treeFile(revision, file, expand)];
  });
}

function treeFile(revision: Revision, file: HubFile, expand: boolean): object {
  return {
    type: 'file',
    oid: file.oid,
    size: file.size,
    path: file.path,
    ...(file.lfs && {
      lfs: { oid: file.lfs.sha256, size: file.size, pointerSize: file.lfs.pointerSize },
    }),
    ...(expand && {
      lastCommit: { id: revision.commit, title: 'upload', date: DATE },
      securityFileStatus: { status: file.scan ?? 'safe', avScan: null, pickleImportScan: null },
    }),
  };
}
