import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../core/context.ts';
import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { GIB, MIB } from '../core/limits.ts';
import { isLoopback, oneLine } from '../net/address.ts';
import type { HostTrust } from '../net/host-trust.ts';
import type { Http } from '../net/http.ts';
import type { Proxies } from '../net/proxy.ts';
import type { Secret } from '../net/secret.ts';
import { type GitAddress, gitUrl, isCommit, parseGitAddress, submoduleUrl } from './git-address.ts';
import {
  createGitCredentials,
  GitFailure,
  type GitRun,
  repositoryUrl,
  runGit,
} from './git-command.ts';
import { type LfsPointer, lfsOrigins } from './git-lfs.ts';
import { type GitEntry, parseTree, readBatch } from './git-objects.ts';
import type { Origin } from './origin.ts';

export type { GitAddress } from './git-address.ts';
export type { GitEntry } from './git-objects.ts';

const MAX_FETCHED_BYTES: number = 8 * GIB;
const MAX_ANSWER_BYTES: number = 64 * MIB;
const GIVES_NO_COMMIT =
  /not our ref|unadvertised object|shallow capabilit|find remote ref|no such remote ref/i;
const ABSENT = /not found|does not exist|returned error: 404|could not be found/i;
const DENIED =
  /authentication failed|could not read (?:username|password)|returned error: 40[13]|access denied/i;
const PROXY_DENIED = /(?:HTTP code|response|returned error:) 407/i;
const HOSTILE = /^(?:error|fatal): .*(?:fsck error|object [0-9a-f]{40}: \w+: )/m;
const ASK_MS = 2 * 60_000;
const FETCH_MS = 60 * 60_000;

/** Access to git repositories with the system's git and fixed settings. */
export interface Git {
  /** @throws StowageError `manifest-invalid`, `source-unsupported` */
  parse(source: string): GitAddress;
  /** The URL of a submodule, which may be relative to that of its repository. @throws as {@link parse} */
  submodule(url: string, named: string): string;
  /** The commit that a branch or tag currently points to. @throws StowageError `source-not-found`, other `source-*` */
  commit(address: GitAddress, folder: string, signal: AbortSignal): Promise<string>;
  /**
   * Fetches a commit, without its history if the server supports that.
   * @param folder an empty folder for git's objects
   * @throws StowageError `source-not-found`, `content-refused` if it exceeds the size limit, other `source-*`
   */
  fetch(url: string, commit: string, folder: string, signal: AbortSignal): Promise<GitCommit>;
  /** The download locations of these objects on the LFS server of a repository. @throws StowageError `source-*` */
  lfs(
    url: string,
    objects: readonly LfsPointer[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<Digest, Origin>>;
}

/** A commit that has been fetched. */
export interface GitCommit {
  readonly commit: string;
  /** The hash of its tree. */
  readonly tree: string;
  readonly entries: readonly GitEntry[];
  /** URLs of its submodules, by path. */
  readonly repositories: ReadonlyMap<string, string>;
  /** Passes the bytes of blobs to `sink`, one after the other. */
  read(
    entries: readonly GitEntry[],
    sink: (index: number, bytes: AsyncIterable<Uint8Array>) => Promise<void>,
  ): Promise<void>;
}

export interface GitOptions {
  readonly env: Environment;
  readonly home: string;
  readonly http: Http;
  readonly proxies?: Proxies;
  readonly trust?: HostTrust;
  /** Hosts, with their port, that may be contacted without TLS. */
  readonly insecure?: readonly string[];
}

export function createGit(options: GitOptions): Git {
  const { env, home, http, insecure = [] } = options;
  const credentials = createGitCredentials(env, home);
  const signIn = async (url: string): Promise<Secret | undefined> =>
    credentials(new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'));
  const ask = (folder: string, signal: AbortSignal): Ask =>
    new Ask(options, folder, signal, signIn);
  return {
    parse: (source) => parseGitAddress(source, insecure),
    submodule: (url, named) => submoduleUrl(url, named, insecure),
    commit: (address, folder, signal) => ask(folder, signal).commit(address),
    fetch: (url, commit, folder, signal) => ask(folder, signal).fetch(url, commit),
    lfs: async (url, objects, signal) =>
      lfsOrigins(url, objects, { http, credentials: await signIn(url), signal }),
  };
}

class Ask {
  readonly #options: GitOptions;
  readonly #folder: string;
  readonly #signal: AbortSignal;
  readonly #signIn: (url: string) => Promise<Secret | undefined>;

  constructor(
    options: GitOptions,
    folder: string,
    signal: AbortSignal,
    signIn: (url: string) => Promise<Secret | undefined>,
  ) {
    this.#options = options;
    this.#folder = folder;
    this.#signal = signal;
    this.#signIn = signIn;
  }

  async commit({ url, revision }: GitAddress): Promise<string> {
    if (isCommit(revision)) return revision;
    const [branch, tag] = [`refs/heads/${revision}`, `refs/tags/${revision}`];
    const listed = await this.#remote(url, ['ls-remote', '--', url, branch, tag, `${tag}^{}`]);
    const refs = new Map(
      listed
        .toString('utf8')
        .split('\n')
        .map((line) => line.split('\t').toReversed() as [string, string]),
    );
    const [head, tagged] = [refs.get(branch), refs.get(`${tag}^{}`) ?? refs.get(tag)];
    const found = head ?? tagged;
    if (found !== undefined && isCommit(found) && (head ?? tagged) === (tagged ?? head))
      return found;
    const both = found !== undefined;
    throw new StowageError('source-not-found', `no commit for ${revision} in ${url}`, {
      expected: 'one branch or tag of this name',
      found: both ? 'a branch and a tag that differ' : 'neither',
      hint: both
        ? 'use the commit instead'
        : 'check the spelling; a commit has 40 hexadecimal digits',
    });
  }

  async fetch(url: string, commit: string): Promise<GitCommit> {
    await this.#local(['init', '--quiet', '--bare', '--template=', '.']);
    const shallow = ['fetch', '--quiet', '--no-tags', '--depth=1', '--', url, commit];
    const everything = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
    try {
      await this.#remote(url, shallow, FETCH_MS);
    } catch (error) {
      // The server does not support fetching a single commit or a shallow history: fetch everything.
      const { cause } = error as { cause?: unknown };
      if (!(cause instanceof GitFailure) || !GIVES_NO_COMMIT.test(cause.said)) throw error;
      await this.#remote(
        url,
        ['fetch', '--quiet', '--no-tags', '--', url, ...everything],
        FETCH_MS,
      );
    }
    const name = await this.#object(`${commit}^{commit}`);
    const tree = await this.#object(`${commit}^{tree}`);
    if (name !== commit || tree === undefined) {
      throw new StowageError('source-not-found', `no commit ${commit} in ${url}`, {
        expected: 'a commit that is reachable from a branch or a tag',
        found: name === undefined ? 'no such object' : 'another object',
        hint: 'check the commit; it must be pushed, and must not have been removed by a force push',
      });
    }
    const entries = parseTree(
      await this.#local(['ls-tree', '-r', '-z', '-l', '--full-tree', tree]),
    );
    return {
      commit,
      tree,
      entries,
      repositories: await this.#repositories(entries),
      read: async (wanted, sink) => {
        const input = wanted.map(({ oid }) => `${oid}\n`).join('');
        await runGit(['cat-file', '--batch'], { ...this.#run(FETCH_MS), input }, (output) =>
          readBatch(output, wanted, sink),
        );
      },
    };
  }

  async #repositories(entries: readonly GitEntry[]): Promise<ReadonlyMap<string, string>> {
    const modules = entries.find(({ path, kind }) => path === '.gitmodules' && kind === 'file');
    if (modules === undefined) return new Map();
    const listed = await this.#local(['config', `--blob=${modules.oid}`, '--null', '--list']);
    const values = new Map<string, string>();
    for (const line of listed.toString('utf8').split('\0')) {
      const end = line.indexOf('\n');
      if (end > 0) values.set(line.slice(0, end), line.slice(end + 1));
    }
    const found = new Map<string, string>();
    for (const [key, path] of values) {
      const [, name] = /^submodule\.(.*)\.path$/s.exec(key) ?? [];
      const url = values.get(`submodule.${name}.url`);
      if (url !== undefined) found.set(path, url);
    }
    return found;
  }

  async #object(name: string): Promise<string | undefined> {
    try {
      const found = await this.#local([
        'rev-parse',
        '--quiet',
        '--verify',
        '--end-of-options',
        name,
      ]);
      return found.toString('latin1').trim();
    } catch (error) {
      if (error instanceof GitFailure) return undefined;
      throw error;
    }
  }

  async #local(args: readonly string[]): Promise<Buffer> {
    return runGit(args, this.#run(FETCH_MS), collect);
  }

  async #remote(url: string, args: readonly string[], timeoutMs: number = ASK_MS): Promise<Buffer> {
    const { trust } = this.#options;
    const { at, secret } = await this.#place(url);
    const { origin, protocol, host, hostname } = new URL(at);
    const variables: Record<string, string> = {};
    // In the environment of the child, which only its own user can read; never in its arguments.
    if (secret !== undefined && (protocol === 'https:' || isLoopback(hostname))) {
      variables['GIT_CONFIG_COUNT'] = '1';
      variables['GIT_CONFIG_KEY_0'] = `http.${origin}/.extraHeader`;
      variables['GIT_CONFIG_VALUE_0'] = `Authorization: Basic ${secret.reveal()}`;
    }
    const authorities = protocol === 'https:' ? (await trust?.(host))?.ca : undefined;
    if (authorities !== undefined) {
      variables['GIT_SSL_CAINFO'] = join(this.#folder, 'authorities.pem');
      await writeFile(variables['GIT_SSL_CAINFO'], [authorities].flat().join('\n'));
    }
    const settings = [
      ...(protocol === 'http:' ? ['protocol.http.allow=always'] : []),
      ...(secret === undefined ? [] : ['http.followRedirects=false']),
    ];
    const asked = args.map((each) => (each === url ? at : each));
    try {
      return await runGit(asked, { ...this.#run(timeoutMs), settings, variables }, collect);
    } catch (error) {
      throw error instanceof GitFailure ? refused(url, error, secret) : error;
    }
  }

  /** The URL of a repository after redirects, and the credentials for that host only. */
  async #place(url: string): Promise<{ at: string; secret: Secret | undefined }> {
    const { http, insecure = [] } = this.#options;
    const secret = await this.#signIn(url);
    if (secret === undefined) return { at: url, secret };
    const found = await repositoryUrl(url, secret, http, this.#signal);
    if (new URL(found).host === new URL(url).host) return { at: found, secret };
    return { at: gitUrl(found, insecure), secret: await this.#signIn(found) };
  }

  #run(timeoutMs: number): GitRun {
    const { env, proxies } = this.#options;
    const maxBytes = MAX_FETCHED_BYTES;
    return { folder: this.#folder, env, proxies, signal: this.#signal, maxBytes, timeoutMs };
  }
}

async function collect(output: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of output) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) {
      throw new StowageError(
        'content-refused',
        'the file list of a git repository exceeds the size limit',
        {
          expected: `at most ${MAX_ANSWER_BYTES} bytes`,
          found: 'more',
          hint: 'clone the repository and use a folder with the files that you need',
        },
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Translates git's messages. A host answers the same for a hidden repository as for one that does not exist. */
function refused(url: string, cause: GitFailure, secret: Secret | undefined): StowageError {
  const { said } = cause;
  const last = said.split('\n').findLast((line) => /^(?:fatal|error|remote):/.test(line)) ?? said;
  const found = oneLine(secret === undefined ? last : secret.hideIn(last));
  const expected = `a git repository at ${url}`;
  if (HOSTILE.test(said)) {
    return new StowageError('content-refused', `git rejects the content of ${url}`, {
      expected: 'objects that pass git fsck',
      found: oneLine(HOSTILE.exec(said)?.[0] ?? said),
      hint: 'such objects may be an attack on git: ask the maintainers of the repository, or use another commit',
      cause,
    });
  }
  if (PROXY_DENIED.test(said)) {
    return new StowageError('source-denied', `the proxy requires authentication to reach ${url}`, {
      expected,
      found,
      hint: 'set HTTPS_PROXY to http://user:password@host:port',
      cause,
    });
  }
  if (DENIED.test(said)) {
    return new StowageError('source-denied', `access to ${url} denied`, {
      expected,
      found,
      hint: 'check the spelling, or add user and token for the host to ~/.netrc (github.com: set GH_TOKEN)',
      cause,
    });
  }
  if (ABSENT.test(said)) {
    return new StowageError('source-not-found', `no git repository at ${url}`, {
      expected,
      found,
      hint: 'check the spelling; for a private repository, add user and token for the host to ~/.netrc',
      cause,
    });
  }
  return new StowageError('source-unreachable', `cannot fetch from ${url}`, {
    expected,
    found,
    hint: 'run the same command again; check the address, the network, and HTTPS_PROXY',
    cause,
  });
}
