import type { BigIntStats } from 'node:fs';
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { StowageError, systemCode } from '../core/error.ts';
import { effectiveUser, ioError, statusOf } from '../io/file.ts';
import type { SiteFolder } from './site-folder.ts';

/** As many links as the kernel follows. */
const MAX_LINKS = 40;
/** Folders with very many files, each of which is verified by its digest or checked when it is read. */
const BULK =
  /^(?:store\/(?:blobs\/sha256|sums|incoming|packages)|layouts\/[^/]+\/(?:models|files))$/;
/** The links that Stowage makes itself. */
const OWN_LINKS: readonly string[] = ['current', '.current.tmp'];
/** Where this user cannot look, nothing can be used either. */
const UNREACHABLE = ['ENOENT', 'ENOTDIR', 'EACCES'] as const;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
const FIND_OUT = 'find out who changed it and what, then run';

/**
 * Refuses a site that other users can change, as sshd does with `StrictModes`: each part of its path, and each file and
 * folder that is trusted at rest, must belong to root or to this user, and not be writable by anyone else. Links inside the
 * site are refused: what is written through one lands elsewhere. A folder that does not exist yet passes.
 * @throws StowageError `site-exposed`
 */
export async function requireProtected(site: SiteFolder): Promise<void> {
  const user = await effectiveUser();
  await requireOwnSite(site, user);
  const advice = 'give a folder that only you and root can change with --site, or run';
  const root = await requireSafePath(site.root, { user, advice });
  if (root === undefined) return;
  await requireSafeFolder(root, '', user);
}

/** Of the site of another user, nothing was changed: that user has to run the command. */
async function requireOwnSite(site: SiteFolder, user: number): Promise<void> {
  const owner = await ownerOf(site.root);
  if (owner === undefined || owner === 0 || owner === user) return;
  if ((await ownerOf(site.path('keys'))) !== owner) return;
  throw new StowageError('site-exposed', `the site at ${site.root} belongs to another user`, {
    expected: `a site of root${user === 0 ? '' : ` or user ${user}`}`,
    found: `a site of user ${owner}`,
    hint: `sign in as user ${owner}, and run the command again; to use another site, give its folder with --site`,
  });
}

/** The user whom a folder belongs to. */
async function ownerOf(path: string): Promise<number | undefined> {
  const status = await statusOf(path, UNREACHABLE);
  return status === undefined ? undefined : Number(status.uid);
}

/** By whose rights a path is judged. */
interface Judge {
  readonly user: number;
  /** What to do, before the command that gives the path another owner or mode. */
  readonly advice?: string;
}

/** Checks each part of a path, through links. @returns the path without links, or undefined if nothing is there */
async function requireSafePath(path: string, judge: Judge): Promise<string | undefined> {
  let done: string = sep;
  let links = 0;
  const parts = resolve(path).split(sep).filter(Boolean);
  requireSafe(done, await lstat(done, { bigint: true }), judge);
  while (parts.length > 0) {
    const next = join(done, parts.shift() ?? '');
    const status = await statusOf(next, UNREACHABLE);
    if (status === undefined) return undefined;
    requireSafe(next, status, parts.length === 0 ? { user: judge.user } : judge);
    if (!status.isSymbolicLink()) {
      done = next;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw exposed(next, 'a path', 'a loop of links', `remove ${next}`);
    const target = resolve(dirname(next), await readlink(next));
    parts.unshift(...target.split(sep).filter(Boolean));
    done = sep;
  }
  return done;
}

/**
 * How other users can read or replace a file with a secret, as ssh judges private keys; undefined if they cannot. The user's own
 * file must be accessible to its owner only. One of root may be readable by a group, because root gave the user access.
 */
export async function secretExposure(path: string): Promise<string | undefined> {
  const user = await effectiveUser();
  try {
    const { uid, mode } = await stat(path);
    const forbidden = uid === user ? 0o077 : 0o007;
    if ((mode & forbidden) !== 0)
      return `${path} has mode ${(mode & 0o777).toString(8)}: run chmod 600 ${path}`;
    await requireSafePath(path, { user, advice: 'put the file in a folder of your own, or run' });
    return undefined;
  } catch (error) {
    if (!(error instanceof StowageError)) throw ioError(error, path);
    return `${path} can be replaced by other users (${error.found}): ${error.hint}`;
  }
}

async function requireSafeFolder(root: string, below: string, user: number): Promise<void> {
  const folder = join(root, below);
  for (const name of await namesOf(folder)) {
    const path = join(folder, name);
    const status = await statusOf(path, UNREACHABLE);
    // A folder of locks changes while it is read.
    if (status === undefined) continue;
    requireSafe(path, status, { user });
    const relative = join(below, name);
    if (status.isSymbolicLink() && !OWN_LINKS.includes(relative))
      throw exposed(path, 'a file or folder', 'a symbolic link', `${FIND_OUT}: rm ${path}`);
    if (status.isDirectory() && !BULK.test(relative)) await requireSafeFolder(root, relative, user);
  }
}

function requireSafe(path: string, status: BigIntStats, { user, advice = FIND_OUT }: Judge): void {
  const [uid, mode] = [Number(status.uid), Number(status.mode)];
  if (uid !== 0 && uid !== user)
    throw exposed(
      path,
      `owner root${user === 0 ? '' : ` or user ${user}`}`,
      `owner ${uid}`,
      `${advice}: chown -h ${user} ${path}`,
    );
  if (status.isSymbolicLink() || (mode & WRITABLE_BY_OTHERS) === 0) return;
  // In a sticky folder, such as /tmp, only its owner can rename or remove an entry.
  if (status.isDirectory() && (mode & STICKY) !== 0) return;
  const found = `mode ${(mode & 0o7777).toString(8)}`;
  throw exposed(path, 'writable by its owner only', found, `${advice}: chmod go-w ${path}`);
}

/** The names in a folder; none in one that this user cannot read, as nothing in it can then be used. */
async function namesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes(systemCode(error) ?? '')) return [];
    throw ioError(error, folder);
  }
}

function exposed(path: string, expected: string, found: string, hint: string): StowageError {
  return new StowageError('site-exposed', `other users can change this site through ${path}`, {
    expected,
    found,
    hint,
  });
}
