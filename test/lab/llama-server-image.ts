import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beginLayout, writeImage, writeLayer } from './image-layout.ts';
import { llamaServerFolder } from './llama-server.ts';
import { run } from './process.ts';
import { defaultCacheDir } from './server-image.ts';
import { type LayoutImage, oneFileImage, tagBoth } from './tiny-image.ts';

/** Where the image of llama.cpp's makers has the program and its libraries. */
const APP = 'app';
/** The program, and its libraries by the names that the loader looks for. */
const USED = /^(?:llama-server|libllama-server-impl\.so|lib[a-z-]+\.so\.\d+)$/;

/**
 * llama-server as an image from nothing but its libraries and those of this host that it names: 78 MB, 29 MB compressed. The
 * layout is made once.
 * @throws Error if llama-server cannot be downloaded, or this host lacks a library that it names
 */
export async function llamaServerImage(): Promise<LayoutImage> {
  const layout = join(defaultCacheDir, 'llama-server-image-3');
  const note = join(layout, 'image.json');
  if (existsSync(note))
    return { ...(JSON.parse(readFileSync(note, 'utf8')) as LayoutImage), layout };
  const folder = await llamaServerFolder();
  const work = mkdtempSync(join(defaultCacheDir, '.building-'));
  try {
    const root = join(work, 'root');
    for (const name of [APP, 'tmp', 'models']) mkdirSync(join(root, name), { recursive: true });
    const named = readdirSync(folder).filter((each) => USED.test(each));
    for (const name of named) copyFileSync(realpathSync(join(folder, name)), join(root, APP, name));
    const libraries = new Set<string>();
    for (const name of named) {
      const listed = await run('ldd', [join(root, APP, name)], {
        env: { ...process.env, LD_LIBRARY_PATH: folder },
      });
      const [missing] = /\S+ => not found/.exec(listed) ?? [];
      if (missing !== undefined)
        throw new Error(`a library of llama-server is missing: ${missing}`);
      for (const [, library = ''] of listed.matchAll(/(\/\S+\.so\S*) \(0x/g))
        if (!library.startsWith(folder)) libraries.add(library);
    }
    for (const library of libraries) {
      const target = join(root, library);
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(realpathSync(library), target);
    }
    const made = join(work, 'layout');
    beginLayout(made);
    const layers = [await writeLayer(made, root)];
    const config = {
      User: '10001:10001',
      ExposedPorts: { '8080/tcp': {} },
      Entrypoint: [`/${APP}/llama-server`],
      Env: ['PATH=/app', 'HOME=/tmp', `LD_LIBRARY_PATH=/${APP}`, 'LLAMA_ARG_HOST=0.0.0.0'],
      WorkingDir: `/${APP}`,
    };
    const platform = { os: 'linux', architecture: 'amd64' };
    const image = writeImage(made, { platform, layers, config });
    const other = await oneFileImage(made, { os: 'linux', architecture: 'arm64' }, 'no server');
    writeFileSync(
      join(made, 'image.json'),
      JSON.stringify(tagBoth(made, '1.0', image, [image, other])),
    );
    if (!existsSync(layout)) renameSync(made, layout);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return llamaServerImage();
}
