import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import type { Writable } from 'node:stream';
import { type Interruption, interrupted, StowageError, systemCode } from '../../core/error.ts';
import { MAX_SIGNATURE_BYTES } from '../../core/limits.ts';
import type { SigningRequest } from '../../format/signing-request.ts';

/** A program that has access to the key. */
export interface SignerCommand {
  readonly program: string;
  /** Passed without a shell, and never part of a message. */
  readonly args: readonly string[];
}

export interface SignerCommandOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Receives the program's stderr. */
  readonly stderr: Writable;
}

const KILL_AFTER_MS = 5_000;

/**
 * Runs a program that signs: the bytes to sign go to its stdin, the signature comes from its stdout.
 * Its environment also has `STOWAGE_SIGN_ALGORITHM`, `STOWAGE_SIGN_DIGEST_ALGORITHM`, `STOWAGE_SIGN_DIGEST` (hex of the
 * bytes' hash) and `STOWAGE_SIGN_BUNDLE` (the SHA-512 of `SHA512SUMS`).
 * @throws StowageError `host-unfit` when it cannot be run; `key-invalid` when it fails, times out or prints nothing;
 * `interrupted`
 */
export async function runSignerCommand(
  request: SigningRequest,
  { program, args }: SignerCommand,
  options: SignerCommandOptions,
): Promise<Buffer> {
  const { signal, timeoutMs, stderr } = options;
  if (signal.aborted) throw interrupted(signal, whileSigning(program));
  const env = {
    ...options.env,
    STOWAGE_SIGN_ALGORITHM: request.algorithm,
    STOWAGE_SIGN_DIGEST_ALGORITHM: request.digest.algorithm,
    STOWAGE_SIGN_DIGEST: request.digest.value,
    STOWAGE_SIGN_BUNDLE: request.bundle,
  };
  const child = spawn(program, [...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stderr.pipe(stderr, { end: false });
  child.on('error', () => undefined);
  // A program may ignore its stdin, for example if it signs the digest from its environment.
  child.stdin.on('error', () => undefined);
  child.stdin.end(Buffer.from(request.toBeSigned, 'base64'));

  let stopped: StowageError | undefined;
  let killer: NodeJS.Timeout | undefined;
  const stop = (why: StowageError): void => {
    stopped ??= why;
    child.kill('SIGTERM');
    killer ??= setTimeout(() => {
      child.kill('SIGKILL');
      // Its child processes may keep its output open.
      child.stdout.destroy();
      child.stderr.destroy();
    }, KILL_AFTER_MS);
  };
  const chunks: Buffer[] = [];
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_SIGNATURE_BYTES)
      stop(failed(program, `more than ${MAX_SIGNATURE_BYTES} bytes`));
    else chunks.push(chunk);
  });
  const timer = setTimeout(
    () => stop(failed(program, `still running after ${timeoutMs / 1000} seconds`)),
    timeoutMs,
  );
  const abort = (): void => stop(interrupted(signal, whileSigning(program)));
  signal.addEventListener('abort', abort, { once: true });
  try {
    const [status, by] = (await once(child, 'close')) as [number | null, string | null];
    if (stopped !== undefined) throw stopped;
    if (status === null) throw failed(program, `killed by ${by}`);
    if (status !== 0) throw failed(program, `exit status ${status}`);
    if (bytes === 0) throw failed(program, 'exit status 0 but no signature');
    return Buffer.concat(chunks);
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause;
    throw unstartable(program, cause);
  } finally {
    clearTimeout(timer);
    clearTimeout(killer);
    signal.removeEventListener('abort', abort);
  }
}

function failed(program: string, found: string): StowageError {
  return new StowageError('key-invalid', `the signer command ${basename(program)} did not sign`, {
    expected: 'exit status 0 and a signature on its stdout',
    found,
    hint: 'read its output above; signing/KEYS.md describes its input and output',
  });
}

function unstartable(program: string, cause: unknown): StowageError {
  return new StowageError('host-unfit', `the signer command ${basename(program)} cannot be run`, {
    expected: 'an executable file, or a program in PATH',
    found: systemCode(cause) ?? 'nothing',
    hint: 'check its name and its execute permission; pass arguments with --signer-argument',
    cause,
  });
}

function whileSigning(program: string): Interruption {
  return {
    message: `interrupted while ${basename(program)} was signing`,
    hint: 'run the same command again: nothing was written',
  };
}
