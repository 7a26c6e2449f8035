import { bytewise, gitId, type HubFile, type HubRevision } from './hub-file.ts';

/** A file or a folder in a listing. */
export type TreeEntry = HubFile | TreeFolder;

export interface TreeFolder {
  readonly kind: 'folder';
  readonly path: string;
  /** The git tree id of the folder's packed content. */
  readonly oid: string;
}

export function isFolder(entry: TreeEntry): entry is TreeFolder {
  return 'kind' in entry;
}

/** The entries of each folder of a revision, by its path; the path of the root is empty. */
export type Tree = ReadonlyMap<string, readonly TreeEntry[]>;

const known = new WeakMap<HubRevision, Tree>();

/** The folders of a revision, each with its direct entries, sorted bytewise. */
export function treeOf(revision: HubRevision): Tree {
  const before = known.get(revision);
  if (before !== undefined) return before;
  const tree = makeTree([...revision.files.values()]);
  known.set(revision, tree);
  return tree;
}

/** The entries of a folder, optionally recursive; undefined if the folder does not exist. */
export function listTree(
  revision: HubRevision,
  folder: string,
  recursive: boolean,
): TreeEntry[] | undefined {
  const tree = treeOf(revision);
  if (!tree.has(folder)) return undefined;
  const direct = (path: string): readonly TreeEntry[] => tree.get(path) ?? [];
  if (!recursive) return [...direct(folder)];
  const entries: TreeEntry[] = [];
  const waiting = [folder];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const entry of direct(path)) {
      entries.push(entry);
      if (isFolder(entry)) waiting.push(entry.path);
    }
  }
  return entries.sort((a, b) => bytewise(a.path, b.path));
}

function makeTree(files: readonly HubFile[]): Tree {
  const folders = new Map<string, TreeEntry[]>([['', []]]);
  for (const file of files) {
    for (let path = parent(file.path); !folders.has(path); path = parent(path))
      folders.set(path, []);
    folders.get(parent(file.path))?.push(file);
  }
  const deepestFirst = [...folders.keys()].sort((a, b) => depth(b) - depth(a));
  for (const path of deepestFirst) {
    if (path === '') continue;
    const entries = folders.get(path) ?? [];
    folders.get(parent(path))?.push({ kind: 'folder', path, oid: folderId(entries) });
  }
  for (const entries of folders.values()) entries.sort((a, b) => bytewise(a.path, b.path));
  return folders;
}

/** The git tree id of a folder; subfolders sort as if their names ended in `/` (git, tree-walk). */
function folderId(entries: readonly TreeEntry[]): string {
  const lines = entries.map((entry) => {
    const folder = isFolder(entry);
    const name = entry.path.slice(entry.path.lastIndexOf('/') + 1);
    return {
      key: folder ? `${name}/` : name,
      bytes: Buffer.concat([
        Buffer.from(`${folder ? '40000' : '100644'} ${name}\0`),
        Buffer.from(entry.oid, 'hex'),
      ]),
    };
  });
  lines.sort((a, b) => bytewise(a.key, b.key));
  return gitId('tree', Buffer.concat(lines.map((line) => line.bytes)));
}

function parent(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function depth(path: string): number {
  return path === '' ? 0 : path.split('/').length;
}
