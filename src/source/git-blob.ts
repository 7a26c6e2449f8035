/**
 * The git object id of a file of `size` bytes: SHA-1 over `blob <size>`, a zero byte, and the file. It only detects
 * damaged transfers; files are identified by their SHA-256.
 */
export function gitBlobHash(size: number): { readonly algorithm: 'sha1'; readonly prefix: string } {
  return { algorithm: 'sha1', prefix: `blob ${size}\0` };
}
