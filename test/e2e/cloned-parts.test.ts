import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../lab/hub.ts';
import { type Ran, stowage } from './cli.ts';

// XFS clones files: two of them share their blocks until one is written to.
const SIZE = 20_000_000;
let dir: string;
let disk: string;
let hub: Hub;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'stowage-clone-'));
  disk = join(dir, 'disk');
  for (const each of [disk, join(dir, 'model')]) mkdirSync(each);
  writeFileSync(join(dir, 'model/data.bin'), randomBytes(SIZE).fill('text', 0, 4));
  writeFileSync(join(dir, 'model/config.json'), '{}');
  const image = join(dir, 'xfs.img');
  writeFileSync(image, '');
  truncateSync(image, 320 * 1024 * 1024);
  execFileSync('mkfs.xfs', ['-q', '-m', 'reflink=1', image]);
  execFileSync('mount', ['-o', 'loop', image, disk]);
  hub = await startHub({
    repos: [{ name: 'acme/tiny', revisions: { main: join(dir, 'model') } }],
  });
  const models = [{ name: 'tiny', source: 'hf://acme/tiny@main' }];
  const manifest = { apiVersion: 'stowage/v1', name: 'tiny', version: '1.0.0', models };
  writeFileSync(join(dir, 'stowage.yaml'), JSON.stringify(manifest));
  await succeed('lock');
  await succeed('store', 'pull');
});

afterAll(async () => {
  await hub?.stop();
  execFileSync('umount', [disk]);
  rmSync(dir, { recursive: true, force: true });
});

function run(...args: readonly string[]): Promise<Ran> {
  const env = { HF_ENDPOINT: hub.url, HF_TOKEN: '', HF_HOME: dir, HOME: dir };
  return stowage({ cwd: dir, env: { ...env, STOWAGE_STORE: join(disk, 'store') } }, ...args);
}

async function succeed(...args: readonly string[]): Promise<void> {
  const { status, stderr } = await run(...args);
  expect(status, stderr).toBe(0);
}

/** The parts of a bundle with more than a kilobyte of the model. */
function partsIn(bundle: string): string[] {
  const folder = join(bundle, 'blobs/sha256');
  const paths = readdirSync(folder).map((name) => join(folder, name));
  return paths.filter((path) => statSync(path).size > 1_000_000);
}

const isShared = (path: string): boolean =>
  /\bshared\b/.test(execFileSync('filefrag', ['-v', path], { encoding: 'utf8' }));
const pack = (output: string, ...more: readonly string[]): Promise<Ran> =>
  run('pack', '--no-installer', '--output', output, ...more);

describe('when the store and the bundle are on a file system that clones files', () => {
  it('gives parts the blocks of the store, and the same bytes and mode as copies have', async () => {
    const [cloned, copied] = [join(disk, 'cloned'), join(dir, 'copied')];
    for (const output of [cloned, copied]) expect((await pack(output)).status).toBe(0);
    expect(partsIn(cloned).map(isShared)).toEqual([true]);
    const list = (bundle: string): string => readFileSync(join(bundle, 'SHA512SUMS'), 'utf8');
    expect(list(cloned)).toBe(list(copied));
    execFileSync('sha512sum', ['--quiet', '-c', 'SHA512SUMS'], { cwd: cloned });
    for (const bundle of [cloned, copied])
      expect(partsIn(bundle).map((path) => statSync(path).mode & 0o777)).toEqual([0o644]);
  });

  it('copies the parts of a blob that is divided', async () => {
    const output = join(disk, 'divided');
    expect((await pack(output, '--part-size', '8MiB')).status).toBe(0);
    expect(partsIn(output).map(isShared)).toEqual([false, false, false]);
    execFileSync('sha512sum', ['--quiet', '-c', 'SHA512SUMS'], { cwd: output });
  });

  it('refuses a blob that was changed after it was pulled, and leaves nothing', async () => {
    const blobs = join(disk, 'store/blobs/sha256');
    const weights = readdirSync(blobs).find((name) => statSync(join(blobs, name)).size === SIZE);
    const path = join(blobs, weights ?? '');
    const bytes = readFileSync(path);
    bytes[SIZE - 1] = (bytes[SIZE - 1] ?? 0) ^ 1;
    chmodSync(path, 0o644);
    writeFileSync(path, bytes);
    const { json } = await pack(join(disk, 'refused'));
    expect(json?.error?.code).toBe('blob-damaged');
    expect(readdirSync(disk).filter((name) => name.includes('refused'))).toEqual([]);
  });
});
