import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { imagePackages } from '../../src/build/sbom/image-packages.ts';
import { parseDigest } from '../../src/core/digest.ts';
import type { LockedImage } from '../../src/format/locked-content.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { storedImage } from '../build/sbom/image.ts';
import { run } from '../lab/process.ts';
import { serverImage } from '../lab/server-image.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const never = new AbortController().signal;

describe('when real images are read', () => {
  it('finds the packages of the inference server', async () => {
    const lab = await serverImage();
    const root = scratch.fresh('store');
    mkdirSync(join(root, 'blobs'), { recursive: true });
    cpSync(join(lab.layout, 'blobs'), join(root, 'blobs'), { recursive: true });
    const store = new BlobStore(root);
    const manifest = parseDigest(lab.imageDigest);
    const platforms = [{ platform: 'linux/amd64', manifest, config: manifest }];
    const image = { name: 'server', platforms } as unknown as LockedImage;
    const [found] = [...(await imagePackages(image, store, never)).values()];
    expect(found?.unread).toEqual([]);
    const names = found?.packages.map(({ name }) => name) ?? [];
    expect(names).toContain('node-llama-cpp');
    expect(found?.packages.every(({ url }) => url.startsWith('pkg:npm/'))).toBe(true);
  });

  it('finds what dpkg finds on a Debian system', async () => {
    const tar = scratch.fresh('debian.tar');
    await run('tar', ['-cf', tar, '-C', '/', 'var/lib/dpkg/status', 'usr/lib/os-release']);
    const { store, image } = await storedImage(scratch.fresh('store'), [
      gzipSync(readFileSync(tar)),
    ]);
    const [found] = [...(await imagePackages(image, store, never)).values()];
    const listed = await run('dpkg-query', [
      '--show',
      '--showformat=${db:Status-Status} ${Package} ${Version} ${Architecture}\n',
    ]);
    const installed = listed
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('installed '))
      .map((line) => line.slice('installed '.length));
    const lines = found?.packages.map(({ name, version, arch }) => `${name} ${version} ${arch}`);
    expect(lines?.toSorted()).toEqual(installed.toSorted());
    expect(lines?.length).toBeGreaterThan(50);
  });
});
