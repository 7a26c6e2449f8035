import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();
const manifest = (name: string, rest: string): string => `apiVersion: stowage/v1
name: ${name}
version: 1.0.0
platforms: [linux/amd64, linux/arm64]
${rest}`;
let place: string;

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(args, place, {
    env: { STOWAGE_STORE: join(place, 'store') },
    program: join(place, 'dist/main.js'),
  });
const pack = (output: string, ...args: readonly string[]): Promise<Ran> =>
  run('pack', 'chat.yaml', '--output', output, ...args);

beforeAll(async () => {
  place = scratch.fresh();
  for (const each of ['dist/installer', 'half']) mkdirSync(join(place, each), { recursive: true });
  for (const each of ['dist/installer/stowage-linux-x64', 'dist/installer/stowage-linux-arm64'])
    writeFileSync(join(place, each), `#!/bin/sh\n# ${each}\n`);
  writeFileSync(join(place, 'half/stowage-linux-x64'), '#!/bin/sh\n');
  writeFileSync(join(place, 'settings.json'), '{}');
  const files = 'files:\n  - name: settings\n    source: ./settings.json\n';
  writeFileSync(join(place, 'chat.yaml'), manifest('chat', files));
  const recalls = 'recalls:\n  - release: chat\n    versions: 0.9.0\n    reason: it leaks\n';
  writeFileSync(join(place, 'word.yaml'), manifest('word', recalls));
  for (const each of ['chat.yaml', 'word.yaml'])
    expect((await run('lock', each)).error).toBeUndefined();
});

const sums = (folder: string): string => readFileSync(join(place, folder, 'SHA512SUMS'), 'utf8');

describe('when a bundle is packed', () => {
  it('includes the installers next to the program and is reproducible', async () => {
    expect((await pack('one')).error).toBeUndefined();
    expect(sums('one')).toMatch(/ stowage-linux-arm64\n.* stowage-linux-x64\n/);
    expect(readFileSync(join(place, 'one/stowage-linux-x64'), 'utf8')).toContain('linux-x64');
    await pack('two', '--installer', 'dist/installer');
    expect(sums('two')).toBe(sums('one'));
  });

  it('fails if one is missing and leaves nothing', async () => {
    expect((await pack('none', '--installer', 'half')).error).toMatchObject({
      code: 'file-missing',
      expected: join(place, 'half/stowage-linux-arm64'),
    });
    expect(existsSync(join(place, 'none'))).toBe(false);
    expect(readdirSync(place).filter((each) => each.startsWith('.'))).toEqual([]);
  });

  it('includes none with --no-installer, and README.txt states it', async () => {
    expect((await pack('bare', '--no-installer')).error).toBeUndefined();
    expect(sums('bare')).not.toContain('stowage-linux');
    expect(readFileSync(join(place, 'bare/README.txt'), 'utf8')).toContain(
      'This bundle contains no installer',
    );
  });

  it('includes none in a notice, which has nothing to install', async () => {
    expect((await run('pack', 'word.yaml', '--output', 'word')).error).toBeUndefined();
    expect(sums('word')).not.toContain('stowage-linux');
  });
});
