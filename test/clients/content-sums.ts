import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** SHA-256 of every file below a folder by its path, following links, except the clients' own metadata. */
export function contentSums(folder: string): Record<string, string> {
  const sums: Record<string, string> = {};
  for (const path of readdirSync(folder, { recursive: true }) as string[]) {
    const place = join(folder, path);
    if (path.startsWith('.cache') || !statSync(place).isFile()) continue;
    sums[path] = createHash('sha256').update(readFileSync(place)).digest('hex');
  }
  return sums;
}
