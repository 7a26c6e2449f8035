import { createHash } from 'node:crypto';
import {
  bytewise,
  findRevision,
  gitId,
  type HubFile,
  type HubRepository,
  type HubRevision,
} from './hub-file.ts';

/** The tasks of the Hub: the tag of a model that is one of these is its `pipeline_tag`. */
const TASKS: ReadonlySet<string> = new Set([
  ...['text-generation', 'text-classification', 'token-classification', 'question-answering'],
  ...['table-question-answering', 'zero-shot-classification', 'translation', 'summarization'],
  ...['feature-extraction', 'fill-mask', 'sentence-similarity', 'text-ranking'],
  ...['text-to-speech', 'text-to-audio', 'automatic-speech-recognition', 'audio-to-audio'],
  ...['audio-classification', 'voice-activity-detection', 'depth-estimation', 'object-detection'],
  ...['image-classification', 'image-segmentation', 'text-to-image', 'image-to-text'],
  ...['image-to-image', 'image-to-video', 'unconditional-image-generation', 'text-to-video'],
  ...['video-classification', 'zero-shot-image-classification', 'zero-shot-object-detection'],
  ...['mask-generation', 'text-to-3d', 'image-to-3d', 'image-feature-extraction'],
  ...['keypoint-detection', 'audio-text-to-text', 'image-text-to-text', 'any-to-any'],
  ...['visual-question-answering', 'document-question-answering', 'video-text-to-text'],
  ...['visual-document-retrieval', 'tabular-classification', 'tabular-regression'],
  ...['time-series-forecasting', 'reinforcement-learning', 'robotics', 'graph-ml'],
]);

const LIBRARIES: ReadonlySet<string> = new Set([
  ...['transformers', 'sentence-transformers', 'diffusers', 'gguf', 'peft', 'timm', 'mlx', 'nemo'],
]);

/** The fields that the Hub derives from these tags. */
export function taskOf(tags: readonly string[]): { pipeline_tag?: string; library_name?: string } {
  const task = tags.find((tag) => TASKS.has(tag));
  const library = tags.find((tag) => LIBRARIES.has(tag));
  return {
    ...(task === undefined ? {} : { pipeline_tag: task }),
    ...(library === undefined ? {} : { library_name: library }),
  };
}

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

/** The JSON of the Hub's responses, as far as clients read it. It never has a `xetHash`: a client would request a token
 * from a service that the depot does not have. */

/** `GET /api/models/ORG/NAME` at a revision; with `blobs`, including sizes and ids of its files. */
export function modelInfo(
  repository: HubRepository,
  revision: HubRevision,
  blobs: boolean,
): object {
  const files = [...revision.files.values()];
  const siblings = files.map(({ path, size, oid, lfs }) => {
    if (!blobs) return { rfilename: path };
    const large = lfs && { sha256: lfs.oid, size, pointerSize: lfs.pointerSize };
    return { rfilename: path, size, blobId: oid, ...(large && { lfs: large }) };
  });
  return {
    ...modelSummary(repository, revision),
    sha: revision.commit,
    usedStorage: files.reduce((sum, { size }) => sum + size, 0),
    siblings,
  };
}

/** One entry of `GET /api/models`. */
export function modelSummary({ id }: HubRepository, revision: HubRevision): object {
  const { license, tags, release } = revision;
  const licensed = license === undefined ? [] : [`license:${license}`];
  const moment = momentOf(release.resolvedAt);
  return {
    _id: createHash('sha256').update(id).digest('hex').slice(0, 24),
    id,
    modelId: id,
    author: id.split('/')[0],
    private: false,
    // Not gated here: the license was accepted where the model was packed.
    gated: false,
    disabled: false,
    downloads: 0,
    likes: 0,
    tags: [...new Set([...tags, ...licensed])],
    ...taskOf(tags),
    ...(license === undefined ? {} : { cardData: { license } }),
    lastModified: moment,
    createdAt: moment,
  };
}

/** One entry of a listing; with `expand`, its last commit, which for a depot is always the requested one. */
export function treeEntry(entry: TreeEntry, revision: HubRevision, expand: boolean): object {
  const last = expand ? { lastCommit: lastCommit(revision) } : {};
  const { path, oid } = entry;
  if (isFolder(entry)) return { type: 'directory', oid, size: 0, path, ...last };
  const { size, lfs } = entry;
  const large = lfs === undefined ? {} : { lfs: { ...lfs, size } };
  return { type: 'file', oid, size, path, ...large, ...last };
}

/** `GET /api/models/ORG/NAME/refs`. A bundle does not say which name is a tag: all are listed as branches. */
export function refsOf(repository: HubRepository): object {
  const branches = [...repository.names].map(([name, { commit }]) => ({
    name,
    ref: name.startsWith('refs/') ? name : `refs/heads/${name}`,
    targetCommit: commit,
  }));
  return { branches, converts: [], tags: [], pullRequests: [] };
}

/** Which release brought it here: the upstream history did not travel. */
function lastCommit({ commit, release }: HubRevision): object {
  const title = `carried by ${release.name} ${release.version}`;
  return { id: commit, title, date: momentOf(release.resolvedAt) };
}

/** `GET /api/models`: what is here, narrowed as the client asks. */
export function modelList(
  repositories: Iterable<HubRepository>,
  query: URLSearchParams,
): readonly object[] {
  const search = (query.get('search') ?? '').toLowerCase();
  const author = (query.get('author') ?? '').toLowerCase();
  const limit = /^[0-9]{1,9}$/.test(query.get('limit') ?? '') ? Number(query.get('limit')) : 1000;
  const found: object[] = [];
  for (const repository of repositories) {
    const id = repository.id.toLowerCase();
    const revision = findRevision(repository, 'main');
    if (revision === undefined || !id.includes(search)) continue;
    if (author !== '' && !id.startsWith(`${author}/`)) continue;
    found.push(modelSummary(repository, revision));
  }
  return found.slice(0, limit);
}

/** With a fraction, without which older clients read no time at all. */
function momentOf(resolvedAt: string): string {
  return new Date(resolvedAt).toISOString();
}
