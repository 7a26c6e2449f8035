import { isDigest, isSri } from '../core/digest.ts';
import { CRC_SPAN_BYTES, MAX_BUNDLE_FILES } from '../core/limits.ts';
import { pathCollision, pathDefect } from '../core/safe-path.ts';
import { partPath } from './part.ts';

interface Lists {
  readonly blobs: readonly object[];
  readonly models: readonly { readonly files: readonly object[] }[];
}

/** The index of a bundle without its long lists, which were already checked. */
export interface WithoutLists {
  /** The index for the schema, with lists of minimal length. */
  readonly rest: object;
  /** Adds the lists to the result of the schema. */
  putBack<T extends Lists>(checked: T): T;
}

type Members = Readonly<Record<string, unknown>>;

/**
 * Removes the blobs with their parts, and the files of models, from an index that is not validated yet. Undefined unless
 * every entry satisfies the schema; only own members count.
 */
export function takeLongLists(value: unknown): WithoutLists | undefined {
  if (!isMembers(value)) return undefined;
  const { blobs, models } = value;
  if (!Array.isArray(blobs) || blobs.length > MAX_BUNDLE_FILES || !blobs.every(isBlob))
    return undefined;
  if (!Array.isArray(models)) return undefined;
  const folders: (readonly object[])[] = [];
  const short: object[] = [];
  for (const model of models) {
    if (!isMembers(model) || !isFolder(model['files'])) return undefined;
    folders.push(model['files']);
    short.push({ ...model, files: model['files'].slice(0, 1) });
  }
  const putBack = <T extends Lists>(checked: T): T => ({
    ...checked,
    models: checked.models.map((each, at) => ({ ...each, files: folders[at] ?? each.files })),
    blobs,
  });
  return { rest: { ...value, blobs: [], models: short }, putBack };
}

const BLOB = new Set(['digest', 'parts', 'size']);
const PART = new Set(['crc32', 'offset', 'path', 'sha512', 'size']);
const FILE = new Set(['digest', 'gitOid', 'path', 'size']);
const CRC = /^[0-9a-f]*$/;
const GIT_OID = /^[0-9a-f]{40}$/;

function isBlob(value: unknown): boolean {
  if (!isMembers(value) || !hasOnly(value, BLOB, 3)) return false;
  const { digest, parts, size } = value;
  if (typeof digest !== 'string' || !isDigest(digest) || !isBytes(size)) return false;
  if (!Array.isArray(parts) || parts.length === 0) return false;
  const hex = digest.slice('sha256:'.length);
  let offset = 0;
  for (const [index, part] of parts.entries()) {
    // A path made from a digest is safe.
    const path = partPath(hex, parts.length === 1 ? undefined : index);
    if (!isPart(part, path, offset)) return false;
    offset += part.size;
  }
  return offset === size;
}

function isPart(value: unknown, path: string, offset: number): value is { readonly size: number } {
  if (!isMembers(value) || !hasOnly(value, PART, 5)) return false;
  const { crc32, sha512, size } = value;
  return (
    value['path'] === path &&
    value['offset'] === offset &&
    isBytes(size) &&
    typeof sha512 === 'string' &&
    isSri(sha512) &&
    typeof crc32 === 'string' &&
    crc32.length === 8 * Math.ceil(size / CRC_SPAN_BYTES) &&
    CRC.test(crc32)
  );
}

function isFolder(value: unknown): value is readonly { readonly path: string }[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 100_000) return false;
  return value.every(isFile) && pathCollision(value.map(({ path }) => path)) === undefined;
}

function isFile(value: unknown): value is { readonly path: string } {
  if (!isMembers(value)) return false;
  const { digest, gitOid, path, size } = value;
  const gitOidSound = typeof gitOid === 'string' && GIT_OID.test(gitOid);
  return (
    hasOnly(value, FILE, gitOidSound ? 4 : 3) &&
    (gitOidSound || !Object.hasOwn(value, 'gitOid')) &&
    typeof digest === 'string' &&
    isDigest(digest) &&
    isBytes(size) &&
    typeof path === 'string' &&
    pathDefect(path) === undefined
  );
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value has exactly `count` own members, all of them known, so that none is inherited. */
function hasOnly(value: Members, known: ReadonlySet<string>, count: number): boolean {
  const keys = Object.keys(value);
  if (keys.length !== count) return false;
  for (const key of keys) if (!known.has(key)) return false;
  return true;
}

function isBytes(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
