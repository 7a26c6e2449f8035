import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseDigest } from '../../../src/core/digest.ts';
import type { Catalog, CatalogEntry } from '../../../src/depot/catalog.ts';
import type { RenderedImage } from '../../../src/format/containers.ts';
import { beginLayout, writeImage, writeLayer } from '../../lab/image-layout.ts';
import { capture } from '../../lab/process.ts';

/** An image in a layout, and the catalog of a depot that serves it and nothing else. */
export interface ServedImage {
  readonly image: RenderedImage;
  readonly catalog: Catalog;
}

/**
 * Writes an image of this host's own `/bin/sh`, a few programs, and busybox, which serves and asks over HTTP.
 * Nobody but root may write to its `/tmp`, and it declares a volume: what images in the wild get wrong.
 * @param programs more programs, as busybox has them; `perl` as this host has it, with the modules of its own package
 */
export async function shellImage(
  layout: string,
  release: string,
  content = '',
  programs: readonly string[] = [],
): Promise<ServedImage> {
  beginLayout(layout);
  const root = mkdtempSync(join(tmpdir(), 'stowage-shell-'));
  try {
    mkdirSync(join(root, 'tmp'), { recursive: true });
    writeFileSync(join(root, 'content'), content);
    for (const program of ['sh', 'sleep', 'cat', 'id', 'touch', 'busybox'])
      await copyProgram(root, program);
    for (const program of programs)
      if (program === 'perl') await copyPerl(root);
      else symlinkSync('busybox', join(root, 'bin', program));
    const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
    const config = {
      Entrypoint: ['/bin/sh', '-c'],
      Volumes: { '/data': {} },
      StopSignal: 'SIGTERM',
    };
    const layers = [await writeLayer(layout, root)];
    const manifest = writeImage(layout, { platform, layers, config });
    return served(layout, release, manifest.digest, manifest.mediaType);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function copyProgram(root: string, program: string): Promise<void> {
  const path = join('/bin', program);
  const { stdout } = await capture('ldd', [path]); // it fails for busybox, which needs none
  const libraries = stdout.matchAll(/(\/\S+) \(0x/g);
  for (const file of [path, ...[...libraries].map((match) => match[1] ?? '')]) {
    const target = join(root, file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(realpathSync(file), target);
  }
}

async function copyPerl(root: string): Promise<void> {
  await copyProgram(root, 'perl');
  const ask = ['-MIO::Socket::INET', '-e', 'print $INC{"IO/Socket/INET.pm"}'];
  const modules = dirname((await capture('perl', ask)).stdout.replace('/Socket/INET.pm', ''));
  cpSync(modules, join(root, modules), { recursive: true, dereference: true });
}

function served(layout: string, release: string, digest: string, mediaType: string): ServedImage {
  const blobPath = (each: string): string => join(layout, 'blobs', each.replace(':', '/'));
  const manifest = JSON.parse(readFileSync(blobPath(digest), 'utf8')) as {
    config: { digest: string; size: number };
    layers: { digest: string; size: number }[];
  };
  const repository = `${release}/server`;
  const entry: CatalogEntry = {
    repository,
    tags: { '1.0.0': parseDigest(digest) },
    manifests: new Map([[parseDigest(digest), mediaType]]),
    blobs: new Map(
      [manifest.config, ...manifest.layers].map((each) => [parseDigest(each.digest), each.size]),
    ),
  };
  return {
    image: {
      repository,
      manifest: parseDigest(digest),
      config: parseDigest(manifest.config.digest),
      tag: `localhost/stowage/${repository}:1.0.0`,
    },
    catalog: {
      ...{ repositories: () => [entry], models: () => [], releases: () => [], blobPath },
      requireIntact: async () => {},
      linking: (_, work) => work(),
    },
  };
}
