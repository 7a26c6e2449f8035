import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();
let place: string;

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(args, place, { env: { STOWAGE_STORE: join(place, 'store') } });

beforeAll(async () => {
  place = scratch.fresh();
  mkdirSync(join(place, 'text'), { recursive: true });
  writeFileSync(join(place, 'text/a.txt'), 'a');
  writeFileSync(join(place, 'file'), '');
  writeFileSync(
    join(place, 'stowage.yaml'),
    'apiVersion: stowage/v1\nname: tiny\nversion: 1.0.0\nfiles:\n  - name: text\n    source: ./text\n',
  );
  const commands = [
    ['lock'],
    ['pack', '--no-installer', '-o', 'tiny'],
    ['pki', 'pki'],
    ['sign', 'tiny', '--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem'],
  ];
  for (const args of commands) expect((await run(...args)).error).toBeUndefined();
});

/** Commands that write a folder, without the option for its path. */
const folders: readonly string[][] = [
  ['pack', '--no-installer', '--output'],
  ['split', 'tiny', '--disc-size', '100MB', '--output'],
  ['pki'],
];

/** Commands that write a file, without its path. */
const files: readonly string[][] = [
  ['stream', 'tiny', '--output'],
  ['inspect', 'tiny', '--html'],
  ['verify', 'tiny', '--trust', 'pki/root.pem', '--report'],
  ['sign', 'tiny', '--certificate', 'pki/release.pem', '--name', 'other', '--prepare'],
  ['trust', 'init', '--root', 'a=pki/root.pem', '--release', 'a', '--output'],
  ['init'],
  ['uninstall', '--everything', '--yes', '--receipt'],
];

describe('when the folder above an output does not exist', () => {
  it.each(folders)('is created for a folder: %s %s', async (...args) => {
    const top = `for-${args[0]}`;
    expect((await run(...args, `${top}/a/b`)).error).toBeUndefined();
    expect(readdirSync(join(place, top, 'a'))).toEqual(['b']);
  });

  it.each(files)(
    'is named for a file, with the command that creates it: %s %s',
    async (...args) => {
      const { error } = await run(...args, 'no/such/2.html');
      expect(error).toMatchObject({
        code: 'file-missing',
        expected: `a folder at ${join(place, 'no/such')}`,
      });
      expect(error?.hint).toContain(`mkdir -p ${join(place, 'no/such')}`);
      expect(existsSync(join(place, 'no'))).toBe(false);
    },
  );

  it.each([...folders, ...files])(
    'names the file that is in the place of a folder: %s %s',
    async (...args) => {
      for (const path of ['file/2.html', 'file/x/2.html'])
        expect((await run(...args, path)).error).toMatchObject({
          code: 'file-missing',
          message: expect.stringContaining(join(place, 'file')),
          found: 'a file where the path requires a folder',
        });
    },
  );

  it.each([
    ['pack', '--no-installer', '--disc-size', '1KB', '--output'],
    ['split', 'tiny', '--disc-size', '1KB', '--output'],
  ])('leaves no folder behind after a failure: %s', async (...args) => {
    const before = readdirSync(place);
    expect((await run(...args, 'left/a/b')).error?.code).toBe('disc-too-small');
    expect(readdirSync(place)).toEqual(before);
  });
});
