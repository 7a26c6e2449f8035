import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
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
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Fault } from '../lab/hub/fault.ts';
import { type Hub, startHub } from '../lab/hub.ts';
import { MediaLab, offsetOn, removeLab } from '../lab/media.ts';
import { asNobody, needsReadableProject } from '../support/other-user.ts';
import { type Ran, stowage } from './cli.ts';

// Faults of a store: each has its code and hint, and leaves the content of the store unchanged.
const SIZE = 6_000_000;
let dir: string;
let cwd: string;
let hub: Hub;
let fault: (() => Fault | undefined) | undefined;
const mounts: string[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'stowage-store-'));
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'model'));
  writeFileSync(join(dir, 'model/data.bin'), randomBytes(SIZE).fill('text', 0, 4));
  writeFileSync(join(dir, 'model/config.json'), '{}');
  hub = await startHub({
    repos: [{ name: 'acme/tiny', revisions: { main: join(dir, 'model') } }],
    fault: ({ url, method }) =>
      url.includes('data.bin') && method === 'GET' ? fault?.() : undefined,
  });
});

beforeEach(() => {
  cwd = mkdtempSync(join(dir, 'cwd-'));
  chmodSync(cwd, 0o755);
  fault = undefined;
  writeManifest('1.0.0');
});

afterEach(() => {
  for (const place of mounts.splice(0)) execFileSync('umount', [place]);
});

afterAll(async () => {
  await hub?.stop();
  rmSync(dir, { recursive: true, force: true });
});

function writeManifest(version: string): void {
  const models = [{ name: 'tiny', source: 'hf://acme/tiny@main' }];
  const manifest = { apiVersion: 'stowage/v1', name: 'tiny', version, models };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
}

const at = (...path: readonly string[]): string => join(cwd, ...path);
const env = (store = at('store')): NodeJS.ProcessEnv => ({
  HF_ENDPOINT: hub.url,
  HF_TOKEN: '',
  HF_HOME: cwd,
  HOME: cwd,
  STOWAGE_STORE: store,
});
const run = (...args: readonly string[]): Promise<Ran> => stowage({ cwd, env: env() }, ...args);
const runAt = (store: string, ...args: readonly string[]): Promise<Ran> =>
  stowage({ cwd, env: env(store) }, ...args);
const runAsNobody = (...args: readonly string[]): Promise<Ran> =>
  stowage({ cwd, env: env(), through: asNobody }, ...args);

async function filled(): Promise<{ weights: string; other: string }> {
  for (const args of [['lock'], ['store', 'pull']]) {
    const { status, stderr } = await run(...args);
    expect(status, stderr).toBe(0);
  }
  const blobs = at('store/blobs/sha256');
  const names = readdirSync(blobs).map((name) => join(blobs, name));
  const weights = names.find((path) => statSync(path).size === SIZE) ?? '';
  return { weights, other: names.find((path) => path !== weights) ?? '' };
}

/** Every file of a store's blobs, with its bytes. */
const blobsOf = (store: string): Record<string, Buffer> =>
  Object.fromEntries(
    readdirSync(join(store, 'blobs/sha256')).map((name) => [
      name,
      readFileSync(join(store, 'blobs/sha256', name)),
    ]),
  );

function expectError(
  { status, json, stdout }: Ran,
  code: string,
  hint: string | RegExp | RegExp,
  exit = 1,
): void {
  expect(json?.error?.code, stdout).toBe(code);
  expect(json.error.hint).toMatch(hint);
  expect(status).toBe(exit);
}

/** A new file system in memory, of this size in bytes. */
function mounted(options: string): string {
  const place = at('disk');
  mkdirSync(place, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', place]);
  mounts.push(place);
  return place;
}

describe('when a blob of the store is damaged', () => {
  it.each<[string, (path: string) => void]>([
    [
      'a byte of it',
      (path) => {
        const bytes = readFileSync(path);
        bytes[5_000_000] = (bytes[5_000_000] ?? 0) ^ 1;
        chmodSync(path, 0o644);
        writeFileSync(path, bytes);
      },
    ],
    ['its length', (path) => truncateSync(path, 1000)],
  ])('%s: verify names it, and pulling again fixes it', async (_, damage) => {
    const { weights, other } = await filled();
    const sound = readFileSync(weights);
    damage(weights);
    const found = await run('store', 'verify');
    expect(found.status).toBe(1);
    expect(found.json.damaged).toEqual([`sha256:${weights.split('/').at(-1)}`]);
    expect(found.json.checked).toBe(2);
    const kept = readFileSync(other);
    rmSync(weights);
    expect((await run('store', 'pull')).status).toBe(0);
    expect(readFileSync(weights)).toEqual(sound);
    expect(readFileSync(other)).toEqual(kept);
    expect((await run('store', 'verify')).json).toMatchObject({ checked: 2, damaged: [] });
  });

  it('by a bad sector: verify names it, and verifies the rest', async () => {
    const { weights } = await filled();
    const place = at('media');
    const lab = new MediaLab(place);
    try {
      const image = lab.burn(at('store'), 'ext4');
      const offset = offsetOn(image, weights) + 1024 * 1024;
      const { mount } = lab.insertBad(image, [{ offset, length: 4096 }]);
      const { status, json } = await runAt(mount, 'store', 'verify');
      expect(status).toBe(1);
      expect(json.damaged).toEqual([`sha256:${weights.split('/').at(-1)}`]);
      expect(json.checked).toBe(2);
    } finally {
      removeLab(lab, place);
    }
  });

  it('pack refuses it, and leaves no bundle', async () => {
    const { weights } = await filled();
    const bytes = readFileSync(weights);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    chmodSync(weights, 0o644);
    writeFileSync(weights, bytes);
    expectError(await run('pack', '--no-installer'), 'blob-damaged', 'delete that file');
    expect(readdirSync(cwd).filter((name) => name.includes('1.0.0'))).toEqual([]);
  });
});

describe('when no lock matches the manifest', () => {
  it('says what to do, without network requests or writes', async () => {
    expectError(await run('store', 'pull'), 'lock-stale', 'stowage lock');
    await filled();
    const before = blobsOf(at('store'));
    writeManifest('1.0.1');
    hub.requests.length = 0;
    expectError(await run('store', 'pull'), 'lock-stale', 'stowage lock');
    writeFileSync(at('stowage.lock.json'), '{');
    expectError(await run('store', 'pull'), 'lock-invalid', 'stowage lock');
    expectError(await run('store', 'prune', '--keep', 'stowage.lock.json'), 'lock-invalid', /./);
    expectError(await run('store', 'prune', '--keep', 'no.lock.json'), 'file-missing', '--keep');
    expect(hub.requests).toEqual([]);
    expect(blobsOf(at('store'))).toEqual(before);
  });
});

describe('when another command uses the store', () => {
  it('prune fails at once and deletes nothing; list and verify continue', async () => {
    expect((await run('lock')).status).toBe(0);
    // After a Retry-After, a pull waits and keeps the store locked.
    fault = () => {
      fault = undefined;
      return { status: 503, headers: { 'retry-after': '8' } };
    };
    const pulling = run('store', 'pull');
    while (fault !== undefined) await sleep(50);
    expectError(await run('store', 'prune'), 'store-locked', 'wait until it ends', 11);
    expect((await run('store', 'list')).json.blobs).toHaveLength(1);
    expect((await run('store', 'verify')).json).toMatchObject({ checked: 1, damaged: [] });
    expect((await pulling).status).toBe(0);
    expect((await run('store', 'prune')).status).toBe(0);
    expect((await run('store', 'verify')).json).toMatchObject({ checked: 2, damaged: [] });
  });
});

describe('when a user cannot read or write the store', () => {
  it('each command names its owner', async (test) => {
    needsReadableProject(test);
    const { weights } = await filled();
    const before = blobsOf(at('store'));
    const commands = [['verify'], ['pull'], ['prune']];
    for (const args of commands)
      expectError(await runAsNobody('store', ...args), 'io-failed', 'as the user who owns it');
    expect((await runAsNobody('store', 'list')).json.blobs).toHaveLength(2);
    chmodSync(at('store/blobs'), 0o700);
    for (const args of [['list'], ...commands])
      expectError(await runAsNobody('store', ...args), 'io-failed', 'as the user who owns it');
    // A single file in a store that otherwise belongs to the user.
    chmodSync(at('store/blobs'), 0o755);
    for (const each of ['', 'runs', 'incoming']) chownSync(at('store', each), 65534, 65534);
    chmodSync(weights, 0o000);
    expectError(await runAsNobody('store', 'verify'), 'io-failed', 'as the user who owns it');
    writeFileSync(at('store/blobs/sha256/.left.tmp'), '');
    expectError(await runAsNobody('store', 'prune'), 'io-failed', 'as the user who owns it');
    chmodSync(weights, 0o444);
    rmSync(at('store/blobs/sha256/.left.tmp'));
    expect(blobsOf(at('store'))).toEqual(before);
  });

  it('on a read-only file system', async () => {
    await filled();
    const place = mounted('size=32m');
    execFileSync('cp', ['-a', at('store'), join(place, 'store')]);
    execFileSync('mount', ['-o', 'remount,ro', place]);
    const store = join(place, 'store');
    expect((await runAt(store, 'store', 'list')).json.blobs).toHaveLength(2);
    for (const args of [['prune'], ['pull']])
      expectError(await runAt(store, 'store', ...args), 'io-failed', 'read-only');
    const verified = await runAt(store, 'store', 'verify');
    expect(verified.json).toMatchObject({ checked: 2, damaged: [] });
  });
});

describe('when there is no store', () => {
  it('verify does not report success', async () => {
    expectError(await run('store', 'verify'), 'file-missing', 'STOWAGE_STORE');
    expect(readdirSync(cwd)).toEqual(['stowage.yaml']);
    expect((await run('store', 'list')).json).toMatchObject({ blobs: [], bytes: 0 });
  });

  it('reports a file in its place', async () => {
    writeFileSync(at('file'), '');
    for (const args of [['list'], ['verify'], ['prune']]) {
      const ran = await runAt(at('file'), 'store', ...args);
      expectError(ran, 'file-missing', /choose another path|check the spelling of the path/);
      expect(ran.json.error.found).toMatch(/^a file/);
    }
  });
});

describe('when the disk is full', () => {
  it('checks the space before the first byte, and continues once there is enough', async () => {
    await filled();
    const place = mounted('size=4m');
    const store = join(place, 'store');
    hub.requests.length = 0;
    const full = await runAt(store, 'store', 'pull');
    expectError(full, 'space-insufficient', 'stowage store prune');
    expect(full.json.error.found).toMatch(/\(\d+ bytes\) missing$/);
    expect(hub.requests).toEqual([]);
    execFileSync('mount', ['-o', 'remount,size=32m', place]);
    expect((await runAt(store, 'store', 'pull')).status).toBe(0);
    expect(blobsOf(store)).toEqual(blobsOf(at('store')));
  });

  it('in the middle of a blob, keeps complete blobs, and resumes where it stopped', async () => {
    await filled();
    const place = mounted('size=16m');
    const store = join(place, 'store');
    fault = () => {
      writeFileSync(join(place, 'filler'), Buffer.alloc(13_000_000));
      fault = undefined;
      return undefined;
    };
    expectError(await runAt(store, 'store', 'pull'), 'space-insufficient', 'free space there');
    for (const [name, bytes] of Object.entries(blobsOf(store)))
      expect(bytes).toEqual(blobsOf(at('store'))[name]);
    rmSync(join(place, 'filler'));
    expect((await runAt(store, 'store', 'pull')).status).toBe(0);
    expect(blobsOf(store)).toEqual(blobsOf(at('store')));
    expect(readdirSync(join(store, 'incoming'))).toEqual([]);
  });

  it('reports when inodes, not bytes, run out', async () => {
    await filled();
    const store = join(mounted('size=32m,nr_inodes=5'), 'store');
    expectError(await runAt(store, 'store', 'pull'), 'space-insufficient', 'free space there');
    expect((await runAt(store, 'store', 'prune')).status).toBe(0);
    expect((await runAt(store, 'store', 'list')).json.blobs).toEqual([]);
  });
});
