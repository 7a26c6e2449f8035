import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  listedFiles,
  missingFiles,
  requireSameFiles,
  takeInventory,
} from '../../src/bundle/inventory.ts';
import { sriOf } from '../../src/core/digest.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import type { Checksum } from '../../src/format/checksums.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const line = (path: string, content = path): Checksum =>
  ({ path, sha512: sriOf(Buffer.from(content)) }) as Checksum;
const index = (control: readonly Checksum[], parts: readonly Checksum[] = []): Bundle =>
  ({ control, blobs: [{ parts }] }) as unknown as Bundle;

describe('when SHA512SUMS and bundle.json are compared', () => {
  const control = [line('VERIFY.txt'), line('trust/2.trust.json')];
  const parts = [line('blobs/a'), line('blobs/b')];
  const own = line('bundle.json');

  it('requires the same files in both, and bundle.json only in SHA512SUMS', () => {
    requireSameFiles([own, ...control, ...parts], index(control, parts));
  });

  it.each<[string, readonly Checksum[], Bundle]>([
    ['blobs/b', [own, ...control, line('blobs/a')], index(control, parts)],
    ['extra', [own, ...control, ...parts, line('extra')], index(control, parts)],
    ['blobs/b', [own, ...control, line('blobs/a'), line('blobs/b', 'x')], index(control, parts)],
    ['VERIFY.txt', [own, ...control, ...parts], index([...control, line('VERIFY.txt')], parts)],
    ['bundle.json', [own, ...control, ...parts], index([...control, own], parts)],
  ])('names %s, which differs', async (path, checksums, bundle) => {
    const error = await expectCode(() => requireSameFiles(checksums, bundle), 'index-mismatch');
    expect(error.found).toBe(path);
  });
});

describe('when the media are compared with SHA512SUMS', () => {
  const scratch = scratchFolder(true);
  let folder: string;
  const listed = [line('bundle.json'), line('blobs/a')];

  beforeEach(() => {
    folder = scratch.fresh();
    for (const each of ['blobs', 'signatures']) mkdirSync(join(folder, each), { recursive: true });
    for (const each of ['SHA512SUMS', 'signatures/release.p7s', 'bundle.json', 'blobs/a'])
      writeFileSync(join(folder, each), '');
  });

  it('advises against removing a foreign file while a listed one of its folder is missing', async () => {
    writeFileSync(join(folder, 'blobs/foreign'), '');
    const complete = await expectCode(() => listedFiles(folder, listed), 'file-unexpected');
    expect(complete.hint).not.toContain('do not remove');
    rmSync(join(folder, 'blobs/a'));
    const missing = await expectCode(() => listedFiles(folder, listed), 'file-unexpected');
    expect(missing.hint).toContain('do not remove');
    expect(missing.hint).toContain('blobs/a');
  });

  it('accepts the listed files, the list and its signatures', async () => {
    expect(missingFiles(listed, [await listedFiles(folder, listed)])).toBeUndefined();
  });

  it('finds files in any of the folders', async () => {
    const more = [...listed, line('blobs/b')];
    const here = await listedFiles(folder, more);
    expect([...here].sort()).toEqual(['blobs/a', 'bundle.json']);
    expect(missingFiles(more, [here, new Set(['blobs/b'])])).toBeUndefined();
    expect(missingFiles(more, [here])?.code).toBe('part-missing');
  });

  it.each<[string, (path: string) => void]>([
    ['link', (path) => symlinkSync('bundle.json', path)],
    ['pipe', (path) => execFileSync('mkfifo', [path])],
  ])('refuses a %s, also one that is listed', async (_, make) => {
    make(join(folder, 'odd'));
    await expectCode(() => listedFiles(folder, [...listed, line('odd')]), 'file-kind');
  });

  it('refuses a folder in place of a listed file, empty or not', async () => {
    mkdirSync(join(folder, 'blobs/b'));
    const more = [...listed, line('blobs/b')];
    await expectCode(() => listedFiles(folder, more), 'file-kind');
    writeFileSync(join(folder, 'blobs/b/c'), '');
    await expectCode(() => listedFiles(folder, more), 'file-kind');
  });

  it.each(['extra', 'SHA512SUMS.old', 'signature', 'blobs/signatures', 'a/signatures/release.p7s'])(
    'refuses %s, which is not listed',
    async (path) => {
      mkdirSync(join(folder, 'a/signatures'), { recursive: true });
      writeFileSync(join(folder, path), '');
      const error = await expectCode(() => listedFiles(folder, listed), 'file-unexpected');
      expect(error.found).toContain(path.split('/')[0]);
    },
  );

  it('lists every foreign file, link and folder in place of a file, up to 50', async () => {
    mkdirSync(join(folder, 'blobs/b'));
    for (const name of ['blobs/b/inside', 'one', 'two']) writeFileSync(join(folder, name), '');
    symlinkSync('one', join(folder, 'three'));
    const more = [...listed, line('blobs/b')];
    const { defects, exitStatus } = await expectCode(() => listedFiles(folder, more), 'file-kind');
    expect(exitStatus).toBe(10);
    expect(defects).toHaveLength(4);
    for (const name of ['one', 'two', 'three', 'blobs/b is a folder'])
      expect(defects.join()).toContain(name);
    for (let n = 0; n < 60; n += 1) writeFileSync(join(folder, `extra-${n}`), '');
    expect((await takeInventory(folder, listed)).faults).toHaveLength(50);
  });

  it('names the first missing file, and up to 50 in total', async () => {
    const more = Array.from({ length: 60 }, (_, n) => line(`blobs/missing-${n}`));
    const all = [...listed, ...more];
    const found = await listedFiles(folder, all);
    const error = missingFiles(all, [found]);
    expect(error?.code).toBe('part-missing');
    expect(error?.expected).toBe('blobs/missing-0');
    expect(error?.defects).toHaveLength(50);
    expect(error?.message).toContain('60 of');
  });
});
