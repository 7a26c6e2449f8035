import { createHash } from 'node:crypto';
import { closeSync, constants, fsyncSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { sriFromHex } from '../core/digest.ts';
import { CRC_SPAN_BYTES, MIB } from '../core/limits.ts';
import { accumulate } from '../parity/field.ts';
import type { CodedSums, CodingInput, CodingOutput, CodingTask, Segment } from './coding-task.ts';
import { attempt, drain, fill, setModeSync } from './positioned.ts';

/** Bytes of each column that are processed at once. Divides a CRC span. */
const SLICE_BYTES = MIB;

/**
 * Runs a coding task on this thread. Needs memory for a slice of each output and one for reading, whatever the length.
 * @param progress called with the bytes read since the last call
 * @returns the sums of each output as it was written
 * @throws PassError
 */
export function runCoding(task: CodingTask, progress: (bytes: number) => void): CodedSums[] {
  const sums = task.outputs.map(() => slice());
  const input = slice();
  const readers = task.inputs.map((each) => new ColumnReader(each));
  const writers = task.outputs.map((each) => new ColumnWriter(each));
  try {
    for (let done = 0; done < task.length; done += SLICE_BYTES) {
      const want = Math.min(SLICE_BYTES, task.length - done);
      for (const sum of sums) sum.fill(0);
      task.inputs.forEach(({ factors }, index) => {
        const bytes = readers[index]?.read(input, want) ?? input.subarray(0, 0);
        factors.forEach((factor, output) => {
          accumulate(sums[output] ?? input, bytes, factor);
        });
        progress(bytes.length);
      });
      writers.forEach((writer, index) => {
        writer.write((sums[index] ?? input).subarray(0, want));
      });
    }
    return writers.map((writer) => writer.finish());
  } finally {
    for (const each of [...readers, ...writers]) each.close();
  }
}

// Not from the pool: four-byte views need an offset that is a multiple of four.
function slice(): Buffer {
  return Buffer.from(new ArrayBuffer(SLICE_BYTES));
}

/** Reads a column from its beginning to its end, one file open at a time. */
class ColumnReader {
  readonly #input: CodingInput;
  #index = 0;
  #within = 0;
  #open: number | undefined;

  constructor(input: CodingInput) {
    this.#input = input;
  }

  /** Up to `want` bytes; fewer at the end of the column, after which zeros are assumed. */
  read(buffer: Buffer, want: number): Buffer {
    let filled = 0;
    while (filled < want) {
      const segment = this.#input.segments[this.#index];
      if (segment === undefined) break;
      const size = Math.min(want - filled, segment.length - this.#within);
      const { path, offset } = segment;
      this.#open ??= attempt(path, () => openSync(path, READ));
      const place = { source: this.#open, path, position: offset + this.#within };
      fill(buffer.subarray(filled), size, place);
      filled += size;
      this.#within += size;
      if (this.#within === segment.length) {
        this.close();
        this.#index += 1;
        this.#within = 0;
      }
    }
    return buffer.subarray(0, filled);
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open);
    this.#open = undefined;
  }
}

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Writes a column to its segments, one file open at a time, and fsyncs each. */
class ColumnWriter {
  readonly #output: CodingOutput;
  readonly #sha512 = createHash('sha512');
  #index = 0;
  #within = 0;
  #open: number | undefined;
  #crc = 0;
  #spanned = 0;
  #crcs = '';

  constructor(output: CodingOutput) {
    this.#output = output;
  }

  write(sum: Buffer): void {
    for (let done = 0; done < sum.length; ) {
      const segment = this.#output.segments[this.#index];
      if (segment === undefined) return;
      const size = Math.min(sum.length - done, segment.length - this.#within);
      if (size > 0) this.#put(segment, sum.subarray(done, done + size));
      done += size;
      if (this.#within < segment.length) continue;
      this.#finishFile();
      this.#index += 1;
      this.#within = 0;
    }
  }

  finish(): CodedSums {
    this.#finishFile();
    if (this.#spanned > 0) this.#endSpan();
    return { sha512: sriFromHex(this.#sha512.digest('hex')), crc32: this.#crcs };
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open);
    this.#open = undefined;
  }

  #put({ path, offset }: Segment, bytes: Buffer): void {
    const flags = this.#output.create ? 'wx' : constants.O_WRONLY | constants.O_NOFOLLOW;
    if (this.#open === undefined) {
      this.#open = attempt(path, () => openSync(path, flags, 0o644));
      if (this.#output.create) setModeSync(this.#open, 0o644);
    }
    const file = this.#open;
    const position = offset + this.#within;
    attempt(path, () => drain(file, bytes, position));
    this.#sha512.update(bytes);
    for (let done = 0; done < bytes.length; ) {
      const size = Math.min(bytes.length - done, CRC_SPAN_BYTES - this.#spanned);
      this.#crc = crc32(bytes.subarray(done, done + size), this.#crc);
      this.#spanned += size;
      done += size;
      if (this.#spanned === CRC_SPAN_BYTES) this.#endSpan();
    }
    this.#within += bytes.length;
  }

  #finishFile(): void {
    const file = this.#open;
    const path = this.#output.segments[this.#index]?.path ?? '';
    if (file !== undefined) attempt(path, () => fsyncSync(file));
    this.close();
  }

  #endSpan(): void {
    this.#crcs += this.#crc.toString(16).padStart(8, '0');
    this.#crc = 0;
    this.#spanned = 0;
  }
}
