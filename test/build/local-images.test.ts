import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import type { Lock } from '../../src/format/lock.ts';
import { skopeo } from '../lab/skopeo.ts';
import { type LayoutImage, tinyImage } from '../lab/tiny-image.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder(true);
const made = join(scratch.root, 'made');
let image: LayoutImage;
let cwd: string;

beforeAll(async () => {
  mkdirSync(made, { recursive: true });
  image = await tinyImage(join(made, 'layout'));
  const one = `oci:${image.layout}:${image.imageTag}`;
  await skopeo([
    'copy',
    '--quiet',
    '--all',
    `oci:${image.layout}:1.0`,
    `oci-archive:${made}/both.tar:1.0`,
  ]);
  await skopeo(['copy', '--quiet', one, `docker-archive:${made}/saved.tar:docker.io/acme/app:1.0`]);
});

beforeEach(() => {
  cwd = scratch.fresh('cwd');
  cpSync(made, cwd, { recursive: true });
});

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(args, cwd, { env: { STOWAGE_STORE: join(cwd, 'store') } });
const lock = (source: string, fields: object = {}, more: object = {}): Promise<Ran> => {
  const images = [{ name: 'server', source, ...fields }];
  const manifest = { apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', images, ...more };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
  return run('lock');
};
const readLock = (): Lock => JSON.parse(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8'));
const lockedImage = (): Lock['images'][number] => {
  const [first] = readLock().images;
  if (first === undefined) throw new Error('no image');
  return first;
};
/** Packs from an empty store, and checks every blob. */
const packAgain = async (): Promise<void> => {
  rmSync(join(cwd, 'store'), { recursive: true });
  expect((await run('pack', '--no-installer', '--output', 'out')).error).toBeUndefined();
  for (const { digest, size } of lockedImage().blobs) {
    const bytes = readFileSync(join(cwd, 'store/blobs/sha256', digest.slice(7)));
    expect({ digest, size }).toEqual({ digest: digestOf(bytes), size: bytes.length });
  }
};

describe('when an image is in local files', () => {
  it.each([
    ['a layout', 'oci:./layout:1.0'],
    ['an archive of a layout', 'oci-archive:./both.tar:1.0'],
    ['the only image of an archive', 'oci-archive:./both.tar'],
  ])('%s gives the index and the platforms that were asked for, unchanged', async (_, source) => {
    expect(
      (await lock(source, {}, { platforms: ['linux/amd64', 'linux/arm64'] })).error,
    ).toBeUndefined();
    const { target, platforms, repository } = lockedImage();
    expect({ digest: target.digest, repository }).toEqual({
      digest: image.digest,
      repository: 'localhost/server',
    });
    expect(platforms.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64']);
    expect(readLock().schema).toBe('stowage/lock/v3');
    await packAgain();
    const provenance = readdirSync(join(cwd, 'out'), { recursive: true })
      .map(String)
      .filter((path) => path.includes('provenance') && path.endsWith('.json'))
      .map((path) => readFileSync(join(cwd, 'out', path), 'utf8'));
    expect(provenance.join()).toContain(source);
  });

  it.each([
    ['by its name', 'docker-archive:./saved.tar:docker.io/acme/app:1.0'],
    ['by a short name', 'docker-archive:./saved.tar:acme/app:1.0'],
    ['as the only one', 'docker-archive:./saved.tar'],
  ])(
    'an archive of docker save gives its image %s, always with the same manifest',
    async (_, source) => {
      expect((await lock(source)).error).toBeUndefined();
      const first = lockedImage();
      expect(first.repository).toBe('docker.io/acme/app');
      expect(first.blobs.map(({ mediaType }) => mediaType)).toEqual([
        'application/vnd.oci.image.manifest.v1+json',
        'application/vnd.oci.image.config.v1+json',
        'application/vnd.oci.image.layer.v1.tar',
      ]);
      await packAgain();
      expect((await lock(source)).error).toBeUndefined();
      expect(lockedImage()).toEqual(first);
    },
  );

  it('the image of the archive is the one that podman and docker know', async () => {
    expect((await lock('docker-archive:./saved.tar')).error).toBeUndefined();
    const [platform] = lockedImage().platforms;
    const config = await skopeo([
      'inspect',
      '--config',
      '--raw',
      `docker-archive:${cwd}/saved.tar`,
    ]);
    expect(platform?.config).toBe(digestOf(Buffer.from(config)));
  });
});

describe('when an image in local files cannot be locked', () => {
  const broken: Readonly<Record<string, [string, () => void, string]>> = {
    'a path that does not exist': ['oci:./none:1.0', () => {}, 'manifest-invalid'],
    'a path outside': ['oci:/tmp', () => {}, 'manifest-invalid'],
    'a name that it does not have': ['oci:./layout:2.0', () => {}, 'source-not-found'],
    'several images and no name': ['oci:./layout', () => {}, 'source-not-found'],
    'a name that the archive does not have': [
      'docker-archive:./saved.tar:other:1',
      () => {},
      'source-not-found',
    ],
    'a platform that it does not have': [
      'docker-archive:./saved.tar',
      () => {},
      'source-not-found',
    ],
    'a file in place of the layout': ['oci:./both.tar:1.0', () => {}, 'file-kind'],
    'a folder in place of the archive': ['oci-archive:./layout:1.0', () => {}, 'file-kind'],
    'an archive that is cut': [
      'oci-archive:./both.tar:1.0',
      () => truncateSync(join(cwd, 'both.tar'), 2500),
      'source-malformed',
    ],
    'something else than an archive': [
      'docker-archive:./saved.tar',
      () => writeFileSync(join(cwd, 'saved.tar'), 'x'.repeat(2048)),
      'source-malformed',
    ],
    'a folder that is no layout': [
      'oci:./layout:1.0',
      () => rmSync(join(cwd, 'layout/index.json')),
      'source-malformed',
    ],
    'a manifest that is not what its name states': [
      'oci:./layout:1.0',
      () => writeFileSync(join(cwd, 'layout/blobs/sha256', image.digest.slice(7)), '{}'),
      'source-mismatch',
    ],
    'an index that names a missing manifest': [
      'oci:./layout:1.0',
      () => rmSync(join(cwd, 'layout/blobs/sha256', image.digest.slice(7))),
      'source-not-found',
    ],
    'an archive whose layers are links': [
      'docker-archive:./linked.tar',
      () => {
        const folder = scratch.fresh('linked');
        mkdirSync(folder);
        execFileSync('tar', ['-xf', join(cwd, 'saved.tar'), '-C', folder]);
        const layer = readdirSync(folder).find((name) => /^[0-9a-f]{64}\.tar$/.test(name)) ?? '';
        execFileSync('ln', ['-sf', '/etc/hostname', join(folder, layer)]);
        execFileSync('tar', ['-cf', join(cwd, 'linked.tar'), '-C', folder, '.']);
      },
      'source-malformed',
    ],
  };

  it.each(Object.entries(broken))('%s is refused', async (what, [source, change, code]) => {
    change();
    const platforms = what.startsWith('a platform') ? { platforms: ['linux/s390x'] } : {};
    const { error } = await lock(source, {}, platforms);
    expect(error?.code).toBe(code);
    expect(readdirSync(cwd)).not.toContain('stowage.lock.json');
  });

  it('a layer that changed after the lock is refused', async () => {
    expect((await lock('oci:./layout:1.0')).error).toBeUndefined();
    const layer = lockedImage().blobs.find(({ mediaType }) => /layer/.test(mediaType));
    const path = join(cwd, 'layout/blobs/sha256', layer?.digest.slice(7) ?? '');
    const bytes = readFileSync(path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    expect((await run('pack', '--no-installer')).error?.code).toBe('source-mismatch');
  });

  it('an engine that is not installed is named', async () => {
    await lock('docker-daemon:app:1');
    const { error } = await runProgram(['lock'], cwd, {
      env: { STOWAGE_STORE: join(cwd, 'store'), PATH: join(cwd, 'no-programs') },
    });
    expect(error?.code).toBe('source-unsupported');
    expect(error?.message).toContain('docker');
  });
});

describe('when a reference looks like one of local files', () => {
  it.each(['oci:1.0', 'oci:8080/app:1.tar.2'])('%s is an image in a registry', async (source) => {
    const { status } = await lock(source, {}, { platforms: ['not a platform'] });
    expect(status).not.toBe(0);
    const error = (await run('check')).error;
    expect(error?.defects.join()).not.toContain('images[0]');
  });
});
