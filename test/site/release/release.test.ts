import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../../src/bundle/admission/admit.ts';
import type { ErrorCode } from '../../../src/core/error.ts';
import { startDepot } from '../../../src/depot/server.ts';
import { catalogOf } from '../../../src/site/catalog/catalog.ts';
import { stage } from '../../../src/site/importing/stage.ts';
import { loadRelease, releaseFolder } from '../../../src/site/release/release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
const root = scratch.fresh('site');
let one: SmallBundle;
let two: SmallBundle;

beforeAll(async () => {
  one = await smallBundle({ place: scratch.fresh() });
  two = await smallBundle({ place: scratch.fresh(), authority: one.authority, name: 'embed' });
  const site = new SiteFolder(root);
  await site.prepare();
  for (const each of [one, two]) {
    await stage(await admit(each.folder, { ...context(), trust: one.trust }), site, context());
  }
});

describe('when a release is loaded', () => {
  it('is what was admitted', async () => {
    expect(await loadRelease(new SiteFolder(root), one.id)).toEqual({
      id: one.id,
      bundle: one.bundle,
    });
  });

  const cases: readonly (readonly [string, ErrorCode, (folder: string) => void])[] = [
    [
      'its list has a byte more',
      'state-damaged',
      (folder) => appendFileSync(join(folder, 'SHA512SUMS'), '\n'),
    ],
    [
      'its list is that of another release',
      'state-damaged',
      (folder) => copyFileSync(join(two.folder, 'SHA512SUMS'), join(folder, 'SHA512SUMS')),
    ],
    [
      'its index was edited',
      'state-damaged',
      (folder) => {
        const path = join(folder, 'bundle.json');
        writeFileSync(path, readFileSync(path, 'utf8').replace('"seq":1', '"seq":2'));
      },
    ],
    ['its index is gone', 'release-unknown', (folder) => unlinkSync(join(folder, 'bundle.json'))],
    ['it is gone', 'release-unknown', (folder) => rmSync(folder, { recursive: true })],
  ];

  it.each(cases)('is refused when %s: %s', async (_, code, bend) => {
    const site = new SiteFolder(scratch.copy(root));
    bend(releaseFolder(site, one.id));
    await expectCode(() => loadRelease(site, one.id), code);
  });

  it('is refused under an id that only begins the same', async () => {
    const id = one.id.slice(0, 64) + '0'.repeat(64);
    await expectCode(() => loadRelease(new SiteFolder(root), id), 'state-damaged');
  });
});

describe('when releases are served', () => {
  it('lists the images of the named releases, and nothing else of the store', async () => {
    const site = new SiteFolder(root);
    const catalog = await catalogOf(site, [one.id]);
    const [image] = one.bundle.images;
    const [entry] = catalog.repositories();
    expect(catalog.repositories().map(({ repository }) => repository)).toEqual([
      ...['chat/server', 'registry.example/server', 'chat/tiny', 'chat/settings'],
      ...['chat/tiny-car', 'chat/settings-car'],
    ]);
    expect(entry).toMatchObject({
      repository: 'chat/server',
      tags: { '1.0.0': image?.target.digest },
    });
    expect([...(entry?.manifests.keys() ?? [])]).toEqual([image?.target.digest]);
    const weights = one.bundle.models[0]?.files.map((file) => file.digest) ?? [];
    const blobs = [...(entry?.blobs.keys() ?? [])];
    expect(blobs).toHaveLength(2);
    expect(blobs).toContain(image?.platforms[0]?.config);
    for (const digest of weights) expect(blobs).not.toContain(digest);
  });

  it('offers models under their names on the Hub', async () => {
    const catalog = await catalogOf(new SiteFolder(root), [one.id]);
    const [model] = one.bundle.models;
    expect(catalog.models()).toEqual([
      {
        repository: 'example/tiny',
        commit: model?.commit,
        revision: 'main',
        license: 'apache-2.0',
        files: model?.files,
        release: { name: 'chat', version: '1.0.0', seq: 1, resolvedAt: one.bundle.resolvedAt },
      },
    ]);
  });

  it('answers for no blob of another release, though the store has it', async () => {
    const catalog = await catalogOf(new SiteFolder(root), [one.id]);
    const depot = await startDepot(catalog, { address: '127.0.0.1', port: 0 });
    const status = async (path: string): Promise<number> => {
      const response = await fetch(`http://${depot.host}/v2/${path}`);
      await response.arrayBuffer();
      return response.status;
    };
    try {
      const [mine, foreign] = [one, two].map((each) => each.bundle.images[0]?.platforms[0]);
      expect(await status(`chat/server/blobs/${mine?.config}`)).toBe(200);
      expect(await status(`chat/server/manifests/${mine?.manifest}`)).toBe(200);
      expect(await status(`chat/server/blobs/${foreign?.config}`)).toBe(404);
      expect(await status(`chat/server/manifests/${foreign?.manifest}`)).toBe(404);
      expect(await status(`embed/server/manifests/${foreign?.manifest}`)).toBe(404);
      const weights = one.bundle.models[0]?.files[0]?.digest;
      expect(await status(`chat/server/blobs/${weights}`)).toBe(404);
    } finally {
      await depot.close();
    }
  });

  it('is refused when a manifest in the store was changed', async () => {
    const site = new SiteFolder(scratch.copy(root));
    const digest = one.bundle.images[0]?.platforms[0]?.manifest;
    if (digest === undefined) throw new Error('no manifest');
    const path = site.store.path(digest);
    const bytes = readFileSync(path);
    rmSync(path);
    writeFileSync(path, bytes.fill(0x20, 0, 1));
    await expectCode(() => catalogOf(site, [one.id]), 'blob-damaged');
  });
});
