import { spawn } from 'node:child_process';
import type { Environment } from '../core/context.ts';
import { interrupted, StowageError } from '../core/error.ts';
import { fieldsOf, textOf } from '../core/json.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
const TIMEOUT_MS = 30_000;
const NOT_FOUND = 'credentials not found in native keychain';

export interface HelperAnswer {
  readonly username: string;
  readonly secret: string;
}

/**
 * Asks `docker-credential-<name> get` for a server, as docker does: the server on standard input, JSON on standard
 * output. Undefined when it knows none. What the helper says is kept out of errors.
 * @throws StowageError `source-denied` when it fails, `interrupted`
 */
export async function askHelper(
  name: string,
  server: string,
  env: Environment,
  signal: AbortSignal,
): Promise<HelperAnswer | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) throw broken(name, server, 'no such name');
  const { status, stdout } = await runHelper(`docker-credential-${name}`, server, env, signal);
  if (status !== 0) {
    if (stdout.toString('utf8').includes(NOT_FOUND)) return undefined;
    throw broken(name, server, typeof status === 'number' ? `status ${status}` : status);
  }
  const answer = fieldsOf(parse(stdout));
  const username = textOf(answer['Username']);
  const secret = textOf(answer['Secret'], MAX_ANSWER_BYTES);
  if (username === undefined || secret === undefined) {
    throw broken(name, server, 'an answer without Username and Secret');
  }
  return username === '' && secret === '' ? undefined : { username, secret };
}

function runHelper(
  program: string,
  server: string,
  env: Environment,
  signal: AbortSignal,
): Promise<{ status: number | string; stdout: Buffer }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const child = spawn(program, ['get'], { env: { ...env }, stdio: ['pipe', 'pipe', 'ignore'] });
    // What the helper started may hold its output open, and is not waited for.
    const giveUp = (status: string): void => {
      child.kill();
      child.stdout.destroy();
      end(status);
    };
    const onAbort = (): void => giveUp('interrupted');
    const timer = setTimeout(() => giveUp(`no answer for ${TIMEOUT_MS / 1000} s`), TIMEOUT_MS);
    const end = (status: number | string): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (signal.aborted) reject(interrupted(signal));
      else resolve({ status, stdout: Buffer.concat(chunks) });
    };
    signal.addEventListener('abort', onAbort, { once: true });
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) giveUp(`more than ${MAX_ANSWER_BYTES} bytes`);
      else chunks.push(chunk);
    });
    child.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'no start'));
    child.on('close', (code, killedBy) => end(code ?? killedBy ?? 'unknown'));
    child.stdin.on('error', () => {}); // a helper that does not read says the rest by its status
    child.stdin.end(server);
  });
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function broken(name: string, server: string, found: string): StowageError {
  const program = `docker-credential-${name.slice(0, 64)}`;
  return new StowageError('source-denied', `${program} gave no credentials for ${server}`, {
    expected: 'a user name and a secret, or its message that it has none',
    found,
    hint: `run echo ${server} | ${program} get to see its message; or sign in again`,
  });
}
