import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Platform } from './platforms.ts';

/**
 * An installer that was made of the same inputs before, out of `node_modules/.cache/stowage`; made now and kept
 * there when there is none.
 * @param make writes it to the path that it is given
 */
export function madeBefore(
  root: string,
  { platform, blob, output }: { platform: Platform; blob: string; output: string },
  make: (path: string) => void,
): void {
  const cache = join(root, 'node_modules/.cache/stowage', basename(output));
  const kept = join(cache, inputsOf(root, platform, blob));
  if (!existsSync(kept)) {
    mkdirSync(cache, { recursive: true });
    for (const old of globSync('*', { cwd: cache })) rmSync(join(cache, old));
    make(kept);
  }
  mkdirSync(dirname(output), { recursive: true });
  // Another build may run at the same time: what is there is always whole.
  const temporary = `${output}.${process.pid}.partial`;
  copyFileSync(kept, temporary);
  renameSync(temporary, output);
}

/** A digest of all that goes into an installer, and of the tools that put it together. */
function inputsOf(root: string, platform: Platform, blob: string): string {
  const { stdout } = spawnSync(platform.strip, ['--version'], { encoding: 'utf8' });
  return createHash('sha256')
    .update(readFileSync(blob))
    .update(`${platform.sha256}\n${stdout}\n`)
    .update(readFileSync(join(root, 'node_modules/postject/package.json')))
    .update(readFileSync(new URL('./executable.ts', import.meta.url)))
    .digest('hex');
}
