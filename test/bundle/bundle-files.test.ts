import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { readListed, readSignatures, requireSum } from '../../src/bundle/bundle-files.ts';
import { sriHex, sriOf } from '../../src/core/digest.ts';
import { MAX_SIGNATURE_BYTES, MAX_SIGNATURES } from '../../src/core/limits.ts';
import type { Checksum } from '../../src/format/checksums.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder(true);
let folder: string;
const put = (path: string, content = path): void => writeFileSync(join(folder, path), content);

beforeEach(() => {
  folder = scratch.fresh();
  mkdirSync(join(folder, 'signatures'), { recursive: true });
});

describe('when a listed file is read', () => {
  it('returns its bytes up to the limit, and rejects one more', async () => {
    put('it', 'four');
    expect(await readListed(folder, 'it', 4, 'part-missing')).toEqual(Buffer.from('four'));
    await expectCode(() => readListed(folder, 'it', 3, 'part-missing'), 'part-damaged');
    for (const [name, code] of [
      ['SHA512SUMS', 'checksums-malformed'],
      ['bundle.json', 'index-malformed'],
    ] as const) {
      put(name, 'four');
      await expectCode(() => readListed(folder, name, 3, 'part-missing'), code);
    }
  });

  it('fails with the given code if it is missing', async () => {
    const missing = await expectCode(
      () => readListed(folder, 'it', 4, 'part-missing'),
      'part-missing',
    );
    expect(missing.hint).toContain('copy the bundle again');
    const absent = await expectCode(
      () => readListed(folder, 'it', 4, 'bundle-absent'),
      'bundle-absent',
    );
    expect(absent.hint).toContain('give the folder');
  });

  it.each([
    ['nope', 'nothing'],
    ['a-file', 'a file'],
  ])('names the folder, not a file in it, if %s is no folder', async (name, found) => {
    put('a-file');
    const place = join(folder, name);
    const error = await expectCode(
      () => readListed(place, 'SHA512SUMS', 4, 'bundle-absent'),
      'bundle-absent',
    );
    expect(error.found).toBe(found);
    expect(error.message).toContain(place);
    expect(error.message).not.toContain('SHA512SUMS');
  });

  it.each([
    ['chat.tar', 'import a stream with'],
    ['tape', 'give the folder of the bundle, not a file in it'],
  ])('says how to import %s if it is a recorded stream', async (name, start) => {
    put(name);
    const path = join(folder, name);
    const error = await expectCode(
      () => readListed(path, 'SHA512SUMS', 4, 'bundle-absent'),
      'bundle-absent',
    );
    expect(error.hint).toContain(start);
    expect(error.hint).toContain(`"stowage import - < ${path}"`);
  });
});

describe('when signatures are read', () => {
  it('returns them sorted by name, and none without a folder', async () => {
    for (const name of ['b.p7s', 'a.p7s', '0-Z_.p7s']) put(`signatures/${name}`);
    const read = await readSignatures(folder);
    expect(read.map(({ name }) => name)).toEqual(['0-Z_.p7s', 'a.p7s', 'b.p7s']);
    expect(read[1]?.bytes.toString()).toBe('signatures/a.p7s');
    expect(await readSignatures(scratch.fresh())).toEqual([]);
  });

  it.each(['.p7s', '.a.p7s', '-a.p7s', 'a.p7s.bak', 'a p7s', 'a.p7s\n', ' a.p7s', 'a\u202e.p7s'])(
    'refuses the name %j',
    async (name) => {
      put(`signatures/${name}`);
      await expectCode(() => readSignatures(folder), 'file-unexpected');
    },
  );

  it('accepts the maximum number and size, and no more', async () => {
    for (let n = 0; n < MAX_SIGNATURES; n += 1) put(`signatures/${n}.p7s`);
    truncateSync(join(folder, 'signatures/0.p7s'), MAX_SIGNATURE_BYTES);
    expect(await readSignatures(folder)).toHaveLength(MAX_SIGNATURES);
    put('signatures/more.p7s');
    const error = await expectCode(() => readSignatures(folder), 'signature-malformed');
    expect(error.found).toBe(String(MAX_SIGNATURES + 1));
  });

  it('rejects a file in place of the folder', async () => {
    const other = scratch.fresh();
    mkdirSync(other);
    writeFileSync(join(other, 'signatures'), '');
    await expectCode(() => readSignatures(other), 'file-unexpected');
  });

  it('reports other system errors', async () => {
    await expectCode(() => readSignatures(join(folder, 'x'.repeat(300))), 'io-failed');
  });
});

describe('when bytes are compared with SHA512SUMS', () => {
  const bytes = Buffer.from('content');
  const list = [
    { path: 'a', sha512: sriOf(Buffer.from('other')) },
    { path: 'b', sha512: sriOf(bytes) },
  ] as unknown as readonly Checksum[];

  it('requires the digest in their own line', async () => {
    requireSum(list, 'b', bytes);
    const damaged = await expectCode(() => requireSum(list, 'a', bytes), 'part-damaged');
    expect(damaged.found).toBe(sriHex(sriOf(bytes)));
    await expectCode(() => requireSum(list, 'c', bytes), 'index-mismatch');
  });
});
