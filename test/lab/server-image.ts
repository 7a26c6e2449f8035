import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { beginLayout, writeImage, writeLayer } from './image-layout.ts';
import { outside } from './outside.ts';
import { run } from './process.ts';
import { type LayoutImage, oneFileImage, tagBoth } from './tiny-image.ts';

export interface ServerImageOptions {
  /** Default `$XDG_CACHE_HOME/stowage-lab` or `~/.cache/stowage-lab`. */
  readonly cacheDir?: string;
  /** The image's tag and version label; images of two versions share all their layers. Default `1.0`. */
  readonly version?: string;
}

const SERVER_DIR = join(import.meta.dirname, 'inference-server');
const SERVER_FILES = ['server.mjs', 'package.json', 'package-lock.json'] as const;
const NODE = join(import.meta.dirname, '../../node_modules/node/bin/node');
const LOADER = '/lib64/ld-linux-x86-64.so.2';
/** Where the lab keeps what takes long to make. */
export const defaultCacheDir: string = join(
  process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'),
  'stowage-lab',
);

/**
 * Builds the inference server as an image from nothing: node and its libraries, the server's
 * dependencies, the server. The layout is kept under a name that follows from all that went into it,
 * so that only the first call takes long. Needs linux/amd64, tar, npm and a package registry.
 */
export async function serverImage(options: ServerImageOptions = {}): Promise<LayoutImage> {
  if (process.arch !== 'x64') throw new Error('the lab builds its server image on x86-64 only');
  const version = options.version ?? '1.0';
  const cache = options.cacheDir ?? defaultCacheDir;
  const layout = join(cache, `server-image-${version}-${inputsHash()}`);
  const note = join(layout, 'image.json');
  if (!existsSync(note)) {
    mkdirSync(cache, { recursive: true });
    const work = mkdtempSync(join(cache, '.building-'));
    try {
      const image = await build(work, join(work, basename(layout)), version);
      writeFileSync(join(image.layout, 'image.json'), JSON.stringify({ ...image, layout }));
      if (!existsSync(layout)) renameSync(image.layout, layout);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { ...(JSON.parse(readFileSync(note, 'utf8')) as LayoutImage), layout };
}

function inputsHash(): string {
  const sources = [import.meta.filename, join(import.meta.dirname, 'image-layout.ts'), NODE];
  const hash = createHash('sha256');
  for (const file of [...sources, ...SERVER_FILES.map((name) => join(SERVER_DIR, name))]) {
    hash.update(createHash('sha256').update(readFileSync(file)).digest());
  }
  return hash.digest('hex').slice(0, 16);
}

async function build(work: string, layout: string, version: string): Promise<LayoutImage> {
  const [runtime, dependencies, server] = ['runtime', 'dependencies', 'server'].map((name) =>
    join(work, name),
  ) as [string, string, string];
  beginLayout(layout);
  await Promise.all([layRuntime(runtime), layDependencies(dependencies)]);
  mkdirSync(join(server, 'app'), { recursive: true });
  for (const name of ['server.mjs', 'package.json']) {
    copyFileSync(join(SERVER_DIR, name), join(server, 'app', name));
  }
  const layers = await Promise.all(
    [runtime, dependencies, server].map((folder) => writeLayer(layout, folder)),
  );
  const platform = { os: 'linux', architecture: 'amd64' };
  const image = writeImage(layout, {
    platform,
    layers,
    config: {
      User: '10001:10001',
      ExposedPorts: { '8000/tcp': {} },
      Env: ['PATH=/bin', 'LANG=C.UTF-8', 'HOME=/tmp', 'HOST=0.0.0.0', 'PORT=8000'],
      Entrypoint: ['/bin/node', '/app/server.mjs'],
      WorkingDir: '/app',
      StopSignal: 'SIGTERM',
      Labels: {
        'org.opencontainers.image.title': 'tiny-llm-server',
        'org.opencontainers.image.version': version,
      },
    },
  });
  const other = await oneFileImage(layout, { os: 'linux', architecture: 'arm64' }, 'no server');
  return tagBoth(layout, version, image, [image, other]);
}

/** node, the libraries that it names, the loader, and folders that a read-only root can be mounted over. */
async function layRuntime(root: string): Promise<void> {
  for (const folder of ['bin', 'tmp', 'models', 'etc']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  writeFileSync(join(root, 'etc/passwd'), 'server:x:10001:10001::/tmp:/bin/false\n');
  copyFileSync(NODE, join(root, 'bin/node'));
  const libraries = (await run('ldd', [NODE])).matchAll(/(\/\S+\.so\S*) \(0x/g);
  for (const [, library = ''] of libraries) {
    const target = join(root, library);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(library, target);
  }
  if (!existsSync(join(root, LOADER))) throw new Error(`node does not name ${LOADER}`);
}

async function layDependencies(root: string): Promise<void> {
  const app = join(root, 'app');
  mkdirSync(app, { recursive: true });
  for (const name of SERVER_FILES) copyFileSync(join(SERVER_DIR, name), join(app, name));
  // Not `npm ci`: it insists on an entry for every platform's binaries, and some registries lack some.
  const flags = ['--no-save', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...flags], {
    cwd: app,
    env: { ...outside(), NODE_LLAMA_CPP_SKIP_DOWNLOAD: 'true' },
  });
  for (const name of SERVER_FILES) rmSync(join(app, name));
  await prune(join(app, 'node_modules'));
}

/** Removes what nothing reads at run time: types, maps, texts, and llama.cpp's sources. */
async function prune(modules: string): Promise<void> {
  const llama = join(modules, 'node-llama-cpp');
  for (const name of ['.bin', '.package-lock.json']) {
    rmSync(join(modules, name), { recursive: true, force: true });
  }
  for (const name of ['templates', 'bins', 'llama/gitRelease.bundle', 'llama/addon']) {
    rmSync(join(llama, name), { recursive: true, force: true });
  }
  const unread = ['*.d.ts', '*.d.mts', '*.d.cts', '*.map', '*.md', '*.ts'];
  const names = unread.flatMap((pattern) => ['-o', '-name', pattern]).slice(1);
  await run('find', [modules, '-type', 'f', '(', ...names, ')', '-delete']);
}
