import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sriOf } from '../../src/core/digest.ts';
import { MAX_BUNDLE_FILES, MAX_CHECKSUMS_BYTES } from '../../src/core/limits.ts';
import { readChecksums, writeChecksums } from '../../src/format/checksums.ts';
import { expectCode } from '../support/error.ts';
import { temporaryFolder } from '../support/folder.ts';

const A = 'a'.repeat(128);
const B = 'b'.repeat(128);
const good = `${A}  a\n${B}  b/c\n`;

describe('when SHA512SUMS is read', () => {
  it.each([
    ['nothing', ''],
    ['an empty line alone', '\n'],
    ['no final newline', good.slice(0, -1)],
    ['an empty line at the end', `${good}\n`],
    ['an empty line between', good.replace('\n', '\n\n')],
    ['a CR before each LF', good.replaceAll('\n', '\r\n')],
    ['CR alone', good.replaceAll('\n', '\r')],
    ['an escaped name', `\\${A}  a\\\\b\n`],
    ['a mark of escape', `\\${A}  a\n`],
    ['a binary mark', `${A} *a\n`],
    ['one space', `${A} a\n`],
    ['three spaces', `${A}   a\n`],
    ['a tab', `${A}\ta\n`],
    ['the BSD form', `SHA512 (a) = ${A}\n`],
    ['upper case', `${A.toUpperCase()}  a\n`],
    ['127 digits', `${A.slice(1)}  a\n`],
    ['129 digits', `${A}a  a\n`],
    ['SHA-256', `${A.slice(64)}  a\n`],
    ['a line twice', `${A}  a\n${A}  a\n`],
    ['a path twice with two digests', `${A}  a\n${B}  a\n`],
    ['lines out of order', `${B}  b\n${A}  a\n`],
    ['lines in an order without case', `${A}  a\n${B}  B\n`],
    ['a path that climbs out', `${A}  ../a\n`],
    ['a path that climbs out from within', `${A}  a/../../b\n`],
    ['an absolute path', `${A}  /etc/passwd\n`],
    ['a path from here', `${A}  ./a\n`],
    ['no path', `${A}  \n`],
    ['a path with a space', `${A}  a b\n`],
    ['an option for a path', `${A}  -a\n`],
    ['standard input for a path', `${A}  -\n`],
    ['a comment', `# sums\n${good}`],
    ['a byte-order mark', `\ufeff${good}`],
    ['a path beyond ASCII', `${A}  ä\n`],
    ['an escape sequence', `${A}  a\u001b[2J\n`],
    ['NUL in a path', `${A}  a\0b\n`],
  ])('refuses %s', async (_, text) => {
    await expectCode(() => readChecksums(Buffer.from(text)), 'checksums-malformed');
  });

  it.each([
    ['bytes', () => Buffer.alloc(MAX_CHECKSUMS_BYTES + 1, '\n')],
    ['lines', () => Buffer.alloc(MAX_BUNDLE_FILES + 1, '\n')],
  ])('refuses more %s than a bundle may have', async (_, make) => {
    await expectCode(() => readChecksums(make()), 'checksums-malformed');
  });

  it('names the line at fault', async () => {
    const text = `${good}${A}  c d\n`;
    const error = await expectCode(() => readChecksums(Buffer.from(text)), 'checksums-malformed');
    expect(error.found).toMatch(/^line 3: /);
  });
});

describe('when SHA512SUMS is written', () => {
  const path = fc.stringMatching(
    /^[A-Za-z0-9_][A-Za-z0-9_-]{0,8}(\/[A-Za-z0-9_][A-Za-z0-9_-]{0,8}){0,3}$/,
  );
  const files = fc.uniqueArray(fc.record({ path, text: fc.string() }), {
    minLength: 1,
    selector: (each) => each.path,
  });
  const toSums = (
    list: readonly { path: string; text: string }[],
  ): Parameters<typeof writeChecksums>[0] =>
    list.map((each) => ({ path: each.path, sha512: sriOf(Buffer.from(each.text)) }));

  it('is read back sorted, for any order', () => {
    const plain = files.filter(
      (list) =>
        !list.some(({ path: each }) =>
          /(?:^|\/)(?:con|prn|aux|nul|com\d|lpt\d)(?:\/|$)/i.test(each),
        ),
    );
    fc.assert(
      fc.property(plain, (list) => {
        const bytes = writeChecksums(toSums(list));
        const read = readChecksums(bytes);
        expect(read.map((each) => each.path)).toEqual(list.map((each) => each.path).sort());
        expect(writeChecksums(read.toReversed()).equals(bytes)).toBe(true);
      }),
    );
  });

  it('ignores no byte: a list that is read is the list that would be written', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const bytes = Buffer.from(good);
        bytes[at] = byte;
        try {
          expect(writeChecksums(readChecksums(bytes)).equals(bytes)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: 'checksums-malformed' });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is what sha512sum writes and accepts', () => {
    const folder = temporaryFolder();
    const list = ['b', 'a', 'B', 'a-b', 'a_b', 'a.b', 'd/e', 'd-e', 'empty'].map((each) => ({
      path: each,
      text: each === 'empty' ? '' : each,
    }));
    for (const each of list) {
      mkdirSync(dirname(join(folder, each.path)), { recursive: true });
      writeFileSync(join(folder, each.path), each.text);
    }
    const bytes = writeChecksums(toSums(list));
    writeFileSync(join(folder, 'SHA512SUMS'), bytes);
    const sorted = readChecksums(bytes).map((each) => each.path);
    const env = { ...process.env, LC_ALL: 'C' };
    const theirs = execFileSync('sha512sum', sorted, { cwd: folder, env });
    expect(theirs.equals(bytes)).toBe(true);
    const check = ['--check', '--strict', '--quiet', 'SHA512SUMS'];
    expect(spawnSync('sha512sum', check, { cwd: folder, env }).status).toBe(0);
    writeFileSync(join(folder, 'd/e'), 'x');
    expect(spawnSync('sha512sum', check, { cwd: folder, env }).status).not.toBe(0);
  });
});
