/**
 * The hash by which git knows a file of `size` bytes: SHA-1 over `blob <size>`, a zero byte, and the file. It tells a
 * damaged transfer from a good one; what the bytes are is said by their SHA-256.
 */
export function gitBlobHash(size: number): { readonly algorithm: 'sha1'; readonly prefix: string } {
  return { algorithm: 'sha1', prefix: `blob ${size}\0` };
}
