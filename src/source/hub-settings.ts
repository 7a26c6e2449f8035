import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../core/context.ts';
import { StowageError, systemCode } from '../core/error.ts';
import { Secret } from '../net/secret.ts';
import { readEndpoint } from './endpoint.ts';

export interface HubSettings {
  /** Without a trailing slash; may have a path, as URLs of mirrors do. */
  readonly endpoint: string;
  readonly token?: Secret;
}

/**
 * The Hub and the token to use, from the places that the Hub's own clients read: `HF_ENDPOINT`; `HF_TOKEN`,
 * `HF_TOKEN_PATH`, `HF_HOME`.
 * @throws StowageError `source-unsupported`, `source-denied` for an invalid token, `io-failed`
 */
export async function hubSettings(env: Environment, home: string): Promise<HubSettings> {
  const endpoint = parseEndpoint(env['HF_ENDPOINT'] || 'https://huggingface.co');
  const text = env['HF_TOKEN']?.trim() || (await tokenFile(tokenPath(env, home)));
  if (text === '') return { endpoint };
  if (!/^[\x21-\x7e]{1,4096}$/.test(text)) {
    throw new StowageError('source-denied', 'the Hugging Face token is invalid', {
      expected: 'one line of printable characters',
      hint: 'copy it again from your account to HF_TOKEN, or sign in with hf auth login',
    });
  }
  return { endpoint, token: new Secret(text) };
}

function parseEndpoint(text: string): string {
  const { address, found } = readEndpoint(text);
  if (address !== undefined) return address;
  throw new StowageError('source-unsupported', 'HF_ENDPOINT is not a valid Hub URL', {
    expected: 'an https address without user or query, such as https://huggingface.co',
    found,
    hint: 'correct HF_ENDPOINT, or unset it for huggingface.co',
  });
}

function tokenPath(env: Environment, home: string): string {
  const cache = env['XDG_CACHE_HOME'] || join(home, '.cache');
  const path = env['HF_TOKEN_PATH'] || join(env['HF_HOME'] || join(cache, 'huggingface'), 'token');
  return path.startsWith('~/') ? join(home, path.slice(2)) : path;
}

async function tokenFile(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(cause) ?? '')) return '';
    throw new StowageError('io-failed', `cannot read the token file ${path}`, {
      hint: 'make it readable for you, or set HF_TOKEN',
      cause,
    });
  }
}
