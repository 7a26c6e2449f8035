import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beginLayout, writeImage, writeLayer, writeTags } from './image-layout.ts';
import { pushLayout } from './registry.ts';

/** Pushes an image of busybox and a name for each of these programs: a release carries it to fill a volume. */
export async function pushShellImage(
  folder: string,
  reference: string,
  programs: readonly string[],
): Promise<void> {
  const root = join(folder, 'root');
  const layout = join(folder, 'layout');
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(layout);
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of programs) symlinkSync('busybox', join(root, 'bin', name));
  beginLayout(layout);
  const image = writeImage(layout, {
    platform: { os: 'linux', architecture: 'amd64' },
    layers: [await writeLayer(layout, root)],
    config: { User: '10001:10001', Env: ['PATH=/bin'] },
  });
  writeTags(layout, { 1: image });
  await pushLayout(layout, '1', reference);
}
