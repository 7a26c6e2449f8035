import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../../src/bundle/admission/admit.ts';
import { verifyParts } from '../../../src/bundle/verify.ts';
import type { ErrorCode } from '../../../src/core/error.ts';
import { installerPath } from '../../../src/format/installer.ts';
import { namesIn } from '../../../src/io/file.ts';
import { install, rollback } from '../../../src/site/applying/change-release.ts';
import { stage } from '../../../src/site/importing/stage.ts';
import { offerInstaller } from '../../../src/site/release/layout.ts';
import { releaseFolder } from '../../../src/site/release/release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { hostPlatform } from '../../../src/target/host/platform.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { resign, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
const name = installerPath(hostPlatform()) ?? '';
let one: SmallBundle;
let two: SmallBundle;
let bare: SmallBundle;

beforeAll(async () => {
  one = await smallBundle({ place: scratch.fresh(), services: [], installer: true });
  const { authority } = one;
  const next = { place: scratch.fresh(), authority, services: [] };
  two = await smallBundle({ ...next, version: '1.1.0', seq: 2, installer: true });
  bare = await smallBundle({ ...next, place: scratch.fresh(), version: '1.2.0', seq: 3 });
});

interface Place {
  readonly site: SiteFolder;
  put(folder: string): Promise<unknown>;
  back(): Promise<unknown>;
  /** What `bin/stowage` says. */
  says(): string;
}

function place(): Place {
  const site = new SiteFolder(scratch.fresh('site'));
  const options = { ...context(), site, target: fakeTarget(), trust: one.trust };
  return {
    site,
    put: (folder) => install(folder, options),
    back: () => rollback(undefined, options),
    says: () => execFileSync(site.path('bin/stowage'), { encoding: 'utf8' }).trim(),
  };
}

async function admitted(folder: string): ReturnType<typeof admit> {
  return admit(folder, { ...context(), trust: one.trust });
}

/** What can be wrong with an installer whose bundle's signatures hold. */
const wrongs: [string, ErrorCode, (path: string) => void][] = [
  [
    'a bit flipped',
    'part-damaged',
    (path) => {
      const bytes = readFileSync(path);
      bytes[5] = (bytes[5] ?? 0) ^ 1;
      writeFileSync(path, bytes);
    },
  ],
  ['a byte more', 'part-damaged', (path) => writeFileSync(path, '\n', { flag: 'a' })],
  ['a byte less', 'part-damaged', (path) => truncateSync(path, statSync(path).size - 1)],
  [
    'another program of its size',
    'part-damaged',
    (path) => writeFileSync(path, '#!/bin/sh\n'.padEnd(statSync(path).size, ' ')),
  ],
  [
    'a link to another program',
    'file-kind',
    (path) => {
      rmSync(path);
      symlinkSync('/bin/true', path);
    },
  ],
];

describe('when the installer is not what was signed (attack 118)', () => {
  it.each(wrongs)('refuses %s, whoever asks', async (_, code, change) => {
    const folder = scratch.copy(one.folder);
    const known = await admitted(folder);
    change(join(folder, name));
    const error = await expectCode(() => verifyParts(known, context()), code);
    if (code === 'part-damaged') expect(error.message).toContain('the installer for');
    const { site, put } = place();
    await expectCode(() => put(folder), code);
    expect(await namesIn(site.path('releases'))).toEqual([]);
    expect(existsSync(site.path('bin'))).toBe(false);
  });

  it('refuses one that is missing, before anything is read', async () => {
    const folder = scratch.copy(one.folder);
    rmSync(join(folder, name));
    await expectCode(() => admitted(folder), 'part-missing');
  });

  it('refuses one that no list names', async () => {
    const folder = scratch.copy(bare.folder);
    writeFileSync(join(folder, name), '#!/bin/sh\n');
    await expectCode(() => admitted(folder), 'file-unexpected');
  });

  it.each<[string, (own: object) => object]>([
    ['under another name', (own) => ({ ...own, path: 'stowage' })],
    ['under the name of another platform', (own) => ({ ...own, platform: 'linux/riscv64' })],
    ['of no bytes', (own) => ({ ...own, size: 0, crc32: '' })],
    ['larger than any is', (own) => ({ ...own, size: 2 ** 40 })],
    ['with CRCs of another size', (own) => ({ ...own, crc32: '' })],
  ])('refuses an index with one %s, signed', async (_, bend) => {
    const folder = scratch.copy(one.folder);
    const [own] = one.bundle.installers ?? [];
    resign(folder, one.authority, {
      index: (bundle) => ({ ...bundle, installers: [bend(own ?? {})] }),
    });
    await expectCode(() => admitted(folder), 'index-malformed');
  });
});

describe('when a release is installed', () => {
  it('offers its installer in the site, and that of the next one after it', async () => {
    const { site, put, says, back } = place();
    await put(one.folder);
    expect(says()).toBe('stowage of chat 1.0.0');
    expect(statSync(site.path('bin/stowage')).mode & 0o777).toBe(0o755);
    await put(two.folder);
    expect(says()).toBe('stowage of chat 1.1.0');
    await back();
    expect(says()).toBe('stowage of chat 1.1.0');
    expect(readdirSync(site.path('bin'))).toEqual(['stowage']);
  });

  it('leaves the one that is there when a bundle has none', async () => {
    const { put, says } = place();
    await put(one.folder);
    await put(bare.folder);
    expect(says()).toBe('stowage of chat 1.0.0');
  });

  it('takes it from media that can neither be written to nor run from', async () => {
    const folder = scratch.copy(one.folder);
    chmodSync(join(folder, name), 0o444);
    const { put, says } = place();
    await put(folder);
    expect(says()).toBe('stowage of chat 1.0.0');
  });

  it('keeps the one that is there when the stored one was damaged', async () => {
    const { site, put, says } = place();
    await put(one.folder);
    await put(two.folder);
    const { id, bundle } = await admitted(one.folder);
    flipBit(join(releaseFolder(site, id), name), 5);
    await expectCode(() => offerInstaller(site, { id, bundle }, hostPlatform()), 'blob-damaged');
    expect(says()).toBe('stowage of chat 1.1.0');
    expect(readdirSync(site.path('bin'))).toEqual(['stowage']);
  });

  it('stages it without offering it, and offers it over what an interrupted run left', async () => {
    const { site } = place();
    await site.prepare();
    const { id, bundle } = await admitted(one.folder);
    await stage(await admitted(one.folder), site, context());
    expect(existsSync(site.path('bin'))).toBe(false);
    await offerInstaller(site, { id, bundle }, hostPlatform());
    writeFileSync(site.path('bin/.stowage.partial'), 'half');
    await offerInstaller(site, { id, bundle }, hostPlatform());
    expect(readdirSync(site.path('bin'))).toEqual(['stowage']);
  });
});
