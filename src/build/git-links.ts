import { posix } from 'node:path';
import { StowageError } from '../core/error.ts';
import { MAX_PATH_BYTES } from '../core/limits.ts';
import type { GitCommit, GitEntry } from '../source/git.ts';
import { isAnnexLink } from '../source/local.ts';

/** The maximum length of a chain of links. */
const MAX_LINKS = 16;

/**
 * The files of a commit, with each link replaced by the file that it points to: bundles contain no links.
 * @throws StowageError `file-kind` for links that do not point to a file in the repository
 */
export async function withoutLinks(found: GitCommit, url: string): Promise<GitEntry[]> {
  const links = found.entries.filter(({ kind }) => kind === 'link');
  const files = found.entries.filter(({ kind }) => kind === 'file' || kind === 'program');
  if (links.length === 0) return files;
  const targets = await readTargets(found, links);
  const known = new Map(files.map((each) => [each.path, each]));
  const strange: string[] = [];
  for (const link of links) {
    let at: string | undefined = link.path;
    for (let step = 0; step < MAX_LINKS && at !== undefined && targets.has(at); step++)
      at = follow(at, targets.get(at) ?? '');
    const file = at === undefined ? undefined : known.get(at);
    if (file !== undefined) files.push({ ...file, path: link.path });
    else strange.push(`${link.path}: ${JSON.stringify(targets.get(link.path)).slice(0, 200)}`);
  }
  if (strange.length === 0) return files;
  throw new StowageError(
    'file-kind',
    `${url} has links that do not point to a file in the repository`,
    {
      expected: 'only links to files in the repository',
      found: `${strange.length} others`,
      hint: [...targets.values()].some(isAnnexLink)
        ? 'the repository uses git-annex: clone it, run git annex get and git annex unlock, and use a folder with the files that you need'
        : 'replace the links in the repository, or clone it and use a folder with the files that you need',
      defects: strange.slice(0, 50),
    },
  );
}

async function readTargets(
  found: GitCommit,
  links: readonly GitEntry[],
): Promise<ReadonlyMap<string, string>> {
  const targets = new Map<string, string>();
  // A longer target cannot be a valid path in a bundle.
  const short = links.filter(({ size }) => size <= MAX_PATH_BYTES);
  await found.read(short, async (index, bytes) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of bytes) chunks.push(chunk);
    targets.set(short[index]?.path ?? '', Buffer.concat(chunks).toString('utf8'));
  });
  return targets;
}

/** The target of a link, relative to the root of the repository; undefined if it is outside the repository. */
function follow(path: string, target: string): string | undefined {
  if (target.startsWith('/') || target.includes('\0') || target === '') return undefined;
  const to = posix.normalize(posix.join(posix.dirname(path), target));
  return to === '..' || to.startsWith('../') ? undefined : to;
}
