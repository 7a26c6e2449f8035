import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { type FoundFile, knownDamage, recordDamage } from '../../src/site/store-damage.ts';
import { packedAt } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { tree } from '../support/tree.ts';

const scratch = scratchFolder();

async function damaged(): Promise<{ site: SiteFolder; file: string; gone: string }> {
  const site = new SiteFolder(scratch.fresh('site'));
  await site.prepare();
  const [file, gone] = [site.path('blob'), site.path('gone')];
  writeFileSync(file, 'bad');
  const found: readonly FoundFile[] = [
    { path: file, what: 'weights of model tiny', release: 'chat 1.0.0', verdict: 'damaged' },
    { path: gone, what: 'a layer', verdict: 'missing' },
  ];
  await recordDamage(site, found, packedAt);
  return { site, file, gone };
}

describe('when a verification found damaged files', () => {
  it('is known later, until a verification finds none', async () => {
    const { site, file, gone } = await damaged();
    expect(await knownDamage(site)).toMatchObject({
      files: [
        { path: file, what: 'weights of model tiny', release: 'chat 1.0.0', verdict: 'damaged' },
        { path: gone, verdict: 'missing' },
      ],
    });
    await recordDamage(site, [], packedAt);
    expect(await knownDamage(site)).toBeUndefined();
    expect(Object.keys(tree(site.root))).not.toContain('damaged.json');
  });

  it.each<[string, (file: string) => void, boolean]>([
    [
      'replaced by a copy',
      (file) => {
        writeFileSync(`${file}.new`, 'bad');
        renameSync(`${file}.new`, file);
      },
      false,
    ],
    ['overwritten', (file) => writeFileSync(file, 'good'), false],
    ['removed', (file) => rmSync(file), false],
    ['linked to another place', (file) => linkSync(file, `${file}.link`), true],
  ])('is left out when it is %s: %s', async (_, change, known) => {
    const { site, file } = await damaged();
    change(file);
    const paths = (await knownDamage(site))?.files.map(({ path }) => path) ?? [];
    expect(paths.includes(file)).toBe(known);
  });

  it('shortens an error message of any length', async () => {
    const { site, file } = await damaged();
    await recordDamage(
      site,
      [{ path: file, what: 'x'.repeat(5000), verdict: 'damaged' }],
      packedAt,
    );
    expect((await knownDamage(site))?.files[0]?.what).toMatch(/^x{4093}\.\.\.$/);
  });

  it('leaves out a missing file that is there again', async () => {
    const { site, gone } = await damaged();
    writeFileSync(gone, 'good');
    expect((await knownDamage(site))?.files).toHaveLength(1);
  });

  it('refuses a list that is damaged itself', async () => {
    const { site } = await damaged();
    writeFileSync(site.path('damaged.json'), '{}');
    await expectCode(() => knownDamage(site), 'state-damaged');
  });
});
