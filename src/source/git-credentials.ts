import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../core/context.ts';
import { StowageError, systemCode } from '../core/error.ts';
import { Secret } from '../net/secret.ts';

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
