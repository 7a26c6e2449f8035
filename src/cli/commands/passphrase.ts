import { read } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { interrupted, StowageError, systemCode } from '../../core/error.ts';
import { ioError, readNamed } from '../../io/file.ts';
import { type CommandContext, usage } from '../command.ts';
import { askPassphrase } from './passphrase-prompt.ts';

/** Sources of a passphrase; never an argument or an environment variable, which others can read. */
export interface PassphraseOptions {
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
}

/** The limit of OpenSSL. */
const MAX_PASSPHRASE_BYTES = 1024;
const LINE_FEED = 0x0a;
/** How long to wait before reading a non-blocking descriptor again. */
const RETRY_MS = 20;
const readFrom = promisify(read);
const whileReading = {
  message: 'interrupted while reading the passphrase',
  hint: 'run the same command again: nothing was written',
};

/**
 * The passphrase of an existing key: from the options or, for an encrypted key, from a prompt.
 * @param key the PEM file
 * @returns undefined if the key needs none, or without a terminal
 */
export async function passphraseOf(
  key: Buffer,
  file: string,
  options: PassphraseOptions,
  context: CommandContext,
): Promise<Buffer | undefined> {
  const given = await givenPassphrase(options, context);
  if (given !== undefined) return given;
  if (!key.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')) return undefined;
  const typed = await askPassphrase(`Passphrase for ${file}: `, context);
  return typed === undefined ? undefined : checked(typed, 'the typed line');
}

/**
 * The passphrase for new keys: from the options, or typed twice.
 * @throws StowageError `key-invalid` if the two differ; `usage-invalid` without a terminal
 */
export async function newPassphrase(
  options: PassphraseOptions & { readonly encrypt?: boolean },
  context: CommandContext,
): Promise<Buffer | undefined> {
  const given = await givenPassphrase(options, context);
  if (given !== undefined || options.encrypt !== true) return given;
  const first = await askPassphrase('Passphrase for the new keys: ', context);
  const second = first && (await askPassphrase('Repeat the passphrase: ', context));
  if (first === undefined || second === undefined)
    throw usage(
      '--encrypt needs a passphrase',
      'a terminal, --passphrase-file or --passphrase-fd',
      'none of them',
    );
  const same = first.equals(second);
  second.fill(0);
  if (same) return checked(first, 'the typed line');
  first.fill(0);
  throw refuse('two passphrases that differ', 'the same passphrase twice');
}

async function givenPassphrase(
  options: PassphraseOptions,
  context: CommandContext,
): Promise<Buffer | undefined> {
  const { passphraseFile: file, passphraseFd: descriptor } = options;
  if (file !== undefined && descriptor !== undefined)
    throw usage('conflicting options', '--passphrase-file or --passphrase-fd', 'both');
  if (file !== undefined)
    return checked(
      firstLine(await readNamed(context.path(file), 4 * MAX_PASSPHRASE_BYTES)),
      'the first line of the file',
    );
  if (descriptor === undefined) return undefined;
  const bytes = await (descriptor === 0
    ? readStream(context)
    : readDescriptor(descriptor, context.signal));
  return checked(firstLine(bytes), `the first line of descriptor ${descriptor}`);
}

// Node already has a stream open for descriptor 0.
async function readStream({ terminal, signal }: CommandContext): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const { stdin } = terminal;
  const abort = (): void => void stdin.destroy(interrupted(signal, whileReading));
  signal.addEventListener('abort', abort, { once: true });
  try {
    for await (const chunk of stdin) {
      chunks.push(Buffer.from(chunk));
      if (chunks.at(-1)?.includes(LINE_FEED) === true || size(chunks) > MAX_PASSPHRASE_BYTES) break;
    }
  } finally {
    signal.removeEventListener('abort', abort);
  }
  return Buffer.concat(chunks);
}

async function readDescriptor(descriptor: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  while (size(chunks) <= MAX_PASSPHRASE_BYTES) {
    if (signal.aborted) throw interrupted(signal, whileReading);
    const chunk = Buffer.alloc(MAX_PASSPHRASE_BYTES);
    try {
      const { bytesRead } = await readFrom(descriptor, chunk, 0, chunk.length, null);
      if (bytesRead === 0) break;
      chunks.push(chunk.subarray(0, bytesRead));
      if (chunks.at(-1)?.includes(LINE_FEED) === true) break;
    } catch (error) {
      if (systemCode(error) === 'EBADF')
        throw usage('--passphrase-fd is not open', 'an open file descriptor', `${descriptor}`);
      if (systemCode(error) !== 'EAGAIN') throw ioError(error, `descriptor ${descriptor}`);
      await delay(RETRY_MS);
    }
  }
  return Buffer.concat(chunks);
}

function size(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

function firstLine(bytes: Buffer): Buffer {
  const end = bytes.indexOf(LINE_FEED);
  return end === -1 ? bytes : bytes.subarray(0, end);
}

function checked(passphrase: Buffer, where: string): Buffer {
  if (passphrase.length === 0) throw refuse(`${where} is empty`, 'a passphrase');
  if (passphrase.length <= MAX_PASSPHRASE_BYTES) return passphrase;
  throw refuse(`${where} is longer`, `a passphrase of at most ${MAX_PASSPHRASE_BYTES} bytes`);
}

function refuse(found: string, expected: string): StowageError {
  return new StowageError('key-invalid', 'invalid passphrase', {
    expected,
    found,
    hint: 'give the passphrase at a terminal, or on the first line of --passphrase-file or --passphrase-fd; an unencrypted key needs none',
  });
}
