import { join } from 'node:path';
import {
  downloadFile,
  fileExists,
  listFiles,
  modelInfo,
  pathsInfo,
  snapshotDownload,
} from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';
import { contentSums } from './content-sums.ts';
import {
  COMMIT,
  FILES,
  type HubDepot,
  hubDepot,
  ID,
  OLD,
  OLD_SUMS,
  SUMS,
  tinyStore,
} from './hub-depot.ts';

const scratch = scratchFolder();
let hub: HubDepot;
let at: { repo: string; hubUrl: string };

beforeAll(async () => {
  hub = await hubDepot(tinyStore());
  at = { repo: ID, hubUrl: hub.endpoint };
});
afterAll(() => hub?.stop());

describe('when @huggingface/hub asks', () => {
  it('lists models and files', async () => {
    const info = await modelInfo({ name: ID, hubUrl: at.hubUrl, additionalFields: ['sha'] });
    expect(info).toMatchObject({ name: ID, sha: COMMIT, gated: false });
    const found: Record<string, number> = {};
    for await (const { path, size, type } of listFiles({ ...at, recursive: true }))
      if (type === 'file') found[path] = size;
    expect(found).toEqual(
      Object.fromEntries(Object.entries(FILES).map(([path, bytes]) => [path, bytes.length])),
    );
    const [config] = await pathsInfo({ ...at, paths: ['config.json'], expand: true });
    expect(config).toMatchObject({ path: 'config.json', lastCommit: { id: COMMIT } });
    expect(await fileExists({ ...at, path: 'empty.txt' })).toBe(true);
    expect(await fileExists({ ...at, path: 'none.txt' })).toBe(false);
  });

  it('downloads a snapshot with empty files', async () => {
    const cacheDir = scratch.fresh('cache');
    const place = await snapshotDownload({ ...at, cacheDir });
    expect(place).toBe(join(cacheDir, 'models--example--tiny', 'snapshots', COMMIT));
    expect(contentSums(place)).toEqual(SUMS);
  });

  it.each(['release/v1', OLD])('downloads the revision %s', async (revision) => {
    const place = await snapshotDownload({ ...at, revision, cacheDir: scratch.fresh('cache') });
    expect(contentSums(place)).toEqual(OLD_SUMS);
  });

  it.each(['one.txt', 'sub dir/deep/er.json', 'mebibyte.bin'])('downloads %s', async (path) => {
    const blob = await downloadFile({ ...at, path });
    expect(Buffer.from(await (blob ?? new Blob([])).arrayBuffer())).toEqual(FILES[path]);
  });
});
