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

/** A folder with a manifest that has this `files` list, a file, a folder, and links that lead out of it. */
function place(files: string): string {
  const folder = scratch.fresh();
  const home = join(folder, 'home');
  mkdirSync(join(home, 'prompts'), { recursive: true });
  mkdirSync(join(folder, 'elsewhere'));
  writeFileSync(join(folder, 'elsewhere', 'a.txt'), 'a');
  writeFileSync(join(home, 'prompts', 'a.txt'), 'a');
  symlinkSync('../elsewhere', join(home, 'link'));
  symlinkSync('prompts', join(home, 'own'));
  const head = 'apiVersion: stowage/v1\nname: a\nversion: 1.0.0\n';
  writeFileSync(join(home, 'stowage.yaml'), `${head}files:\n${files}`);
  return home;
}

const check = (home: string, ...args: string[]): Promise<Ran> =>
  runProgram(['check', ...args], home);

describe('when a manifest is checked', () => {
  it('prints what it describes, and writes nothing', async () => {
    const home = place('  - { name: p, source: ./prompts }\n');
    const before = tree(home);
    const ran = await check(home);
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([
      0,
      'stowage.yaml: no defects\n  a 1.0.0: 0 models, 0 images, 1 file or folder, 0 services\n',
      '',
    ]);
    expect(tree(home)).toEqual(before);
    expect(JSON.parse((await check(home, '--json')).stdout)).toMatchObject({ defects: [] });
  });

  it.each([
    ['a path that does not exist', '  - { name: p, source: ./none }\n'],
    ['a path above the folder', '  - { name: p, source: ../elsewhere }\n'],
    ['an absolute path', '  - { name: p, source: /etc/passwd }\n'],
    ['a link that leads outside', '  - { name: p, source: ./link/a.txt }\n'],
    ['a link at the end that leads outside', '  - { name: p, source: link }\n'],
    ['the folder of the manifest', '  - { name: p, source: . }\n'],
  ])('refuses %s, and so does lock', async (_, files) => {
    const home = place(files);
    const before = tree(home);
    for (const command of ['check', 'lock']) {
      const { status, error } = await runProgram([command], home);
      expect([status, error?.code, error?.defects.length]).toEqual([1, 'manifest-invalid', 1]);
      expect(error?.defects[0]).toMatch(/^stowage\.yaml:5:24: files\[0\]\.source: /);
    }
    expect(tree(home)).toEqual(before);
  });

  it.each([
    ['a transport', 'docker://registry.example/server:1.0'],
    ['an address', 'https://registry.example/server:1.0'],
    ['upper case', 'registry.example/Server:1.0'],
    ['an empty tag', 'registry.example/server:'],
    ['a digest that is none', 'registry.example/server@sha256:abc'],
  ])('refuses an image reference with %s, and so does lock', async (_, source) => {
    const home = scratch.fresh();
    mkdirSync(home);
    const head = 'apiVersion: stowage/v1\nname: a\nversion: 1.0.0\n';
    writeFileSync(
      join(home, 'stowage.yaml'),
      `${head}images:\n  - { name: server, source: "${source}" }\n`,
    );
    for (const command of ['check', 'lock']) {
      const { status, error } = await runProgram([command], home);
      expect([status, error?.code, error?.defects.length]).toEqual([1, 'manifest-invalid', 1]);
      expect(error?.defects[0]).toMatch(/^stowage\.yaml:5:\d+: images\[0\]\.source: /);
    }
  });

  it('names the lock that cannot be read, and how to go on without it', async () => {
    const home = place('  - { name: p, source: ./prompts }\n');
    writeFileSync(join(home, 'stowage.lock.json'), '{"schema":');
    const { error } = await runProgram(['lock'], home);
    expect(error?.code).toBe('lock-invalid');
    expect(error?.message).toContain(join(home, 'stowage.lock.json'));
    expect(error?.hint).toContain('--seq');
  });

  it('never lets the sequence go back', async () => {
    const home = place('  - { name: p, source: ./prompts }\n');
    const first = await runProgram(['lock', '--seq', '7'], home);
    expect([first.status, first.stdout]).toEqual([0, expect.stringContaining('sequence 7')]);
    const back = await runProgram(['lock', '--seq', '3'], home);
    expect([back.status, back.error?.code]).toEqual([2, 'usage-invalid']);
  });

  it.each([
    ['a path outside with outside: true', '  - { name: p, source: ../elsewhere, outside: true }\n'],
    ['a link that stays inside', '  - { name: p, source: ./own/a.txt }\n'],
  ])('accepts %s', async (_, files) => {
    expect((await check(place(files))).status).toBe(0);
  });

  it.each([
    ['outside: false', '{ name: p, source: ./prompts, outside: false }'],
    [
      'outside for a URL',
      `{ name: p, source: "https://a.example/x", digest: "sha256:${'0'.repeat(64)}", outside: true }`,
    ],
  ])('refuses %s', async (_, file) => {
    expect((await check(place(`  - ${file}\n`))).error?.code).toBe('manifest-invalid');
  });

  it('reports what is wrong with fields and with paths together', async () => {
    const home = place('  - { name: p, source: ./none }\nchanel: x\n');
    writeFileSync(
      join(home, 'stowage.yaml'),
      readFileSync(join(home, 'stowage.yaml'), 'utf8').replace('1.0.0', '1.0'),
    );
    const { stderr, error } = await check(home);
    expect(error?.defects.map((each) => each.split(': ')[1])).toEqual([
      'version',
      'files[0].source',
      'chanel',
    ]);
    for (const defect of error?.defects ?? []) expect(stderr.split(defect)).toHaveLength(2);
  });

  it('refuses the key of a signature that does not exist', async () => {
    const home = place(
      '  []\nimages:\n  - { name: i, source: x, signature: { key: cosign.pub } }\n',
    );
    expect((await check(home)).error?.defects).toEqual([
      'stowage.yaml:7:45: images[0].signature.key: no such file or folder: "cosign.pub"',
    ]);
  });
});
