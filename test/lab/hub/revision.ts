import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** A file of a repository as the Hub knows it. */
export interface HubFile {
  /** Relative, with forward slashes. */
  readonly path: string;
  /** Where its bytes are on this disk. */
  readonly source: string;
  readonly size: number;
  /** The git blob's SHA-1: of the bytes, or of the LFS pointer. */
  readonly oid: string;
  /** What the scanners say of it; `safe` where nothing is said. */
  readonly scan?: string;
  readonly lfs?: { readonly sha256: string; readonly pointerSize: number };
}

/** One commit of a repository: a folder as it was when it was read. */
export interface Revision {
  /** 40 hex digits that follow from the names and contents of the files. */
  readonly commit: string;
  readonly files: ReadonlyMap<string, HubFile>;
}

const LFS_THRESHOLD_BYTES = 10_000;
const LFS_NAME = /\.(gguf|safetensors|bin|pt|pth)$/;

/** Reads a folder into a revision. Every file is hashed by streaming, once for its size and time. */
export async function readRevision(folder: string): Promise<Revision> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const files = new Map<string, HubFile>();
  for (const source of paths.sort()) {
    const path = source.slice(folder.length).replace(/^\/+/, '');
    files.set(path, await describeFile(path, source));
  }
  const listing = [...files.values()].map((file) => `${file.oid} ${file.size} ${file.path}\n`);
  return { commit: sha1('commit', listing.join('')), files };
}

async function describeFile(path: string, source: string): Promise<HubFile> {
  const { size } = await stat(source);
  if (size <= LFS_THRESHOLD_BYTES && !LFS_NAME.test(path)) {
    return { path, source, size, oid: await hashFile(source, 'sha1', `blob ${size}\0`) };
  }
  const sha256 = await hashFile(source, 'sha256', '');
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`;
  const lfs = { sha256, pointerSize: pointer.length };
  return { path, source, size, oid: sha1('blob', pointer), lfs };
}

const known = new Map<string, string>();

async function hashFile(source: string, algorithm: string, prefix: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(source, { bigint: true });
  const key = [algorithm, source, size, mtimeNs, ino].join(' ');
  const cached = known.get(key);
  if (cached !== undefined) return cached;
  const hash = createHash(algorithm).update(prefix);
  await pipeline(createReadStream(source, { highWaterMark: 1024 * 1024 }), hash);
  const hex = hash.digest('hex');
  known.set(key, hex);
  return hex;
}

/** The SHA-1 that git gives an object of this kind and content. */
export function sha1(kind: string, content: string): string {
  const bytes = Buffer.from(content);
  return createHash('sha1').update(`${kind} ${bytes.length}\0`).update(bytes).digest('hex');
}
