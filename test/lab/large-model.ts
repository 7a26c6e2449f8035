import { closeSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { GGUF_ALIGNMENT, ggufHead } from './gguf.ts';
import { seededBytes } from './random.ts';

export interface LargeModelOptions {
  readonly seed?: number;
  /** Leave the tensor a hole that reads as zeros and takes no room on the disk. */
  readonly sparse?: boolean;
}

const BLOCK = 4 * 1024 * 1024;

/**
 * Writes a file of exactly `bytes` bytes that is a well-formed model of one tensor: safetensors when the
 * path ends so, else GGUF (then `bytes` must be a multiple of 32). No two 4 MiB blocks are alike, and
 * the same options give the same bytes.
 */
export function writeLargeModel(
  path: string,
  bytes: number,
  options: LargeModelOptions = {},
): void {
  const head = path.endsWith('.safetensors') ? safetensorsHead(bytes) : oneTensorGguf(bytes);
  if (bytes <= head.length) throw new RangeError(`a model takes more than ${head.length} bytes`);
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, 'w');
  try {
    writeSync(file, head);
    if (options.sparse === true) ftruncateSync(file, bytes);
    else fill(file, bytes - head.length, options.seed ?? 1);
  } finally {
    closeSync(file);
  }
}

function fill(file: number, bytes: number, seed: number): void {
  const block = seededBytes(seed, BLOCK);
  for (let written = 0, index = 0; written < bytes; index++) {
    block.writeUInt32LE(index, 0);
    written += writeSync(file, block, 0, Math.min(BLOCK, bytes - written));
  }
}

/** The head's length does not depend on the tensor's: sizes are 8-byte integers. */
function oneTensorGguf(bytes: number): Buffer {
  if (bytes % GGUF_ALIGNMENT !== 0) throw new RangeError(`${bytes} is no multiple of 32`);
  const head = (values: number): Buffer =>
    ggufHead(
      {
        'general.architecture': { type: 'string', value: 'llama' },
        'general.alignment': { type: 'u32', value: GGUF_ALIGNMENT },
        'general.license': { type: 'string', value: 'apache-2.0' },
      },
      [{ name: 'token_embd.weight', dims: [values] }],
    );
  return head((bytes - head(0).length) / 4);
}

/** The JSON is padded with spaces to 1 KiB, so that its length is known before the tensor's is. */
function safetensorsHead(bytes: number): Buffer {
  const size = 1024;
  const data = bytes - 8 - size;
  const json = JSON.stringify({
    __metadata__: { format: 'pt' },
    'model.weight': { dtype: 'U8', shape: [data], data_offsets: [0, data] },
  });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(size));
  return Buffer.concat([length, Buffer.from(json.padEnd(size))]);
}
