import { createHash } from 'node:crypto';
import { findRevision, type HubRepository, type HubRevision } from './hub-file.ts';
import { taskOf } from './hub-task.ts';
import { isFolder, type TreeEntry } from './hub-tree.ts';

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
