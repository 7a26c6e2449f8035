import { createHash } from 'node:crypto';
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { NODE_VERSION, type Platform } from './platforms.ts';
import { run } from './run.ts';

/**
 * Node's executable for a platform, the very bytes that are pinned: the one that the project runs on, or one that
 * npm fetches once and that is kept in `node_modules/.cache/stowage`.
 * @returns its path; it must not be changed
 */
export async function runtime(platform: Platform, root: string): Promise<string> {
  const cache = join(root, 'node_modules/.cache/stowage');
  const kept = join(cache, `${platform.package}-${NODE_VERSION}-${platform.sha256.slice(0, 16)}`);
  for (const path of [join(root, 'node_modules/node/bin/node'), kept])
    if (existsSync(path) && (await sha256(path)) === platform.sha256) return path;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'fetch-'));
  try {
    const fetched = fetchRuntime(platform, folder);
    const found = await sha256(fetched);
    if (found !== platform.sha256)
      throw new Error(
        `bin/node of ${platform.package}@${NODE_VERSION} is not what is pinned: expected SHA-256 ${platform.sha256}, found ${found}`,
      );
    renameSync(fetched, kept);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return kept;
}

function fetchRuntime(platform: Platform, folder: string): string {
  const name = `${platform.package}@${NODE_VERSION}`;
  run('npm', ['pack', name, '--pack-destination', folder, '--loglevel=error'], folder);
  const archive = join(folder, `${platform.package}-${NODE_VERSION}.tgz`);
  run('tar', ['--extract', '--gzip', '--file', archive, 'package/bin/node'], folder);
  const path = join(folder, 'node');
  copyFileSync(join(folder, 'package/bin/node'), path);
  return path;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
