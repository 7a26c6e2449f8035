import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { provenance } from '../../src/build/bundle-documents.ts';
import type { Sources } from '../../src/build/origins.ts';
import { pack } from '../../src/build/pack.ts';
import { pullIntoStore } from '../../src/build/pull.ts';
import { resolve } from '../../src/build/resolve.ts';
import { checkDocument } from '../../src/format/document.ts';
import type { Lock } from '../../src/format/lock.ts';
import { type Manifest, manifestKind } from '../../src/format/manifest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { createGit } from '../../src/source/git.ts';
import type { Hub } from '../../src/source/hugging-face.ts';
import type { Registry } from '../../src/source/oci.ts';
import { commitTo, startGitServer } from '../lab/git-server.ts';
import { testHttp } from '../net/server.ts';
import { anonymousS3 } from '../support/anonymous-s3.ts';
import { expectCode } from '../support/error.ts';
import { temporaryFolder } from '../support/folder.ts';
import { contextOf } from './samples.ts';

const root = temporaryFolder();
const { http } = testHttp();
const git = createGit({ env: { PATH: process.env['PATH'] }, home: root, http });
const sources: Sources = { git, http, hub: {} as Hub, registry: {} as Registry, s3: anonymousS3 };

const manifestOf = (entry: object): Manifest =>
  checkDocument(manifestKind, {
    apiVersion: 'stowage/v1',
    name: 'demo',
    version: '1.0.0',
    files: [{ name: 'settings', ...entry }],
  });

describe('when a manifest names a git repository', () => {
  it('locks the commit, and packs the same from the lock without the repository', async () => {
    const folder = join(root, 'repositories');
    await mkdir(folder);
    const server = await startGitServer(folder);
    const store = new BlobStore(join(root, 'store'));
    const options = { ...contextOf(), folder, store, sources };
    const lockAt = (previous?: Lock): Promise<Lock> =>
      resolve(manifestOf({ source: `git+${server.url}/settings.git@main` }), {
        ...options,
        ...(previous && { previous }),
      });
    try {
      const commit = commitTo(folder, 'settings', { 'a.json': '{}' });
      const lock = await lockAt();
      expect(lock.files).toMatchObject([{ path: 'settings', kind: 'tree', git: { commit } }]);
      expect(JSON.stringify(provenance(lock))).toContain(`{"gitCommit":"${commit}"}`);
      // The branch has not moved: it is queried, but nothing is fetched.
      server.seen.length = 0;
      expect(await lockAt(lock)).toBe(lock);
      expect(server.seen.filter(({ method }) => method === 'POST').length).toBeLessThan(2);
      const moved = commitTo(folder, 'settings', { 'a.json': '[]' });
      await rm(store.root, { recursive: true });
      await pullIntoStore(lock, options);
      const [file] = lock.files;
      expect(file && (await store.size(file.digest))).toBe(file?.size);
      const { bundle } = await pack(lock, {
        ...options,
        partSize: 0,
        output: join(root, 'bundle'),
      });
      expect(bundle.files).toMatchObject([{ name: 'settings', digest: file?.digest }]);
      expect((await lockAt(lock)).files).toMatchObject([{ git: { commit: moved } }]);
    } finally {
      await server.stop();
    }
  });

  it('reports refused content in it', async () => {
    const folder = join(root, 'unsafe');
    await mkdir(folder);
    const server = await startGitServer(folder);
    try {
      const key = `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(64)}\n-----END PRIVATE KEY-----\n`;
      commitTo(folder, 'settings', { 'server.key': key });
      const manifest = manifestOf({ source: `git+${server.url}/settings.git@main` });
      const store = new BlobStore(join(root, 'unsafe-store'));
      const options = { ...contextOf(), folder, store, sources };
      await expectCode(() => resolve(manifest, options), 'content-refused');
    } finally {
      await server.stop();
    }
  });

  it.each([
    ['a digest that is another', { digest: `sha256:${'0'.repeat(64)}` }, 'source-mismatch'],
  ] as const)('refuses %s', async (_, entry, code) => {
    const folder = join(root, 'digest');
    await mkdir(folder);
    const server = await startGitServer(folder);
    try {
      commitTo(folder, 'settings', { 'a.json': '{}' });
      const manifest = manifestOf({ source: `git+${server.url}/settings.git@main`, ...entry });
      const store = new BlobStore(join(root, 'digest-store'));
      await expectCode(() => resolve(manifest, { ...contextOf(), folder, store, sources }), code);
    } finally {
      await server.stop();
    }
  });

  it.each([
    ['LFS of a folder', { source: './settings', lfs: true }],
    ['git by ssh', { source: 'git+ssh://host.example/a@main' }],
    ['no revision', { source: 'git+https://host.example/a' }],
    ['a user in the address', { source: 'git+https://me:word@host.example/a@main' }],
  ])('refuses %s in the manifest', async (_, entry) => {
    await expectCode(() => manifestOf(entry), 'manifest-invalid');
  });
});
