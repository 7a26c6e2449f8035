import { mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/error.ts';
import { MAX_SITE_BYTES } from '../../src/core/limits.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { makeAuthority } from '../support/small-bundle.ts';
import { tree } from '../support/tree.ts';

const scratch = scratchFolder();

function bare(): SiteFolder {
  const root = scratch.fresh('site');
  mkdirSync(root);
  return new SiteFolder(root);
}

describe('when a site is new', () => {
  it('says what it would say, and writes nothing', async () => {
    const site = bare();
    expect(await site.site()).toMatchObject({
      target: 'podman',
      address: '127.0.0.1',
      channels: ['stable'],
      parameters: {},
    });
    expect(await site.trust()).toBeUndefined();
    expect(tree(site.root)).toEqual({});
  });

  it('keeps keys where others cannot look', async () => {
    const site = bare();
    await site.prepare();
    await site.prepare();
    expect(statSync(site.path('keys')).mode & 0o777).toBe(0o700);
  });

  it('gives back what it was given', async () => {
    const site = bare();
    const { trust } = makeAuthority();
    await site.pinTrust(trust);
    expect(await site.trust()).toEqual(trust);
  });
});

describe('when a file of the site is not as it should be', () => {
  const site = 'apiVersion: stowage/v1\nname: x\n';
  const yaml: readonly (readonly [string, string])[] = [
    ['an unknown field', `${site}colour: red\n`],
    ['an unknown target', `${site}target: nomad\n`],
    ['an empty name', 'apiVersion: stowage/v1\nname:\n'],
    ['a name twice', `${site}name: y\n`],
    ['an alias', `${site}channels: &a [x]\nparameters: *a\n`],
    ['an address of a link', `${site}address: 'fe80::1'\n`],
    ['no channel', `${site}channels: []\n`],
    ['a fraction for a parameter', `${site}parameters: {chat: {port: 1.5}}\n`],
    ['nothing', ''],
    ['no YAML', '{'],
  ];

  it('has the name of the host if site.yaml has none', async () => {
    const folder = bare();
    const { name } = await folder.site();
    writeFileSync(folder.path('site.yaml'), 'apiVersion: stowage/v1\ntarget: docker\n');
    expect(await folder.site()).toMatchObject({ name, target: 'docker' });
  });

  it.each(yaml)('refuses a site.yaml with %s', async (_, text) => {
    const folder = bare();
    writeFileSync(folder.path('site.yaml'), text);
    await expectCode(() => folder.site(), 'site-invalid');
  });

  const files: readonly (readonly [string, string, ErrorCode, (path: string) => void])[] = [
    ['trust.json', 'empty', 'state-damaged', (path) => writeFileSync(path, '')],
    ['trust.json', 'spaced', 'state-damaged', (path) => writeFileSync(path, '{ }')],
    ['trust.json', 'a link', 'state-damaged', (path) => symlinkSync('/dev/null', path)],
    [
      'site.yaml',
      'too large',
      'site-invalid',
      (path) => {
        writeFileSync(path, '');
        truncateSync(path, MAX_SITE_BYTES + 1);
      },
    ],
  ];

  it.each(files)('refuses a %s that is %s: %s', async (name, _, code, bend) => {
    const folder = bare();
    bend(folder.path(name));
    const read = { 'trust.json': 'trust', 'site.yaml': 'site' } as const;
    await expectCode(() => folder[read[name as keyof typeof read]](), code);
  });
});
