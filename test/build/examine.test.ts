import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pull } from '../../src/build/pull.ts';
import { remoteBytes } from '../../src/build/remote-bytes.ts';
import { resolve } from '../../src/build/resolve.ts';
import { checkDocument } from '../../src/format/document.ts';
import type { Lock } from '../../src/format/lock.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import type { Git } from '../../src/source/git.ts';
import { createHub } from '../../src/source/hugging-face.ts';
import type { Registry } from '../../src/source/oci.ts';
import { type Hub, startHub } from '../lab/hub.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { pythonPickles } from '../lab/python-pickles.ts';
import { safetensorsFile } from '../lab/weights.ts';
import { writeZip } from '../lab/zip.ts';
import { never, testHttp } from '../net/server.ts';
import { anonymousS3 } from '../support/anonymous-s3.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { contextOf } from './samples.ts';

const MIB = 1024 * 1024;
const scratch = scratchFolder();
const pickles = pythonPickles();
const pickle = (name: string): Buffer => pickles.get(name) ?? Buffer.alloc(0);
let hub: Hub;

const repositories: Readonly<Record<string, (folder: string) => void>> = {
  'demo/sound': (folder) => {
    writeLargeModel(join(folder, 'model.safetensors'), 8 * MIB);
    writeFileSync(join(folder, 'modeling.py'), 'pass\n');
  },
  'demo/broken': (folder) => {
    const tensors = { a: { dtype: 'F32', shape: [2], data_offsets: [8, 16] } };
    writeFileSync(join(folder, 'model.safetensors'), safetensorsFile(tensors));
    writeFileSync(join(folder, 'pytorch_model.bin'), pickle('system-4'));
    writeFileSync(join(folder, 'config.json'), pickle('system-0'));
  },
  'demo/pickle': (folder) => {
    const members = [
      { name: 'a/data.pkl', content: pickle('ordered-2') },
      { name: 'a/data/0', content: Buffer.alloc(3 * MIB) },
    ];
    writeFileSync(join(folder, 'pytorch_model.bin'), writeZip(members));
  },
  // Visible only in the full content: remote examination skips PyTorch storages.
  'demo/hidden': (folder) => {
    const members = [
      { name: 'a/data.pkl', content: pickle('data-2') },
      { name: 'a/data/0', content: pickle('system-2') },
    ];
    writeFileSync(join(folder, 'pytorch_model.bin'), writeZip(members));
  },
};

beforeAll(async () => {
  const repos = Object.entries(repositories).map(([name, write]) => {
    const folder = join(scratch.root, name);
    mkdirSync(folder, { recursive: true });
    write(folder);
    return { name, revisions: { main: folder }, license: 'apache-2.0' };
  });
  hub = await startHub({ repos });
});

afterAll(() => hub.stop());

interface Trial {
  readonly store: BlobStore;
  lock(repository: string, model?: object): Promise<Lock>;
  pull(lock: Lock): Promise<void>;
}

function trial(): Trial {
  const root = scratch.fresh('store');
  const store = new BlobStore(root);
  const { http } = testHttp();
  const git = {} as Git;
  const sources = {
    hub: createHub({ endpoint: hub.url }, http),
    registry: {} as Registry,
    http,
    git,
    s3: anonymousS3,
  };
  const options = { ...contextOf(), folder: scratch.root, store, sources };
  return {
    store,
    lock: (repository, model = {}) => {
      const models = [{ name: 'tiny', source: `hf://${repository}@main`, ...model }];
      const manifest = checkDocument(manifestKind, {
        apiVersion: 'stowage/v1',
        name: 'chat',
        version: '1.0.0',
        models,
      });
      return resolve(manifest, options);
    },
    pull: (lock) => pull(lock, options),
  };
}

describe('when a manifest is locked', () => {
  it('reads the headers of weights at the source, and downloads no weights', async () => {
    const { store, lock } = trial();
    hub.requests.length = 0;
    const { findings } = await lock('demo/sound');
    expect(findings.map((each) => each.rule)).toEqual(['secrets-not-searched', 'remote-code']);
    const weights = hub.requests.filter(({ url }) => url.includes('model.safetensors'));
    expect(weights.length).toBeGreaterThan(0);
    expect(weights.length).toBeLessThanOrEqual(3);
    expect(readdirSync(join(store.root, 'blobs/sha256'))).toHaveLength(1);
  });

  it('has the same findings if they are in the store', async () => {
    const { lock, pull: bring } = trial();
    const first = await lock('demo/sound');
    await bring(first);
    expect((await lock('demo/sound')).findings).toEqual(first.findings);
  });

  it('lists all refusals, by rule and file', async () => {
    const error = await expectCode(() => trial().lock('demo/broken'), 'content-refused');
    const found = error.defects.map((each) =>
      /: (\S+): .*\[([a-z-]+)\]/.exec(each)?.slice(1).join(' '),
    );
    expect(found).toEqual([
      'config.json pickle',
      'config.json pickle-global',
      'model.safetensors safetensors-offsets',
      'pytorch_model.bin pickle',
      'pytorch_model.bin pickle-global',
    ]);
  });

  it('accepts a pickle that the manifest allows by name, and records the reason', async () => {
    const allow = [{ rule: 'pickle', file: 'pytorch_model.bin', reason: 'looked at' }];
    const { lock, pull: bring } = trial();
    await expectCode(() => lock('demo/pickle'), 'content-refused');
    await expectCode(
      () => lock('demo/pickle', { allow: [{ ...allow[0], file: 'other.bin' }] }),
      'content-refused',
    );
    const locked = await lock('demo/pickle', { allow });
    expect(locked.findings[0]).toMatchObject({
      rule: 'pickle',
      severity: 'refusal',
      allowed: 'looked at',
    });
    await bring(locked);
  });

  it('does not accept refusals that cannot be allowed', async () => {
    const allow = [{ rule: 'pickle-global', file: '*', reason: 'looked at' }];
    await expectCode(() => trial().lock('demo/broken', { allow }), 'manifest-invalid');
  });
});

describe('when everything has been downloaded', () => {
  it('refuses what only the full content shows', async () => {
    const allow = [{ rule: 'pickle', file: '*', reason: 'looked at' }];
    const { lock, pull: bring } = trial();
    const locked = await lock('demo/hidden', { allow });
    const error = await expectCode(() => bring(locked), 'content-refused');
    expect(error.defects.join()).toContain('[pickle-global]');
  });

  it('requires every finding to be in the lock', async () => {
    const { lock, pull: bring } = trial();
    const locked = await lock('demo/sound');
    const error = await expectCode(() => bring({ ...locked, findings: [] }), 'lock-stale');
    expect(error.defects.join()).toContain('[remote-code]');
  });
});

describe('when content is read over a connection', () => {
  const content = Buffer.from(Array.from({ length: MIB }, (_, index) => index % 251));
  const opened: number[] = [];
  const origin = {
    description: 'a test',
    open: async (offset: number): Promise<AsyncIterable<Uint8Array>> => {
      opened.push(offset);
      return (async function* () {
        for (let at = offset; at < content.length; at += 70_000)
          yield content.subarray(at, at + 70_000);
      })();
    },
  };

  it('returns the right bytes, and reconnects only for non-sequential reads', async () => {
    const bytes = remoteBytes(origin, content.length, never);
    for (const [offset, length] of [
      [0, 8],
      [8, 300_000],
      [5, 262_144],
      [MIB - 3, 100],
      [MIB, 5],
      [0, MIB],
    ] as const) {
      expect(
        (await bytes.read(offset, length)).equals(content.subarray(offset, offset + length)),
      ).toBe(true);
    }
    await bytes.close();
    expect(opened).toEqual([0, 786_432, 524_288]);
  });
});
