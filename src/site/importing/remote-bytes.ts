import { createHash } from 'node:crypto';
import type { RemoteFile } from '../../bundle/remote-bundle.ts';
import { type Digest, digestFromHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { counted } from '../../core/text.ts';

/** How often a transfer is resumed without a byte of progress. */
const FRUITLESS_TRIES = 3;

/** The bytes of one file of another host, in order. Each chunk is valid until the next one is requested. */
export interface RemoteBytes extends AsyncIterable<Uint8Array> {
  /** SHA-256 of the bytes so far; undefined for a host that lists none. */
  digest(): Digest | undefined;
  /** Closes the connection, unless everything was read. */
  close(): Promise<void>;
}

/**
 * Reads a file of another host, and resumes where a connection broke off. Never yields more bytes than the file is listed
 * with.
 * @throws StowageError as {@link RemoteFile.open}; `stream-ended` if the host sends fewer bytes
 */
export function readRemote(file: RemoteFile, signal: AbortSignal): RemoteBytes {
  const hash = file.digest === undefined ? undefined : createHash('sha256');
  async function* read(): AsyncGenerator<Uint8Array, void, undefined> {
    let [offset, failures] = [0, 0];
    while (offset < file.size) {
      const begun = offset;
      try {
        for await (const chunk of file.open(offset, signal)) {
          const bytes = chunk.subarray(0, file.size - offset);
          // More than it is listed with.
          if (bytes.length === 0) return;
          offset += bytes.length;
          hash?.update(bytes);
          yield bytes;
        }
        // Not before: a connection whose end was not read stays open.
        if (offset === file.size) return;
        throw ended(file, offset);
      } catch (error) {
        failures = offset > begun ? 0 : failures + 1;
        if (!isBroken(error) || failures >= FRUITLESS_TRIES) throw error;
      }
    }
  }
  const bytes = read();
  return {
    [Symbol.asyncIterator]: () => bytes,
    close: async () => void (await bytes.return()),
    digest: () => (hash === undefined ? undefined : digestFromHex(hash.copy().digest('hex'))),
  };
}

function isBroken(error: unknown): boolean {
  return (
    error instanceof StowageError &&
    ['source-unreachable', 'registry-unreachable', 'stream-ended'].includes(error.code)
  );
}

function ended({ path, size }: RemoteFile, offset: number): StowageError {
  return new StowageError('stream-ended', `the other host sent too little of ${path}`, {
    expected: counted(size, 'byte'),
    found: counted(offset, 'byte'),
    hint: 'check the other host, then run the same command again: finished parts are kept',
  });
}
