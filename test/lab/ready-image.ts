import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beginLayout, writeImage, writeLayer, writeTags } from './image-layout.ts';
import { pushLayout } from './registry.ts';

/**
 * Pushes the image of a server that says on port 8081 that it is ready, in place of the `/manager` of an operator.
 * @returns its digest
 */
export async function pushReadyImage(folder: string, reference: string): Promise<string> {
  const root = join(folder, 'manager-root');
  const layout = join(folder, 'manager');
  for (const each of ['bin', 'www']) mkdirSync(join(root, each), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  symlinkSync('busybox', join(root, 'bin/sh'));
  const script = '#!/bin/sh\nexec busybox httpd -f -p 8081 -h /www\n';
  writeFileSync(join(root, 'manager'), script, { mode: 0o755 });
  for (const path of ['healthz', 'readyz']) writeFileSync(join(root, 'www', path), 'ok');
  mkdirSync(layout);
  beginLayout(layout);
  const image = writeImage(layout, {
    platform: { os: 'linux', architecture: 'amd64' },
    layers: [await writeLayer(layout, root)],
    config: { User: '10001:10001', Env: ['PATH=/bin'] },
  });
  writeTags(layout, { 1: image });
  return pushLayout(layout, '1', reference);
}
