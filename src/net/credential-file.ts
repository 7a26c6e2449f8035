import { readFile, stat } from 'node:fs/promises';
import { StowageError, systemCode } from '../core/error.ts';
import { type Fields, fieldsOf, textOf } from '../core/json.ts';
import { MIB } from '../core/limits.ts';
import { Secret } from './secret.ts';

/** How to sign in to a registry. */
export type Credential =
  | { readonly kind: 'basic'; readonly username: string; readonly password: Secret }
  /** A refresh token, which a token service turns into an access token. */
  | { readonly kind: 'identity'; readonly token: Secret };

const MAX_FILE_BYTES = MIB;

/** An auth file of docker's or podman's form. */
export interface CredentialFile {
  readonly path: string;
  /** By `host` or `host/namespace`, without scheme, path version or slash at the end. */
  readonly auths: ReadonlyMap<string, Credential>;
  /** Helper names by host. */
  readonly helpers: ReadonlyMap<string, string>;
  /** The helper for every other host. */
  readonly store?: string;
}

/** Undefined when there is none. @throws StowageError `document-invalid`, `io-failed`, neither with a word of the file */
export async function readCredentialFile(path: string): Promise<CredentialFile | undefined> {
  let bytes: Buffer;
  try {
    if ((await stat(path)).size > MAX_FILE_BYTES) throw invalid(path, 'too large');
    bytes = await readFile(path);
  } catch (cause) {
    if (cause instanceof StowageError) throw cause;
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(cause) ?? '')) return undefined;
    throw new StowageError('io-failed', `cannot read the registry credentials in ${path}`, {
      hint: 'make the file readable for your user',
      cause,
    });
  }
  const file = parseFile(path, bytes);
  const auths = new Map<string, Credential>();
  for (const [key, entry] of Object.entries(fieldsOf(file['auths']))) {
    const credential = readEntry(path, key, fieldsOf(entry));
    if (credential !== undefined) auths.set(plainKey(key), credential);
  }
  const helpers = new Map<string, string>();
  for (const [host, name] of Object.entries(fieldsOf(file['credHelpers']))) {
    if (typeof name === 'string') helpers.set(plainKey(host), name);
  }
  const store = textOf(file['credsStore']);
  return { path, auths, helpers, ...(store && { store }) };
}

/** `https://index.docker.io/v1/` is written `index.docker.io`. */
function plainKey(key: string): string {
  return key
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '');
}

function parseFile(path: string, bytes: Buffer): Fields {
  try {
    return fieldsOf(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw invalid(path, 'something else than JSON'); // the parser's own error quotes the file
  }
}

function readEntry(path: string, key: string, entry: Fields): Credential | undefined {
  const identity = textOf(entry['identitytoken'], MAX_FILE_BYTES);
  if (identity) return { kind: 'identity', token: new Secret(identity) };
  const auth = textOf(entry['auth'], MAX_FILE_BYTES);
  if (!auth) return undefined;
  const pair = Buffer.from(auth, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  if (colon < 1) throw invalid(path, `an entry for ${key} that is not user:password in base64`);
  // docker pads what it writes with zero bytes.
  const password = pair.slice(colon + 1).replace(/\0+$/, '');
  return { kind: 'basic', username: pair.slice(0, colon), password: new Secret(password) };
}

function invalid(path: string, found: string): StowageError {
  return new StowageError('document-invalid', `unreadable registry credentials in ${path}`, {
    expected: 'a file as docker login or podman login writes it',
    found,
    hint: 'fix the file, or remove it and sign in again',
  });
}
