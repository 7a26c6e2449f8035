import { dirname } from 'node:path';
import { StowageError } from '../core/error.ts';
import { fieldsOf, textOf } from '../core/json.ts';
import { MIB } from '../core/limits.ts';
import { readBounded, writeAtomic } from '../io/file.ts';
import { makeFolder } from '../io/folder.ts';
import type { Sessions } from './push-blob.ts';

const MAX_BYTES: number = MIB;

/** Interrupted uploads in a file that only its owner can read, so that the next run resumes them. */
export async function openSessions(path: string): Promise<Sessions> {
  const known = new Map(Object.entries(await read(path)));
  return {
    get: (key) => known.get(key),
    set: async (key, location) => {
      if (known.get(key) === location) return;
      if (location === undefined) known.delete(key);
      else known.set(key, location);
      await makeFolder(dirname(path), 0o700);
      await writeAtomic(path, Buffer.from(JSON.stringify(Object.fromEntries(known))), 0o600);
    },
  };
}

/** Empty if the file is absent or unreadable: uploads then start again. */
async function read(path: string): Promise<Record<string, string>> {
  try {
    const fields = fieldsOf(JSON.parse((await readBounded(path, MAX_BYTES)).toString('utf8')));
    const entries = Object.entries(fields).flatMap(([key, value]): [string, string][] => {
      const text = textOf(value);
      return text === undefined || !URL.canParse(text) ? [] : [[key, text]];
    });
    return Object.fromEntries(entries);
  } catch (error) {
    if (error instanceof StowageError || error instanceof SyntaxError) return {};
    throw error;
  }
}
