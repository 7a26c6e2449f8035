import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Bundle } from '../../../src/format/bundle.ts';
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

  it('includes the toolkit with --toolkit, for each platform', async () => {
    expect((await pack('lacking', '--toolkit')).error).toMatchObject({
      code: 'file-missing',
      expected: join(place, 'dist/installer/stowage-toolkit-linux-x64'),
    });
    for (const each of ['stowage-toolkit-linux-x64', 'stowage-toolkit-linux-arm64'])
      writeFileSync(join(place, 'dist/installer', each), `#!/bin/sh\n# ${each}\n`);
    expect((await pack('tools', '--toolkit')).error).toBeUndefined();
    const { schema, installers } = JSON.parse(
      readFileSync(join(place, 'tools/bundle.json'), 'utf8'),
    ) as Bundle;
    expect(schema).toBe('stowage/bundle/v3');
    expect(installers?.map(({ path }) => path).toSorted()).toEqual([
      ...['stowage-linux-arm64', 'stowage-linux-x64'],
      ...['stowage-toolkit-linux-arm64', 'stowage-toolkit-linux-x64'],
    ]);
    expect(statSync(join(place, 'tools/stowage-toolkit-linux-x64')).mode & 0o777).toBe(0o755);
    const text = (path: string): string => readFileSync(join(place, 'tools', path), 'utf8');
    expect(text('README.txt')).not.toContain('toolkit');
    expect(text('OPERATOR.txt').match(/sha512sum --check --strict/g)).toHaveLength(4);
    expect(text('attestations/sbom.cdx.json')).toContain('The toolkit for linux/arm64');
    expect(text('attestations/provenance.slsa.json')).toContain('stowage-toolkit-linux-arm64');
    expect((await run('inspect', 'tools')).stdout).toContain('stowage-toolkit-linux-x64');
    expect((await pack('bare-tools', '--toolkit', '--no-installer')).error).toBeUndefined();
    expect(sums('bare-tools')).toMatch(/ stowage-toolkit-linux-x64/);
    expect(sums('bare-tools')).not.toMatch(/ stowage-linux/);
  });

  it('keeps the toolkit and its mode on discs', async () => {
    const { error } = await run('split', 'tools', '--disc-size', '2GB', '--output', 'discs');
    expect(error).toBeUndefined();
    const [disc = ''] = readdirSync(join(place, 'discs'));
    const path = join(place, 'discs', disc, 'stowage-toolkit-linux-x64');
    expect(statSync(path).mode & 0o777).toBe(0o755);
  });

  it('includes none in a notice, which has nothing to install', async () => {
    expect((await run('pack', 'word.yaml', '--output', 'word')).error).toBeUndefined();
    expect(sums('word')).not.toContain('stowage-linux');
  });
});
