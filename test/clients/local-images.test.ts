import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import type { Lock } from '../../src/format/lock.ts';
import { type Docker, isolatedDocker } from '../lab/docker.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { skopeo } from '../lab/skopeo.ts';
import { tinyImage } from '../lab/tiny-image.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';

const root = mkdtempSync(join(tmpdir(), 'st-'));
const archive = join(root, 'app.tar');
let engine: Engine;
let docker: Docker;

beforeAll(async () => {
  const { layout, imageTag } = await tinyImage(join(root, 'layout'));
  await skopeo([
    'copy',
    '--quiet',
    `oci:${layout}:${imageTag}`,
    `docker-archive:${archive}:localhost/app:1.0`,
  ]);
  engine = isolatedEngine(join(root, 'p'));
  docker = await isolatedDocker(join(root, 'd'));
  await engine.podman('load', '--quiet', '--input', archive);
  await docker.docker('load', '--quiet', '--input', archive);
});

afterAll(async () => {
  await docker.destroy();
  await engine.destroy();
  rmSync(root, { recursive: true, force: true });
});

describe.each(['containers-storage', 'docker-daemon'])('when an image is in %s', (kind) => {
  const cwd = join(root, kind);
  const env = (): NodeJS.ProcessEnv => ({
    ...(kind === 'docker-daemon' ? docker : engine).env,
    STOWAGE_STORE: join(cwd, 'store'),
  });
  const run = (...args: readonly string[]): Promise<Ran> => runProgram(args, cwd, { env: env() });
  const write = (name: string): void => {
    mkdirSync(cwd, { recursive: true });
    const images = [{ name: 'server', source: `${kind}:${name}` }];
    const manifest = { apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', images };
    writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
  };

  it('it is exported once to be locked, and again into an empty store, with the same bytes', async () => {
    write('localhost/app:1.0');
    expect((await run('lock')).error).toBeUndefined();
    const lock: Lock = JSON.parse(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8'));
    const blobs = lock.images[0]?.blobs ?? [];
    expect(blobs).toHaveLength(3);
    expect(lock.images[0]?.repository).toBe('localhost/app');
    rmSync(join(cwd, 'store'), { recursive: true });
    expect((await run('store', 'pull')).error).toBeUndefined();
    for (const { digest } of blobs)
      expect(digestOf(readFileSync(join(cwd, 'store/blobs/sha256', digest.slice(7))))).toBe(digest);
    expect(readdirSync(join(cwd, 'store/incoming'))).toEqual([]);
  });

  it('one that it does not have is named, and nothing is left', async () => {
    write('localhost/none:1.0');
    const { error } = await run('lock');
    expect(error?.code).toBe('source-not-found');
    expect(error?.message).toContain('localhost/none:1.0');
    expect(readdirSync(join(cwd, 'store/incoming'))).toEqual([]);
  });
});
