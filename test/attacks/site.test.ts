import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { assemble } from '../../src/build/assemble.ts';
import { admit } from '../../src/bundle/admission/admit.ts';
import type { StowageEvent } from '../../src/core/context.ts';
import { digestHex } from '../../src/core/digest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { install } from '../../src/site/applying/change-release.ts';
import type { ImportOptions } from '../../src/site/importing/import.ts';
import { stage } from '../../src/site/importing/stage.ts';
import { readLedger } from '../../src/site/ledger/site-ledger.ts';
import { releaseFolder } from '../../src/site/release/release.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { context, packedAt } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { fakeTarget } from '../support/fake-engine.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { tree } from '../support/tree.ts';

const YEAR_MS = 365 * 86_400_000;
const scratch = scratchFolder();
let one: SmallBundle;
let two: SmallBundle;

beforeAll(async () => {
  one = await smallBundle({ place: scratch.fresh(), services: [] });
  const { authority } = one;
  const next = { authority, services: [], version: '1.1.0', seq: 2 };
  two = await smallBundle({ place: scratch.fresh(), ...next });
});

function put(site: SiteFolder, bundle: SmallBundle, options: Partial<ImportOptions> = {}) {
  const { trust } = bundle;
  return install(bundle.folder, {
    ...context(),
    site,
    target: fakeTarget(),
    trust,
    ...options,
  });
}

describe('when the clock is set far ahead (attack 58)', () => {
  const ahead = (): Date => new Date(packedAt.getTime() + 40 * YEAR_MS);

  it('imports no bundle with an age limit, and installs nothing', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    const trust = { ...one.trust, maxAgeDays: 3650 };
    await expectCode(() => put(site, one, { now: ahead, trust }), 'release-expired');
    expect((await readLedger(site)).entries).toEqual([]);
    expect(existsSync(site.root)).toBe(false);
    expect(await site.trust()).toBeUndefined();
  });

  it('refuses a trust document that has expired by that clock', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    const trust = { ...one.trust, expiresAt: '2030-01-01T00:00:00Z' };
    await expectCode(() => put(site, one, { now: ahead, trust }), 'trust-conflict');
    expect(await site.trust()).toBeUndefined();
  });

  it('does not advance the minimum time that the site accepts', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    await put(site, one, { now: ahead });
    const warnings: StowageEvent[] = [];
    const emit = (event: StowageEvent): void => {
      if (event.type === 'warning') warnings.push(event);
    };
    await put(site, two, { emit });
    expect(warnings).toEqual([]);
  });
});

describe('when the media are swapped after admission (attack 91)', () => {
  it('keeps the control files that were verified, not those on the media now', async () => {
    const folder = scratch.copy(one.folder);
    const admitted = await admit(folder, { ...context(), trust: one.trust });
    for (const path of ['SHA512SUMS', 'bundle.json', 'VERIFY.txt', 'signatures/release.p7s'])
      writeFileSync(join(folder, path), 'something else');
    const site = new SiteFolder(scratch.fresh('site'));
    await site.prepare();
    await stage(admitted, site, context());
    for (const path of ['SHA512SUMS', 'bundle.json', 'VERIFY.txt', 'signatures/release.p7s'])
      expect(readFileSync(join(releaseFolder(site, one.id), path))).toEqual(
        readFileSync(join(one.folder, path)),
      );
  });

  it('creates no blob, release or generation from a part that changed', async () => {
    const folder = scratch.copy(one.folder);
    const [blob] = one.bundle.blobs;
    if (blob === undefined) throw new Error('no blob');
    const part = blob.parts[0]?.path ?? '';
    const admitted = await admit(folder, { ...context(), trust: one.trust });
    const bytes = readFileSync(join(folder, part));
    writeFileSync(join(folder, part), Buffer.alloc(bytes.length));
    const site = new SiteFolder(scratch.fresh('site'));
    await site.prepare();
    const { faults } = await stage(admitted, site, context());
    expect(faults.map(({ error }) => error.code)).toEqual(['part-damaged']);
    expect(await site.store.size(blob.digest)).toBeUndefined();
    const stored = Object.keys(tree(site.path('store')));
    expect(stored.filter((path) => path.endsWith(digestHex(blob.digest)))).toEqual([]);
    expect(readdirSync(site.path('releases'))).toEqual([]);
  });
});

describe('when the output folder is not empty (attack 99)', () => {
  it('packs nothing and changes nothing in it', async () => {
    const place = scratch.fresh();
    const { lock } = await smallBundle({ place, images: false });
    const output = join(place, 'full');
    mkdirSync(output);
    writeFileSync(join(output, 'mine'), 'mine');
    const before = tree(output);
    const store = new BlobStore(join(place, 'store'));
    const pack = () => assemble(lock, { ...context(), store, output, partSize: 0 });
    await expectCode(pack, 'output-exists');
    expect(tree(output)).toEqual(before);
  });

  it('keeps foreign files in a site’s folder', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    await put(site, one);
    mkdirSync(site.path('photos'), { recursive: true });
    writeFileSync(site.path('photos', 'a.jpg'), 'mine');
    await put(site, one);
    expect(readFileSync(site.path('photos', 'a.jpg'), 'utf8')).toBe('mine');
  });

  it('makes no site in a folder that holds something else', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    mkdirSync(site.path('photos'), { recursive: true });
    const before = tree(site.root);
    await expectCode(() => put(site, one), 'site-absent');
    expect(tree(site.root)).toEqual(before);
  });
});
