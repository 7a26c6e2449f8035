import { createHash, type Hash } from 'node:crypto';

/**
 * The hash by which git knows a file of `size` bytes, to be fed with them: SHA-1 over `blob <size>`, a zero byte,
 * and the file. It tells a damaged transfer from a good one; what the bytes are is said by their SHA-256.
 */
export function gitBlobHash(size: number): Hash {
  return createHash('sha1').update(`blob ${size}\0`);
}
