import { StowageError } from '../core/error.ts';
import { isLoopback, oneLine, pointsToLocal } from '../net/address.ts';

/** A git repository and a revision of it. */
export interface GitAddress {
  /** The URL for git: https, or http if that is allowed; without user and query. */
  readonly url: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** The repository's own name. */
  readonly name: string;
}

const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a revision is a commit id. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** Whether a source in a manifest is a git repository. */
export function isGitSource(source: string): boolean {
  return source.startsWith('git+');
}

/**
 * Reads `git+https://host/path/repository@revision`.
 * @param insecure hosts, with their port, that may be contacted without TLS; this machine always may
 * @throws StowageError `manifest-invalid`, `source-unsupported`
 */
export function parseGitAddress(source: string, insecure: readonly string[]): GitAddress {
  const [, address, revision] = /^git\+([^@\s]+)@([^@\s]+)$/.exec(source) ?? [];
  if (address === undefined || revision === undefined || !isRevision(revision)) {
    throw new StowageError('manifest-invalid', 'invalid git source', {
      expected: 'git+https://host/path/repository@branch, @tag or @commit',
      found: source.slice(0, 200),
      hint: 'give the https URL of the repository, followed by @ and a branch, a tag or a commit',
    });
  }
  const url = gitUrl(address, insecure);
  const last = url.split('/').at(-1) ?? '';
  return { url, revision, name: last.replace(/\.git$/, '') };
}

/** The address of a repository in a form that is safe to pass to git. @throws StowageError `source-unsupported` */
export function gitUrl(address: string, insecure: readonly string[]): string {
  const url = URL.parse(address);
  const plain =
    url?.protocol === 'http:' && (isLoopback(url.hostname) || insecure.includes(url.host));
  const bare = url !== null && `${url.username}${url.password}${url.search}${url.hash}` === '';
  if (url === null || !bare || (url.protocol !== 'https:' && !plain) || url.pathname === '/') {
    throw new StowageError('source-unsupported', 'git repositories are supported only over https', {
      expected: 'https://host/path, without a user, a password or a query',
      found: url === null ? 'no address' : `${url.protocol}//${url.host}`,
      hint: 'give the https URL of the repository; store passwords in ~/.netrc',
    });
  }
  return url.href.replace(/\/+$/, '');
}

/**
 * The URL of a submodule, which may be relative to that of its repository.
 * @throws StowageError `source-unsupported`, also for an address of this machine, where the repository is elsewhere
 */
export function submoduleUrl(url: string, named: string, insecure: readonly string[]): string {
  const found = gitUrl(/^\.\.?\//.test(named) ? new URL(named, `${url}/`).href : named, insecure);
  if (!pointsToLocal(new URL(found), new URL(url))) return found;
  throw new StowageError('source-unsupported', `${url} refers to a repository on this machine`, {
    expected: 'repositories on the same host or on another remote host',
    found: oneLine(named),
    hint: 'ask the maintainers of the repository, or use another commit',
  });
}

/** What git-check-ref-format allows, except characters that are special in shells or easy to misread. */
function isRevision(text: string): boolean {
  return (
    /^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,254}$/.test(text) &&
    !/\.\.|\/\/|\/\.|\.lock(?:\/|$)|[./]$/.test(text)
  );
}
