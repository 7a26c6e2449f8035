import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { readListed, readSignatures } from '../../src/bundle/bundle-files.ts';
import { originalOf } from '../../src/bundle/changed-name.ts';
import { listedFiles } from '../../src/bundle/inventory.ts';
import { sriOf } from '../../src/core/digest.ts';
import type { Checksum } from '../../src/format/checksums.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const HEX = '87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7';
const PART = `blobs/sha256/${HEX}.0001`;
const LISTED = ['bundle.json', 'VERIFY.txt', 'stowage-linux-x64', PART];

describe('when a name on a medium is compared with the listed ones', () => {
  it.each([
    ['BUNDLE.JSO', 'bundle.json'],
    ['BUNDLE.JSON;1', 'bundle.json'],
    ['bundle~1.jso', 'bundle.json'],
    ['verify.txt', 'VERIFY.txt'],
    ['stowage_linux_x64', 'stowage-linux-x64'],
    ['stowage_', 'stowage-linux-x64'],
    ['STOWAG~1', 'stowage-linux-x64'],
    ['VER_FY.TXT', 'VERIFY.txt'],
    ['STOWAGE_L_NUX_X64', 'stowage-linux-x64'],
    ['ST3F2A~1', 'stowage-linux-x64'],
    [`blobs/sha256/${HEX.slice(0, 8)}.000`, PART],
    [`blobs/sha256/${HEX.slice(0, 7)}0.000`, PART],
    [`blobs/sha256/${HEX.slice(0, 27)}.000`, PART],
    [`blobs/sha256/${HEX.slice(0, 60)}.000`, PART],
    [`BLOBS/SHA256/${HEX.slice(0, 6).toUpperCase()}~2.000`, PART],
  ])('recognises %j', (found, original) => {
    expect(originalOf(found, LISTED)).toBe(original);
  });

  it.each([
    'evil',
    'bundle.json.bak',
    'bundle.json',
    'bundles.json',
    'verify.sh',
    'stow',
    'stowage-evil',
    `blobs/${HEX}`,
    `blobs/sha256/${HEX.slice(0, 5)}.000`,
    `blobs/sha256/${HEX.slice(0, 12)}evil.000`,
    `${PART}0`,
  ])('does not take %j for a listed file', (found) => {
    expect(originalOf(found, LISTED)).toBeUndefined();
  });
});

describe('when a medium has changed names', () => {
  const scratch = scratchFolder(true);
  let folder: string;
  const list = ['SHA512SUMS', 'signatures/release.p7s', ...LISTED];
  const checksums = LISTED.map(
    (path) => ({ path, sha512: sriOf(Buffer.from(path)) }) as unknown as Checksum,
  );

  beforeEach(() => {
    folder = join(scratch.fresh(), 'chat');
    for (const path of list) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), path);
    }
  });

  /** The content of a disc as this format stores it, extracted by xorriso. */
  const onDisc = (...options: readonly string[]): string => {
    const image = `${folder}.iso`;
    const place = `${folder}-disc`;
    for (const each of [image, place]) rmSync(each, { recursive: true, force: true });
    const quiet = { stdio: 'ignore' } as const;
    execFileSync('xorriso', ['-as', 'mkisofs', ...options, '-o', image, folder], quiet);
    execFileSync(
      'xorriso',
      ['-osirrox', 'on', '-indev', `stdio:${image}`, '-extract', '/', place],
      quiet,
    );
    return place;
  };

  it.each([
    ['ISO 9660 level 1', ['--norock', '-iso-level', '1'], 'SHA512SUMS'],
    ['ISO 9660 level 3', ['--norock', '-iso-level', '3'], 'bundle.json'],
  ])('names the cause for files that have fixed names on %s', async (_, options, path) => {
    const disc = onDisc(...options);
    const error = await expectCode(
      () => readListed(disc, path, 99, 'bundle-absent'),
      'part-missing',
    );
    expect(error).toMatchObject({ expected: path, hint: expect.stringContaining('Rock Ridge') });
    await expectCode(() => readSignatures(disc), 'part-missing');
  });

  it('names the cause for parts whose names Joliet shortens', async () => {
    const disc = onDisc('--norock', '-J');
    expect(existsSync(join(disc, 'SHA512SUMS'))).toBe(true);
    const [short = ''] = readdirSync(join(disc, 'blobs/sha256'));
    expect(short.length).toBeLessThan(`${HEX}.0001`.length);
    const error = await expectCode(() => listedFiles(disc, checksums), 'part-missing');
    expect(error.expected).toBe(PART);
    expect(error.found).toContain(short);
  });

  it('accepts a disc with Rock Ridge, as the hint advises', async () => {
    const disc = onDisc('-r', '-iso-level', '3');
    expect([...(await listedFiles(disc, checksums))].toSorted()).toEqual(LISTED.toSorted());
  });

  it('reports an intruder next to the file that it resembles', async () => {
    writeFileSync(join(folder, 'bundle~1.jso'), '');
    await expectCode(() => listedFiles(folder, checksums), 'file-unexpected');
    renameSync(join(folder, 'bundle~1.jso'), join(folder, 'evil'));
    rmSync(join(folder, 'bundle.json'));
    await expectCode(() => listedFiles(folder, checksums), 'file-unexpected');
  });

  it('fails as before if the file is not there under any name', async () => {
    rmSync(join(folder, 'SHA512SUMS'));
    await expectCode(() => readListed(folder, 'SHA512SUMS', 99, 'bundle-absent'), 'bundle-absent');
  });
});
