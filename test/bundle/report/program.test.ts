import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeTool } from '../../../src/bundle/report/program.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();

/** A folder that looks like a built program. */
function built(files: Readonly<Record<string, string>> = {}): string {
  const place = scratch.fresh();
  mkdirSync(join(place, 'types'), { recursive: true });
  const all = { 'main.js': 'main', 'Chunk-B.js': 'b', 'chunk-A.js': 'a', 'z_1.js': 'z', ...files };
  for (const [name, text] of Object.entries(all)) writeFileSync(join(place, name), text);
  writeFileSync(join(place, 'types/main.d.ts'), 'types');
  return place;
}

describe('when the program describes itself', () => {
  it('has the digest that sha512sum prints', async () => {
    const place = built();
    const byHand = execFileSync(
      'bash',
      ['-c', "LC_ALL=C sh -c 'sha512sum *.js' | sha512sum | cut -c-128"],
      { cwd: place, encoding: 'utf8' },
    ).trim();
    expect(await describeTool(join(place, 'main.js'))).toMatchObject({ sha512: byHand, files: 4 });
  });

  it.each([
    ['a changed file', { 'chunk-A.js': 'A' }],
    ['a file more', { 'x.js': '' }],
  ])('has another digest with %s', async (_, change) => {
    const one = await describeTool(join(built(), 'main.js'));
    const other = await describeTool(join(built(change), 'main.js'));
    expect(other.sha512).not.toBe(one.sha512);
  });

  it('has the digest of its file when it is one executable', async () => {
    const path = scratch.fresh('stowage-linux-x64');
    writeFileSync(path, 'executable');
    const byHand = execFileSync('sha512sum', [path], { encoding: 'utf8' }).slice(0, 128);
    const tool = await describeTool(path);
    expect(tool).toMatchObject({ name: 'stowage', sha512: byHand });
    expect(tool.files).toBeUndefined();
  });

  it('has no digest when it runs from its sources', async () => {
    expect(await describeTool('/work/src/cli/main.ts')).toEqual({
      name: 'stowage',
      version: expect.any(String),
    });
  });
});
