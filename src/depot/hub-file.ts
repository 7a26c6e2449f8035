import { createHash } from 'node:crypto';
import { type Digest, digestHex } from '../core/digest.ts';
import type { CatalogFile } from './catalog.ts';

/** A file of a repository as the Hub describes it. */
export interface HubFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly digest: Digest;
  /** Its SHA-1 in git: of its bytes, or of its LFS pointer. */
  readonly oid: string;
  /** For a file in LFS: the SHA-256 of its bytes in hex, and the bytes of its pointer. */
  readonly lfs?: { readonly oid: string; readonly pointerSize: number };
  /** Its ETag, which is also its name in a client's cache: SHA-256 for LFS, git's SHA-1 otherwise. */
  readonly etag: string;
}

/**
 * Describes a file of the catalog. A file without a git blob id was in LFS; its pointer has only one form
 * (git-lfs, docs/spec.md), so its id can be calculated.
 */
export function hubFile({ path, size, digest, gitOid }: CatalogFile): HubFile {
  if (gitOid !== undefined) return { path, size, digest, oid: gitOid, etag: gitOid };
  const sha256 = digestHex(digest);
  const pointer = pointerOf(sha256, size);
  const lfs = { oid: sha256, pointerSize: pointer.length };
  return { path, size, digest, oid: gitId('blob', pointer), lfs, etag: sha256 };
}

/** The pointer that git stores for a file in LFS. */
export function pointerOf(sha256: string, size: number): Buffer {
  return Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`,
  );
}

/** The git object id of a blob or tree. */
export function gitId(kind: 'blob' | 'tree', content: Uint8Array): string {
  return createHash('sha1').update(`${kind} ${content.length}\0`).update(content).digest('hex');
}
