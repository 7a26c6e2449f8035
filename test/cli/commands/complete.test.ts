import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();

/** A folder with a site in `site`: two imported releases, two generations, one release installed. */
function host(): string {
  const place = scratch.fresh();
  const site = join(place, 'site');
  const put = (path: string, value: unknown): void => {
    mkdirSync(join(site, path, '..'), { recursive: true });
    writeFileSync(join(site, path), typeof value === 'string' ? value : JSON.stringify(value));
  };
  put(`releases/${'0'.repeat(32)}/bundle.json`, { name: 'chat', version: '1.0.0' });
  put(`releases/${'1'.repeat(32)}/bundle.json`, { name: 'chat', version: '1.1.0-rc.1' });
  put(`releases/${'2'.repeat(32)}/bundle.json`, '{ "name": "cut');
  put(`releases/${'3'.repeat(32)}/bundle.json`, { name: '$(touch /tmp/x)', version: '1.0.0' });
  put(`releases/${'4'.repeat(32)}.partial/bundle.json`, { name: 'half', version: '1.0.0' });
  put('generations/2.json', { releases: [{ name: 'chat', version: '1.0.0' }] });
  put('generations/10.json', { releases: [] });
  put('generations/note', '');
  symlinkSync('generations/2.json', join(site, 'current'));
  return place;
}

const offered = async (
  kind: string,
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<string[]> => {
  const ran = await runProgram(['__complete', kind, ...words], host(), { env });
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  return ran.stdout.split('\n').filter((line) => line !== '');
};

describe('when a completion script asks for names of a site', () => {
  const env = { STOWAGE_SITE: 'site' };

  it.each([
    ['releases', ['chat', 'chat@1.0.0', 'chat@1.1.0-rc.1']],
    ['installed', ['chat']],
    ['generations', ['10', '2']],
    ['other', []],
  ])('lists %s, without what a shell would expand', async (kind, names) => {
    expect(await offered(kind, ['plan', ''], env)).toEqual(names);
  });

  it.each([
    ['two words', ['logs', '--site', 'site', '']],
    ['one word', ['logs', '--site=site', '']],
    ['the words of bash', ['logs', '--site', '=', 'site', '--tail']],
    ['the former name', ['logs', '--root', 'site']],
  ])('finds --site in %s', async (_, words) => {
    expect(await offered('installed', words)).toEqual(['chat']);
  });

  it('lists nothing where there is no site', async () => {
    for (const kind of ['releases', 'installed', 'generations'])
      expect(await offered(kind, ['--site', '/nowhere', '--site'])).toEqual([]);
  });
});
