import { mkdtempSync, rmSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A folder for the tests of one file, removed after them. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stowage-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Every file below a folder with its content, what is no file with what it is; sorted by path. */
export async function contents(folder: string): Promise<Record<string, string>> {
  const found: [string, string][] = [];
  for (const path of (await readdir(folder, { recursive: true })).sort()) {
    const status = await lstat(join(folder, path));
    if (status.isDirectory()) continue;
    const text = status.isFile() ? await readFile(join(folder, path), 'latin1') : 'no file';
    found.push([path, text]);
  }
  return Object.fromEntries(found);
}
