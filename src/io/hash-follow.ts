import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { sriFromHex } from '../core/digest.ts';
import {
  type FollowAnswer,
  type FollowTask,
  type PassingTask,
  type Stretch,
  wholeSums,
} from './hash-task.ts';
import { fill, type ReadPlace } from './positioned.ts';
import { IdentityHash, SumsHash } from './running-hashes.ts';

interface Followed {
  readonly file: number;
  readonly path: string;
  readonly hash: IdentityHash | SumsHash;
  done: number;
}

/**
 * Hashes, in order, files while they are written, whose bytes it is given in shared memory or reads back, mostly from the page
 * cache; and bytes that it gets one after the other, in shared memory or in a file.
 * @param buffer shared by all reads
 */
export function createFollower(buffer: Buffer): (task: FollowTask | PassingTask) => FollowAnswer {
  const files = new Map<number, Followed>();
  const passing = new Map<number, Hash>();
  /** What failed, and was not ended yet: it is not begun again. */
  const failed = new Map<number, FollowAnswer>();
  const drop = (id: number): void => {
    const followed = files.get(id);
    if (followed !== undefined) closeSync(followed.file);
    files.delete(id);
    passing.delete(id);
    failed.delete(id);
  };
  const followFile = (task: FollowTask): FollowAnswer => {
    const { follow } = task;
    const followed = files.get(follow) ?? begin(task);
    files.set(follow, followed);
    advance(followed, task, buffer);
    if (task.after === 'wait') return { follow };
    drop(follow);
    return { follow, ...result(followed) };
  };
  const followBytes = ({ follow, bytes, stretch, after }: PassingTask): FollowAnswer => {
    const hash = passing.get(follow) ?? createHash('sha512');
    passing.set(follow, hash);
    if (bytes !== undefined) hash.update(bytes);
    if (stretch !== undefined) readBack(hash, stretch, buffer);
    if (after === 'wait') return { follow };
    drop(follow);
    return { follow, sha512: sriFromHex(hash.digest('hex')) };
  };
  return (task) => {
    const { follow, after } = task;
    const failure = failed.get(follow);
    if (after === 'drop' || (after === 'finish' && failure !== undefined)) drop(follow);
    if (after === 'drop') return { follow };
    if (failure !== undefined) return failure;
    try {
      return 'path' in task ? followFile(task) : followBytes(task);
    } catch (error) {
      drop(follow);
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'EUNKNOWN';
      const answer = { follow, failure: { code, message: String(error) } };
      if (after === 'wait') failed.set(follow, answer);
      return answer;
    }
  };
}

function readBack(hash: Hash, { path, position, length }: Stretch, buffer: Buffer): void {
  const source = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    hashStretch(hash, { source, path, position }, length, buffer);
  } finally {
    closeSync(source);
  }
}

/** Hashes so many bytes from there on. @throws PassError `ESHORT`, or the system's code */
function hashStretch(
  hash: { update(chunk: Uint8Array): unknown },
  { source, path, position }: ReadPlace,
  length: number,
  buffer: Buffer,
): void {
  for (let done = 0; done < length; ) {
    const want = Math.min(buffer.length, length - done);
    hash.update(fill(buffer, want, { source, path, position: position + done }));
    done += want;
  }
}

function begin({ path, kind, from, other }: FollowTask): Followed {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  return {
    ...{ file, path },
    hash: kind === 'identity' ? new IdentityHash(other) : new SumsHash(0),
    done: from,
  };
}

function advance(followed: Followed, { upTo, bytes }: FollowTask, buffer: Buffer): void {
  const { hash, file: source, path, done: position } = followed;
  const stored = upTo - bytes.byteLength - position;
  if (stored < 0) throw new Error(`bytes before ${position} are hashed already`);
  if (stored > 0) hashStretch(hash, { source, path, position }, stored, buffer);
  // In steps that stay in the core's cache.
  for (let from = 0; from < bytes.byteLength; from += buffer.length)
    hash.update(bytes.subarray(from, from + buffer.length));
  followed.done = Math.max(position, upTo);
}

function result({ hash }: Followed): Pick<FollowAnswer, 'identity' | 'sums'> {
  if (hash instanceof IdentityHash) return { identity: hash.finish() };
  return { sums: wholeSums(hash.finish().parts[0]) };
}
