import { constants, type Stats } from 'node:fs';
import { type ErrorCode, StowageError } from '../core/error.ts';
import { counted } from '../core/text.ts';

/** A whole file on its way into memory, by reads with promises or without. */
export class BoundedRead {
  /** How the file is opened: not through a link, and without waiting for a pipe's writer. */
  static readonly FLAGS: number = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  readonly #path: string;
  readonly #size: number;
  readonly #buffer: Buffer;
  #filled = 0;
  #ended = false;

  /**
   * @param status of the open file
   * @param tooLarge the code for a file of more than `maxBytes`
   * @throws StowageError `file-kind`, and `tooLarge`
   */
  constructor(path: string, status: Stats, maxBytes: number, tooLarge: ErrorCode) {
    if (!status.isFile()) throw notRegular(path, status);
    const { size } = status;
    if (size > maxBytes) throw oversize(path, size, maxBytes, tooLarge);
    this.#path = path;
    this.#size = size;
    // One byte more than its size: a file that grows is detected, not truncated.
    this.#buffer = Buffer.alloc(size + 1);
  }

  /** Whether nothing is left to read. */
  get ended(): boolean {
    return this.#ended || this.#filled === this.#buffer.length;
  }

  /** The arguments of the next read: the buffer, the offset in it, the number of bytes, and their position in the file. */
  get room(): [buffer: Buffer, offset: number, length: number, position: number] {
    return [this.#buffer, this.#filled, this.#buffer.length - this.#filled, this.#filled];
  }

  /** @param bytesRead the result of that read */
  took(bytesRead: number): void {
    this.#ended = bytesRead === 0;
    this.#filled += bytesRead;
  }

  /** The content. @throws StowageError `io-failed` if the file grew or shrank meanwhile */
  whole(): Buffer {
    if (this.#filled !== this.#size)
      throw oversize(this.#path, this.#filled, this.#size, 'io-failed');
    return this.#buffer.subarray(0, this.#size);
  }
}

function notRegular(path: string, status: Stats): StowageError {
  return new StowageError('file-kind', `${path} is not a regular file`, {
    expected: 'a regular file',
    found: status.isDirectory() ? 'a folder' : 'a device, pipe or socket',
    hint: 'replace it with the file itself',
  });
}

function oversize(path: string, size: number, maxBytes: number, code: ErrorCode): StowageError {
  return new StowageError(code, `${path} is too large`, {
    expected: `at most ${maxBytes} bytes`,
    found: counted(size, 'byte'),
    hint: 'check that this is the right file',
  });
}
