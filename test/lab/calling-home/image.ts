import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Digest, parseDigest } from '../../../src/core/digest.ts';
import { hasGo, runGo } from '../go.ts';
import { beginLayout, writeImage, writeLayer, writeTags } from '../image-layout.ts';
import { outside } from '../outside.ts';
import { capture, run } from '../process.ts';
import { defaultCacheDir } from '../server-image.ts';

/** An image in an OCI layout. */
export interface CallingImage {
  readonly layout: string;
  readonly manifest: Digest;
}

const NODE = join(import.meta.dirname, '../../../node_modules/node/bin/node');
const PACKAGES = ['requests==2.34.2', 'huggingface_hub==2.4.0'];
const LEFT_OUT =
  /\/(?:site-packages|test|tests|idlelib|tkinter|turtledemo|ensurepip|lib2to3|__pycache__|config-[^/]*)$/;
const here = (name: string): string => join(import.meta.dirname, name);

/**
 * An image with Python and Node, and three programs that call home: with requests, huggingface_hub, the fetch of Node, and Go. Made
 * once; needs Python 3.10 or later, Go, and a package index.
 * @returns why this machine cannot have it
 */
export async function callingImage(): Promise<CallingImage | { readonly missing: string }> {
  const layout = join(defaultCacheDir, 'calling-home-2');
  if (!existsSync(layout)) {
    const missing = await makeImage(layout);
    if (missing !== undefined) return { missing };
  }
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
    readonly manifests: readonly { readonly digest: string }[];
  };
  return { layout, manifest: parseDigest(index.manifests[0]?.digest ?? '') };
}

async function makeImage(layout: string): Promise<string | undefined> {
  const python = await findPython();
  if (python === undefined) return 'it needs Python 3.10 or later with pip';
  if (!(await hasGo())) return 'it needs Go';
  mkdirSync(defaultCacheDir, { recursive: true });
  const work = mkdtempSync(join(defaultCacheDir, '.building-'));
  try {
    const root = join(work, 'root');
    for (const name of ['bin', 'app', 'tmp', 'packages'])
      mkdirSync(join(root, name), { recursive: true });
    const pip = ['-m', 'pip', 'install', '--quiet', '--target', join(root, 'packages')];
    await run(python.program, [...pip, ...PACKAGES], { env: outside(), cwd: '/' });
    cpSync(python.library, join(root, 'usr/lib', basename(python.library)), {
      recursive: true,
      filter: (path) => !LEFT_OUT.test(path),
    });
    copyFileSync(NODE, join(root, 'bin/node'));
    copyFileSync(realpathSync(python.program), join(root, 'bin/python3'));
    for (const name of ['server.py', 'update-check.mjs'])
      copyFileSync(here(name), join(root, 'app', name));
    await runGo(import.meta.dirname, ['build', '-o', join(root, 'app/ship-logs'), 'main.go']);
    const compiled = await run('find', [join(root, 'usr'), '-name', '*.so']);
    const programs = ['bin/node', 'bin/python3'].map((each) => join(root, each));
    for (const each of [...programs, ...compiled.trim().split('\n')])
      await copyLibraries(each, root);
    const made = join(work, 'layout');
    beginLayout(made);
    const layers = [await writeLayer(made, root)];
    const home = `PYTHONHOME=/usr`;
    const config = { Env: ['PATH=/bin', home, 'PYTHONPATH=/packages', 'HOME=/tmp'] };
    const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
    writeTags(made, { caller: writeImage(made, { platform, layers, config }) });
    if (!existsSync(layout)) renameSync(made, layout);
    return undefined;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function copyLibraries(program: string, root: string): Promise<void> {
  const { stdout } = await capture('ldd', [program]);
  for (const [, library = ''] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    const target = join(root, library);
    if (library.startsWith(root) || existsSync(target)) continue;
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(realpathSync(library), target);
  }
}

async function findPython(): Promise<
  { readonly program: string; readonly library: string } | undefined
> {
  const ask =
    'import sys, os; import pip; print(os.path.realpath(sys.executable)); print(os.path.dirname(os.__file__)); print(sys.version_info >= (3, 10))';
  for (const name of ['python3.12', 'python3.13', 'python3.11', 'python3']) {
    const found = await capture(name, ['-c', ask], { cwd: '/' }).catch(() => undefined);
    const [program = '', library = '', recent] = (found?.stdout ?? '').trim().split('\n');
    if (found?.status === 0 && recent === 'True') return { program, library };
  }
  return undefined;
}
