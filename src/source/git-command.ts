import { spawn } from 'node:child_process';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../core/context.ts';
import { interrupted, StowageError, systemCode } from '../core/error.ts';
import { redactUrl } from '../net/address.ts';
import type { Http } from '../net/http.ts';
import type { Proxies } from '../net/proxy.ts';
import { Secret } from '../net/secret.ts';

const MAX_SAID_CHARACTERS = 8192;
const WATCH_MS = 250;
const GRACE_MS = 2000;

/**
 * Settings that neither a repository nor a user can change: no hooks, helpers or prompts, only https, received objects
 * are checked, no background maintenance.
 */
const SETTINGS = [
  'protocol.allow=never',
  'protocol.https.allow=always',
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'credential.helper=',
  'fetch.fsckObjects=true',
  'transfer.fsckObjects=true',
  'fetch.unpackLimit=1',
  'fetch.recurseSubmodules=false',
  'submodule.recurse=false',
  'transfer.bundleURI=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'http.lowSpeedLimit=100',
  'http.lowSpeedTime=60',
];

export interface GitRun {
  /** The only folder that git may write to; also its home. */
  readonly folder: string;
  readonly env: Environment;
  readonly proxies?: Proxies | undefined;
  readonly signal: AbortSignal;
  /** Further settings, as `name=value`; nothing secret. */
  readonly settings?: readonly string[];
  /** Further environment variables, which may contain secrets. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Size limit of the folder, in bytes. */
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/** Git exited with a status other than 0. */
export class GitFailure extends Error {
  /** The end of its standard error. */
  readonly said: string;

  constructor(said: string) {
    super('git failed');
    this.said = said;
  }
}

/**
 * Runs the system's git without the configuration of the user and the machine, and reads its standard output.
 * @throws GitFailure; StowageError `source-unsupported` without git, `source-unreachable` when it takes too long,
 * `content-refused` when it fetches too much, `interrupted`
 */
export async function runGit<T>(
  args: readonly string[],
  run: GitRun,
  read: (output: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const { folder, signal, maxBytes, timeoutMs } = run;
  if (signal.aborted) throw interrupted(signal);
  const settings = [...SETTINGS, ...(run.settings ?? [])].flatMap((each) => ['-c', each]);
  const child = spawn('git', [...settings, ...args], {
    cwd: folder,
    env: environment(run),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stopped: StowageError | undefined;
  let last: NodeJS.Timeout | undefined;
  const stop = (reason: StowageError): void => {
    stopped ??= reason;
    // On SIGTERM, git also terminates its transport process; on SIGKILL it could not.
    child.kill('SIGTERM');
    last ??= setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  };
  const onAbort = (): void => stop(interrupted(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => stop(tooSlow(timeoutMs)), timeoutMs);
  const watch = setInterval(() => {
    bytesBelow(folder).then(
      (bytes) => bytes > maxBytes && stop(tooLarge(maxBytes)),
      () => {},
    );
  }, WATCH_MS);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-MAX_SAID_CHARACTERS);
  });
  child.stdin.on('error', () => {}); // the exit status shows why git stopped reading
  child.stdin.end(run.input);
  const closed = new Promise<number | null>((resolve, reject) => {
    child.on('error', (cause) => reject(missing(cause)));
    child.on('close', (code) => resolve(code));
  });
  closed.catch(() => {});
  try {
    const [result, status] = await Promise.all([settled(read(child.stdout)), closed]);
    if (stopped !== undefined) throw stopped;
    if (status !== 0) throw new GitFailure(said);
    if ('error' in result) throw result.error;
    return result.value;
  } finally {
    clearTimeout(timer);
    clearTimeout(last);
    clearInterval(watch);
    signal.removeEventListener('abort', onAbort);
  }
}

async function settled<T>(work: Promise<T>): Promise<{ value: T } | { error: unknown }> {
  return work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

function environment({ folder, env, proxies, variables }: GitRun): NodeJS.ProcessEnv {
  const direct = [proxies?.direct, '127.0.0.1', 'localhost', '::1'];
  return {
    PATH: env['PATH'] ?? '/usr/bin:/bin',
    ...(proxies?.http && { http_proxy: proxies.http.href }),
    ...(proxies?.https && { https_proxy: proxies.https.href }),
    NO_PROXY: direct.filter(Boolean).join(','),
    HOME: folder,
    XDG_CONFIG_HOME: folder,
    TMPDIR: folder,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    ...variables,
  };
}

async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const status = await lstat(join(entry.parentPath, entry.name)).catch(() => undefined);
    bytes += (status?.blocks ?? 0) * 512;
  }
  return bytes;
}

function missing(cause: unknown): StowageError {
  return new StowageError('source-unsupported', 'git cannot be started', {
    expected: 'the program git, 2.32 or newer',
    found: 'no working git in PATH',
    hint: 'install git on this machine; sites do not need it',
    cause,
  });
}

function tooSlow(timeoutMs: number): StowageError {
  return new StowageError('source-unreachable', 'git timed out', {
    expected: `to finish within ${timeoutMs / 60_000} minutes`,
    found: 'none',
    hint: 'run the same command again, or use a smaller repository or a local folder',
  });
}

function tooLarge(maxBytes: number): StowageError {
  return new StowageError('content-refused', 'the git repository exceeds the size limit', {
    expected: `at most ${maxBytes} bytes`,
    found: 'more',
    hint: 'clone the repository and use a folder with the files that you need',
  });
}

const MAX_NETRC_CHARACTERS = 1024 * 1024;

/** Returns the credentials for a git host; undefined if there are none. */
export type GitCredentials = (hostname: string) => Promise<Secret | undefined>;

/**
 * Reads credentials from `~/.netrc`, as git's transport does (or from the file in `NETRC`), and for github.com `GH_TOKEN` or
 * `GITHUB_TOKEN`. The secret is what follows `Basic` in an Authorization header. Each goes to its own host alone.
 */
export function createGitCredentials(env: Environment, home: string): GitCredentials {
  return async (hostname) => {
    const token = env['GH_TOKEN'] || env['GITHUB_TOKEN'];
    if (hostname === 'github.com' && token) return basic('x-access-token', token);
    const found = parseNetrc(await read(env['NETRC'] || join(home, '.netrc'))).get(hostname);
    return found === undefined ? undefined : basic(found.login, found.password);
  };
}

function basic(user: string, password: string): Secret {
  return new Secret(Buffer.from(`${user}:${password}`).toString('base64'));
}

/** The machines of a netrc file; macros and the default entry are ignored. */
export function parseNetrc(
  text: string,
): ReadonlyMap<string, { readonly login: string; readonly password: string }> {
  const lines = text.replace(/(?:^|\n)\s*macdef[^\n]*\n(?:[^\n]+\n)*/g, '\n');
  const words = lines
    .replace(/^\s*#.*$/gm, '')
    .split(/\s+/)
    .filter(Boolean);
  const found = new Map<string, { login: string; password: string }>();
  let machine: { login: string; password: string } | undefined;
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (word === 'default') machine = undefined;
    else if (word === 'machine') {
      const name = words[++at] ?? '';
      machine = { login: '', password: '' };
      if (!found.has(name)) found.set(name, machine);
    } else if (word === 'login' || word === 'password') {
      const value = words[++at] ?? '';
      if (machine !== undefined) machine[word] = value;
    } else if (word === 'account') at++;
  }
  return found;
}

async function read(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).slice(0, MAX_NETRC_CHARACTERS);
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(cause) ?? '')) return '';
    throw new StowageError('io-failed', `cannot read ${path}`, {
      found: systemCode(cause) ?? 'a failure without a code',
      hint: 'fix its permissions, or set NETRC to another file',
      cause,
    });
  }
}

const INFO_REFS = '/info/refs';

/**
 * The URL of a password-protected repository after redirects. When git follows a redirect to another host, it also sends
 * the Authorization header there. So redirects are resolved here by our HTTP client, which drops it, and git follows none.
 * @returns the final URL, even if its server refuses access: git then reports why
 * @throws StowageError `source-unreachable`, `source-malformed`, `interrupted`
 */
export async function repositoryUrl(
  url: string,
  secret: Secret,
  http: Http,
  signal: AbortSignal,
): Promise<string> {
  const { url: found, body } = await http.request(
    {
      what: redactUrl(new URL(url)),
      url: new URL(`${url}${INFO_REFS}?service=git-upload-pack`),
      authorization: { scheme: 'Basic', secret },
      allow: [400, 401, 403, 404, 405, 410],
    },
    signal,
  );
  for await (const _ of body) break;
  const isInfoRefs = found.pathname.endsWith(INFO_REFS);
  return isInfoRefs ? `${found.origin}${found.pathname.slice(0, -INFO_REFS.length)}` : url;
}
