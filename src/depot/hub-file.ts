import { createHash } from 'node:crypto';
import { type Digest, digestHex } from '../core/digest.ts';
import type { CatalogFile } from './catalog.ts';

/** A file of a repository as the Hub describes it. */
export interface HubFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly digest: Digest;
  /** The SHA-1 that git has for it: of its bytes, or of its LFS pointer. */
  readonly oid: string;
  /** Of a file in LFS: the SHA-256 of its bytes in hex, and the bytes of its pointer. */
  readonly lfs?: { readonly oid: string; readonly pointerSize: number };
  /** What clients know the bytes by, and name them by in their cache: SHA-256 for LFS, git's SHA-1 otherwise. */
  readonly etag: string;
}

/**
 * Describes a file of the catalog. One without a git blob id was in LFS; its pointer has one form only
 * (git-lfs, docs/spec.md), so that the pointer's id can be calculated.
 */
export function hubFile({ path, size, digest, gitOid }: CatalogFile): HubFile {
  if (gitOid !== undefined) return { path, size, digest, oid: gitOid, etag: gitOid };
  const sha256 = digestHex(digest);
  const pointer = pointerOf(sha256, size);
  const lfs = { oid: sha256, pointerSize: pointer.length };
  return { path, size, digest, oid: gitId('blob', pointer), lfs, etag: sha256 };
}

/** What git has in place of a file in LFS. */
export function pointerOf(sha256: string, size: number): Buffer {
  return Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`,
  );
}

/** The id that git gives an object of a kind. */
export function gitId(kind: 'blob' | 'tree', content: Uint8Array): string {
  return createHash('sha1').update(`${kind} ${content.length}\0`).update(content).digest('hex');
}
