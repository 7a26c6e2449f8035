import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type FollowAnswer, type FollowTask, wholeSums } from './hash-task.ts';
import { IdentityHash, SumsHash } from './running-hashes.ts';

interface Followed {
  readonly file: number;
  readonly hash: IdentityHash | SumsHash;
  done: number;
}

/**
 * Hashes files while they are written, in order: reads the bytes back, mostly from the page cache.
 * @param buffer shared by all reads
 */
export function createFollower(buffer: Buffer): (task: FollowTask) => FollowAnswer {
  const files = new Map<number, Followed>();
  const drop = (id: number): void => {
    const followed = files.get(id);
    if (followed !== undefined) closeSync(followed.file);
    files.delete(id);
  };
  return (task) => {
    const { follow } = task;
    try {
      if (task.after === 'drop') {
        drop(follow);
        return { follow };
      }
      const followed = files.get(follow) ?? begin(task);
      files.set(follow, followed);
      advance(followed, task.upTo, buffer);
      if (task.after === 'wait') return { follow, done: followed.done };
      drop(follow);
      return { follow, ...result(followed) };
    } catch (error) {
      drop(follow);
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'EUNKNOWN';
      return { follow, failure: { code, message: String(error) } };
    }
  };
}

function begin({ path, kind, from, other }: FollowTask): Followed {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  return {
    file,
    hash: kind === 'identity' ? new IdentityHash(other) : new SumsHash(0),
    done: from,
  };
}

function advance(followed: Followed, upTo: number, buffer: Buffer): void {
  while (followed.done < upTo) {
    const want = Math.min(buffer.length, upTo - followed.done);
    const read = readSync(followed.file, buffer, 0, want, followed.done);
    if (read === 0) throw new Error('the file is shorter than what was written to it');
    followed.hash.update(buffer.subarray(0, read));
    followed.done += read;
  }
}

function result({ hash }: Followed): Pick<FollowAnswer, 'identity' | 'sums'> {
  if (hash instanceof IdentityHash) return { identity: hash.finish() };
  return { sums: wholeSums(hash.finish().parts[0]) };
}
