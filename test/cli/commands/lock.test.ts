import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import type { Lock } from '../../../src/format/lock.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder();
let cwd: string;

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(args, cwd, { env: { STOWAGE_STORE: join(cwd, 'store') } });
const path = (): string => join(cwd, 'stowage.lock.json');
const read = (): Lock => JSON.parse(readFileSync(path(), 'utf8')) as Lock;
const edit = (from: string | RegExp, to: string): void =>
  writeFileSync(path(), readFileSync(path(), 'utf8').replace(from, to));

beforeEach(async () => {
  cwd = scratch.fresh('cwd');
  mkdirSync(cwd);
  writeFileSync(join(cwd, 'notes.txt'), 'notes');
  writeFileSync(
    join(cwd, 'stowage.yaml'),
    'apiVersion: stowage/v1\nname: note\nversion: 1.0.0\nfiles:\n  - { name: notes, source: notes.txt }\n',
  );
  expect((await run('lock', '--seq', '7')).error).toBeUndefined();
});

describe('when a local source cannot be packed', () => {
  it.each(['lock', 'store pull', 'pack --no-installer'])(
    'says so before anything else is read or downloaded: %s',
    async (line) => {
      const manifest = join(cwd, 'stowage.yaml');
      mkdirSync(join(cwd, 'more'));
      writeFileSync(join(cwd, 'more/a'), 'a');
      const more = '  - { name: more, source: more }\n';
      const before = readFileSync(manifest, 'utf8').replace('1.0.0', '1.0.1');
      writeFileSync(manifest, before + more);
      expect((await run('lock')).error).toBeUndefined();
      symlinkSync('a', join(cwd, 'more/link'));
      rmSync(join(cwd, 'store'), { recursive: true });
      if (line === 'lock')
        // A source that cannot be reached, and which is read first.
        writeFileSync(
          manifest,
          `${readFileSync(manifest, 'utf8')}models:\n  - { name: far, source: "hf://a/b@main" }\n`,
        );
      const { error } = await runProgram(line.split(' '), cwd, {
        env: { STOWAGE_STORE: join(cwd, 'store'), HF_ENDPOINT: 'http://127.0.0.1:9' },
      });
      expect([error?.code, error?.defects]).toEqual(['file-kind', ['link: a link to "a"']]);
      expect(existsSync(join(cwd, 'store/blobs'))).toBe(false);
    },
  );

  it('knows a file of another size as changed, and reads none of it', async () => {
    rmSync(join(cwd, 'store'), { recursive: true });
    truncateSync(join(cwd, 'notes.txt'), 2 ** 40);
    const { error } = await run('pack', '--no-installer');
    expect(error).toMatchObject({ code: 'lock-stale', expected: 'a file of 5 bytes' });
    expect(error?.found).toContain('(1099511627776 bytes)');
  });
});

describe('when a lock was edited by hand', () => {
  const edits: Readonly<Record<string, [RegExp, string]>> = {
    'the digest of a file': [
      new RegExp(digestOf(Buffer.from('notes'))),
      `sha256:${'0'.repeat(64)}`,
    ],
    'the size of a file': [/"size": 5/, '"size": 6'],
    'the sequence': [/"seq": 7/, '"seq": 8'],
  };

  it.each(Object.entries(edits))(
    'is refused where it is used, with a hint that works: %s',
    async (_, [from, to]) => {
      const before = read();
      edit(from, to);
      expect(read()).not.toEqual(before);
      const files = tree(cwd);
      const uses = [
        ['pack', '--no-installer'],
        ['store', 'pull'],
        ['store', 'prune', '--keep', path()],
      ];
      for (const args of uses) {
        const { error, status } = await run(...args);
        expect([error?.code, status]).toEqual(['lock-invalid', 1]);
        expect(error?.message).toContain(`${path()} was changed`);
        expect(error?.expected).toContain(before.digest);
        expect(error?.hint).toContain('run stowage lock');
      }
      expect(tree(cwd)).toEqual(files);
      const again = await run('lock');
      expect(again.error).toBeUndefined();
      expect(again.stderr).toContain('was edited');
      expect(read().files).toEqual(before.files);
      expect(read().seq).toBeGreaterThanOrEqual(before.seq);
      expect((await run('pack', '--no-installer', '--same-version', 'edited')).error).toBe(
        undefined,
      );
    },
  );

  it('is still valid if only its layout changed', async () => {
    const { digest, ...rest } = read();
    writeFileSync(path(), JSON.stringify({ ...rest, digest }));
    expect((await run('pack', '--no-installer')).error).toBeUndefined();
  });
});

describe('when a lock of version 1 is used', () => {
  it('is packed as it is, and is not rewritten until it changes', async () => {
    const { digest: _, ...rest } = read();
    const old = JSON.stringify({ ...rest, schema: 'stowage/lock/v1' });
    writeFileSync(path(), old);
    expect((await run('lock')).stdout).toContain('unchanged');
    expect((await run('pack', '--no-installer')).error).toBeUndefined();
    expect(readFileSync(path(), 'utf8')).toBe(old);
    expect((await run('lock', '--seq', '9')).error).toBeUndefined();
    expect(read()).toMatchObject({ schema: 'stowage/lock/v2', seq: 9 });
  });
});
