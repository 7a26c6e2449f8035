import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../../src/bundle/admission/trust-files.ts';
import { digestHex } from '../../../src/core/digest.ts';
import { MIB } from '../../../src/core/limits.ts';
import { readCanonical, writeCanonical } from '../../../src/format/document.ts';
import { repairListKind } from '../../../src/format/repair-list.ts';
import { trustKind } from '../../../src/format/trust.ts';
import { readNamed } from '../../../src/io/file.ts';
import { runProgram } from '../../support/fake-terminal.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
let one: SmallBundle;
/** The same weights, in larger parts, and other settings; never imported. */
let sibling: SmallBundle;
/** Nothing in common with the first but the image. */
let other: SmallBundle;

beforeAll(async () => {
  const weights = 9 * MIB;
  one = await smallBundle({ place: scratch.fresh(), partSize: 4 * MIB, weights, installer: true });
  const { authority } = one;
  const next = { authority, version: '2.0.0', seq: 2 };
  const same = { partSize: 8 * MIB, weights, weightsOf: 'chat 1.0.0' };
  sibling = await smallBundle({ place: scratch.fresh(), ...next, ...same });
  other = await smallBundle({ place: scratch.fresh(), ...next, name: 'other', weights: 5 * MIB });
});

interface Site {
  readonly place: string;
  run(
    ...args: readonly string[]
  ): Promise<{ status: number; json: unknown; text: string; error: unknown }>;
  /** The path of a stored file of the first release. */
  blob(of: 'weights' | 'settings'): string;
}

async function site(...imported: readonly SmallBundle[]): Promise<Site> {
  const place = scratch.fresh();
  mkdirSync(place);
  const env = { STOWAGE_ROOT: join(place, 'site') };
  const run: Site['run'] = async (...args) => {
    const { status, result, error } = await runProgram(args, place, { env });
    return { status, json: result?.json, text: result?.text ?? '', error };
  };
  const trust = join(place, 'trust.json');
  writeFileSync(trust, writeCanonical(trustKind, one.trust));
  for (const { folder } of [one, ...imported]) {
    const fingerprint = trustFingerprint(one.trust);
    const { error } = await run('import', folder, '--trust', trust, '--fingerprint', fingerprint);
    expect(error).toBeUndefined();
  }
  const { models, files } = one.bundle;
  const digests = { weights: models[0]?.files[0]?.digest, settings: files[0]?.digest };
  return {
    place,
    run,
    blob: (of) => {
      const digest = digests[of];
      if (digest === undefined) throw new Error('no such blob');
      return join(env.STOWAGE_ROOT, 'store/blobs/sha256', digestHex(digest));
    },
  };
}

const needed = (at: SmallBundle): object => ({ name: 'chat', version: '1.0.0', id: at.id });

describe('when a repair is given the media of another release', () => {
  it('repairs what they have, imports nothing, and names the bundle that has the rest', async () => {
    const { run, blob, place } = await site();
    flipBit(blob('weights'), 5 * MIB);
    flipBit(blob('settings'));
    const { json, text, status } = await run('store', 'verify', '--repair', sibling.folder);
    expect(status).toBe(1);
    expect(json).toMatchObject({
      repaired: 1,
      medium: { name: 'chat', version: '2.0.0', bundle: sibling.id, damagedFiles: 1 },
      damaged: [
        { kind: 'blob', what: expect.stringContaining('settings'), bundles: [needed(one)] },
      ],
    });
    for (const { id } of [one, sibling]) expect(text).toContain(id.slice(0, 16));
    expect(readdirSync(join(place, 'site/releases'))).toEqual([one.id.slice(0, 32)]);
    expect((await run('store', 'verify', '--repair', one.folder)).json).toMatchObject({
      repaired: 1,
      damaged: [],
    });
  });

  it('says that media of an imported release have none of it', async () => {
    const { run, blob } = await site(other);
    flipBit(blob('weights'), 5 * MIB);
    const { json, text, status } = await run('store', 'verify', '--repair', other.folder);
    expect(status).toBe(1);
    expect(json).toMatchObject({
      repaired: 0,
      medium: { name: 'other', bundle: other.id, damagedFiles: 0 },
      damaged: [{ bundles: [needed(one)] }],
    });
    expect(text).toContain(one.id.slice(0, 16));
  });

  it('refuses media of a release that was not imported and has none of it', async () => {
    const { run, blob } = await site();
    flipBit(blob('weights'), 5 * MIB);
    const { error } = await run('store', 'verify', '--repair', other.folder);
    expect(error).toMatchObject({
      code: 'release-unknown',
      expected: `chat 1.0.0, bundle ${one.id.slice(0, 16)}`,
      found: `other 2.0.0, bundle ${other.id.slice(0, 16)}`,
    });
  });

  it('keeps the good parts of a stored file when these media are damaged, too', async () => {
    const { run, blob, place } = await site();
    flipBit(blob('weights'), 5 * MIB);
    const media = scratch.copy(sibling.folder);
    const parts = sibling.bundle.blobs.flatMap((each) => each.parts);
    flipBit(join(media, parts.find(({ size }) => size === 8 * MIB)?.path ?? ''));
    const { json } = await run('store', 'verify', '--repair', media);
    expect(json).toMatchObject({ repaired: 0, damaged: [{ bundles: [needed(one)] }] });
    expect(readdirSync(join(place, 'site/store/blobs/sha256'))).toContain(
      blob('weights').split('/').at(-1),
    );
    expect(readdirSync(join(place, 'site/staging'))).toEqual([]);
  });
});

describe('when a list for the connected side is written', () => {
  it('names the damaged part of a large file and where it is damaged, and what is made from it repairs the site', async () => {
    const { run, blob, place } = await site();
    flipBit(blob('weights'), 8 * MIB + 5);
    flipBit(blob('settings'));
    const { json } = await run('store', 'verify', '--repair-list', 'lists/here');
    const file = join(place, 'lists/here/chat-1.0.0.repair.json');
    expect(json).toMatchObject({ repairLists: [file] });
    const list = readCanonical(repairListKind, await readNamed(file, repairListKind.maxBytes));
    expect(list).toMatchObject({ name: 'chat', version: '1.0.0', bundle: one.id });
    expect(list.parts.toSorted((a, b) => a.size - b.size)).toMatchObject([
      { damaged: [{ offset: 0 }] },
      { path: expect.stringMatching(/\.0002$/), damaged: [{ offset: 0, length: MIB }] },
    ]);
    const made = await run('pack', '--only', file, '--from', one.folder, '-o', 'repair');
    expect(made.json).toMatchObject({ id: one.id, parts: 2 });
    expect((await run('store', 'verify', '--repair', 'repair')).json).toMatchObject({
      repaired: 2,
      damaged: [],
    });
    expect(readdirSync(join(place, 'site/staging'))).toEqual([]);
  });

  it('names only what an incomplete repair still lacks', async () => {
    const { run, blob, place } = await site();
    for (const offset of [0, 5 * MIB]) flipBit(blob('weights'), offset);
    const media = scratch.copy(one.folder);
    const parts = one.bundle.blobs.flatMap((each) => each.parts);
    flipBit(join(media, parts.find(({ path }) => path.endsWith('.0001'))?.path ?? ''));
    const args = ['store', 'verify', '--repair', media, '--repair-list', '.'];
    expect((await run(...args)).json).toMatchObject({ damaged: [{ bundles: [needed(one)] }] });
    const bytes = await readNamed(join(place, 'chat-1.0.0.repair.json'), MIB);
    expect(readCanonical(repairListKind, bytes).parts).toMatchObject([
      { path: expect.stringMatching(/\.0001$/) },
    ]);
  });

  it('asks for media with the control files when only these are damaged', async () => {
    const { run, place } = await site();
    const release = join(place, 'site/releases', one.id.slice(0, 32));
    writeFileSync(join(release, 'attestations/lock.json'), '{}');
    const { json } = await run('store', 'verify', '--repair-list', '.');
    expect(json).toMatchObject({ damaged: [{ kind: 'control-file' }] });
    await run('pack', '--only', 'chat-1.0.0.repair.json', '--from', one.folder, '-o', 'repair');
    expect((await run('store', 'verify', '--repair', 'repair')).json).toMatchObject({
      repaired: 1,
      damaged: [],
    });
  });

  it('has no list for a site without damage', async () => {
    const { run, place } = await site();
    const { json, status } = await run('store', 'verify', '--repair-list', 'lists');
    expect([status, json]).toMatchObject([0, { damaged: [] }]);
    expect(readdirSync(place)).not.toContain('lists');
  });
});

describe('when store verify is not told what to verify', () => {
  it.each([
    ['STOWAGE_SITE names a site', {}, 'STOWAGE_SITE', { site: expect.any(String) }],
    ['STOWAGE_ROOT names a site', {}, 'STOWAGE_ROOT', { site: expect.any(String) }],
  ])('verifies the site if %s', async (_, more, name, json) => {
    const { place } = await site();
    const env = { [name]: join(place, 'site'), ...more };
    const { result, status } = await runProgram(['store', 'verify'], place, { env });
    expect(result?.json).toMatchObject(json);
    expect(status).toBe(0);
  });

  it.each([
    ['both variables are set', [], { STOWAGE_SITE: 'site', STOWAGE_STORE: 'store' }],
    ['--store and --site are given', ['--store', 'store', '--site', 'site'], {}],
    ['--store and --repair are given', ['--store', 'store', '--repair', 'medium'], {}],
  ])('verifies nothing and asks if %s', async (_, options, env) => {
    const place = scratch.fresh();
    mkdirSync(place);
    const { error } = await runProgram(['store', 'verify', ...options], place, { env });
    expect(error).toMatchObject({ code: 'usage-invalid' });
  });

  it('verifies the store if --store names one, whatever the variable', async () => {
    const { place } = await site();
    const env = { STOWAGE_SITE: join(place, 'site') };
    const args = ['store', 'verify', '--store', join(place, 'site/store')];
    const { result } = await runProgram(args, place, { env });
    expect(result?.json).toMatchObject({ store: join(place, 'site/store'), damaged: [] });
  });
});
