import { readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestFromHex } from '../../src/core/digest.ts';
import { addModel } from '../depot/hub-fixture.ts';
import { type AirGap, airGap } from '../lab/airgap.ts';
import { breakingLine } from '../lab/breaking-line.ts';
import { end, run, start, until } from '../lab/process.ts';
import { type Relay, relay } from '../lab/relay.ts';
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
import { askPython, hubEnvironment, type PythonClient, pythonClient } from './python.ts';

const WALL = 50_000_000_000;
const HUGE = 'huge.safetensors';
const HUGE_SHA256 = 'ab'.repeat(32);
const scratch = scratchFolder();
let hub: HubDepot;
let gap: AirGap;
let passage: Relay;

beforeAll(async () => {
  const store = tinyStore();
  const digest = digestFromHex(HUGE_SHA256);
  writeFileSync(store.blobPath(digest), '');
  truncateSync(store.blobPath(digest), WALL + 1);
  const small = addModel(store, {}, { repository: 'example/huge' });
  store.hubModels.push({ ...small, files: [{ path: HUGE, size: WALL + 1, digest }] });
  hub = await hubDepot(store);
  gap = await airGap();
  passage = await relay(gap.enter, hub.port);
});
afterAll(async () => {
  await passage?.close();
  await gap?.destroy();
  await hub?.stop();
});

describe.each(['0.36.2', '1.33.0', '2.4.0'])('when huggingface_hub %s asks', (version) => {
  const newest = version !== '0.36.2';
  let client: PythonClient;
  // biome-ignore lint/suspicious/noExplicitAny: what the script answers
  const ask = (job: object, home = scratch.fresh('home'), endpoint = hub.endpoint): Promise<any> =>
    askPython(
      client,
      'hub_client.py',
      { repo: ID, commit: COMMIT, ...job },
      {
        env: hubEnvironment(home, endpoint),
        // In an isolated network with only the depot.
        ...(endpoint === hub.endpoint ? { enter: gap.enter } : {}),
      },
    );

  beforeAll(async () => {
    client = await pythonClient(`huggingface-hub-${version}`);
  });

  it('explores the repository', async () => {
    const found = await ask({ do: 'explore' });
    const paths = Object.keys(FILES).toSorted();
    const sizes = Object.fromEntries(paths.map((path) => [path, FILES[path]?.length]));
    expect(found).toMatchObject({
      version,
      id: ID,
      sha: COMMIT,
      task: 'text-generation',
      modified: '2026-11-20T00:00:00+00:00',
      sizes,
      lfs: {
        'mebibyte.bin': SUMS['mebibyte.bin'],
        'model.safetensors': SUMS['model.safetensors'],
      },
      tree: { ...sizes, 'sub dir': null, 'sub dir/deep': null },
      paths: { 'config.json': COMMIT, 'sub dir': COMMIT },
      refs: { main: COMMIT, 'release/v1': OLD },
      models: [ID],
      exists: [true, false, true, false, true, false],
    });
    expect(found.listed.toSorted()).toEqual(paths);
  });

  it('learns why a request was refused', async () => {
    const { failures, noExist } = await ask({ do: 'explore' });
    const none = 'RepositoryNotFoundError';
    expect(failures).toMatchObject({
      repository: none,
      bare: none,
      dataset: none,
      revision: 'RevisionNotFoundError',
      snapshot: 'RevisionNotFoundError',
      entry: newest ? 'RemoteEntryNotFoundError' : 'EntryNotFoundError',
      file: none,
    });
    expect(failures.whoami).toMatch(/Error$/);
    // The client recorded in its cache that the file does not exist.
    expect(noExist).toBe('object');
  });

  it('downloads a snapshot', async () => {
    const home = scratch.fresh('home');
    expect(await ask({ do: 'snapshot' }, home)).toMatchObject({ commit: COMMIT, files: SUMS });
    expect(await ask({ do: 'snapshot' }, home)).toMatchObject({ commit: COMMIT, files: SUMS });
    const local = scratch.fresh('local');
    expect((await ask({ do: 'snapshot', local_dir: local })).files).toEqual(SUMS);
  });

  it.each(['release/v1', OLD])('downloads the revision %s', async (revision) => {
    const found = await ask({ do: 'snapshot', revision });
    expect(found).toMatchObject({ commit: OLD, files: OLD_SUMS });
  });

  it('downloads files of all sizes individually', async () => {
    const { files } = await ask({ do: 'download', files: Object.keys(FILES) });
    expect(files).toEqual(SUMS);
  });

  it('downloads with its command-line tool', async () => {
    const commands = newest ? ['hf'] : ['hf', 'huggingface-cli'];
    for (const command of commands) {
      const local = scratch.fresh('local');
      const env = {
        ...hubEnvironment(scratch.fresh('home'), hub.endpoint),
        HF_HUB_DISABLE_UPDATE_CHECK: '1',
      };
      const args = ['download', ID, '--local-dir', local];
      const [enter = '', ...before] = gap.enter;
      await run(enter, [...before, client.program(command), ...args], { env });
      expect(contentSums(local)).toEqual(SUMS);
    }
  });

  it('resumes where the connection broke', async () => {
    const size = FILES['model.safetensors']?.length ?? 0;
    // Clients save partial downloads in chunks of 10 MiB.
    const line = await breakingLine(hub.port, 12_000_000);
    try {
      const job = { do: 'persist', file: 'model.safetensors' };
      const found = await ask(job, scratch.fresh('home'), `http://${line.host}`);
      expect(found.sum).toBe(SUMS['model.safetensors']);
      expect(line.breaks).toBeGreaterThanOrEqual(2);
      expect(line.carried).toBeLessThan(1.5 * size);
    } finally {
      await line.stop();
    }
  });

  it(newest ? 'begins a file of over 50 GB' : 'refuses a file of over 50 GB', async () => {
    const job = { repo: 'example/huge', file: HUGE, files: [HUGE] };
    const metadata = await ask({ ...job, do: 'head' });
    expect(metadata).toMatchObject({ size: newest ? null : WALL + 1, etag: HUGE_SHA256 });
    if (!newest) {
      await expect(ask({ ...job, do: 'download' })).rejects.toThrow('file is too large');
      return;
    }
    const home = scratch.fresh('home');
    const script = join(import.meta.dirname, 'hub_client.py');
    const args = [script, JSON.stringify({ ...job, do: 'download' })];
    const env = hubEnvironment(home, hub.endpoint);
    const child = await start(client.python, args, { env, stdio: 'ignore' });
    try {
      await until('the first bytes', 60, async () => incompleteBytes(home) > 0 || undefined);
    } finally {
      await end(child, 'SIGKILL');
    }
  });
});

function incompleteBytes(home: string): number {
  const blobs = join(home, 'hub', 'models--example--huge', 'blobs');
  try {
    const names = readdirSync(blobs).filter((each) => each.endsWith('.incomplete'));
    return names.reduce((sum, each) => sum + statSync(join(blobs, each)).size, 0);
  } catch {
    return 0;
  }
}
