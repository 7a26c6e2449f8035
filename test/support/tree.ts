import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Everything below a folder, by path: content, link or kind, and mode. Two equal trees compare equal. */
export function tree(folder: string): Record<string, string> {
  const entries: Record<string, string> = {};
  if (!existsSync(folder)) return entries;
  for (const path of (readdirSync(folder, { recursive: true }) as string[]).toSorted()) {
    const place = join(folder, path);
    const status = lstatSync(place);
    const mode = (status.mode & 0o777).toString(8);
    if (status.isSymbolicLink()) entries[path] = `-> ${readlinkSync(place)}`;
    else if (status.isDirectory()) entries[path] = `folder ${mode}`;
    else if (status.size > 100_000_000) entries[path] = `${mode} ${status.size} bytes`;
    else if (status.isFile())
      entries[path] = `${mode} ${createHash('sha256').update(readFileSync(place)).digest('hex')}`;
    else entries[path] = 'special';
  }
  return entries;
}
