import { execFileSync } from 'node:child_process';
import { chmodSync, lchownSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { withSite } from '../../src/site/applying/change.ts';
import { install } from '../../src/site/applying/change-release.ts';
import { requireProtected } from '../../src/site/protection.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { fakeTarget } from '../support/fake-engine.ts';
import { scratchFolder } from '../support/scratch.ts';
import { skipBecause } from '../support/skip-because.ts';
import { smallBundle } from '../support/small-bundle.ts';
import { tree } from '../support/tree.ts';

const scratch = scratchFolder(true);
const NOBODY = 65_534;
let root: string;

beforeAll(async () => {
  root = `${scratch.fresh('place')}/site`;
  const bundle = await smallBundle({ place: scratch.fresh(), installer: true });
  const options = { ...context(), site: new SiteFolder(root), target: fakeTarget() };
  await install(bundle.folder, { ...options, trust: bundle.trust });
});

/** A copy of a site, in a folder of its own. */
function open(): SiteFolder {
  return new SiteFolder(`${scratch.copy(dirname(root))}/site`);
}

/** What is trusted at rest, and folders that lead to it. */
const trusted = [
  '.',
  'trust.json',
  'ledger',
  'ledger.head',
  'format.json',
  'generations',
  'generations/1.json',
  'receipts',
  'releases',
  'keys',
  'keys/site.key.pem',
  'bin',
  'bin/stowage',
  'store',
  'store/blobs',
  'store/blobs/sha256',
  'layouts',
] as const;

const hurt: readonly (readonly [string, (path: string) => void])[] = [
  ['writable by all', (path) => chmodSync(path, 0o666)],
  ['writable by its group', (path) => chmodSync(path, 0o770)],
  ['owned by another user', (path) => lchownSync(path, NOBODY, NOBODY)],
];

/** Runs the command that a hint gives. */
function obey(hint = ''): void {
  execFileSync('/bin/sh', ['-c', hint.slice(hint.lastIndexOf(': ') + 2)]);
}

describe('when other users can change a site', () => {
  it('accepts a site as its commands leave it', async () => {
    await requireProtected(new SiteFolder(root));
    await requireProtected(new SiteFolder(`${root}/not/there`));
  });

  describe.each(hurt)('%s', (what, damage) => {
    it.for(trusted)('refuses %s, and the hint works', async (name, test) => {
      if (what.startsWith('owned') && process.getuid?.() !== 0)
        skipBecause(test, 'only root can give files away');
      const site = open();
      damage(site.path(name));
      const error = await expectCode(() => requireProtected(site), 'site-exposed');
      obey(error.hint);
      await requireProtected(site);
    });
  });

  const paths: readonly (readonly [string, (site: SiteFolder) => void])[] = [
    ['the folder above it is writable by all', (site) => chmodSync(dirname(site.root), 0o777)],
    [
      'the folder above it belongs to another',
      (site) => lchownSync(dirname(site.root), NOBODY, NOBODY),
    ],
  ];

  it.each(paths)('refuses a site if %s', async (_, damage) => {
    const site = open();
    damage(site);
    const error = await expectCode(() => requireProtected(site), 'site-exposed');
    expect(error.hint).toMatch(/^give a folder that only you and root can change with --site, or/);
    obey(error.hint);
    await requireProtected(site);
  });

  it('says whose it is if all of it belongs to another user, and not to take it from them', (test) => {
    if (process.getuid?.() !== 0) skipBecause(test, 'only root can give files away');
    const site = open();
    execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, dirname(site.root)]);
    return expectCode(() => requireProtected(site), 'site-exposed').then((error) => {
      expect(error.found).toBe(`a site of user ${NOBODY}`);
      expect(error.hint).toMatch(/^sign in as user 65534, /);
      expect(error.hint).not.toContain('chown');
    });
  });

  it('accepts a folder above it that is sticky, as /tmp is', async () => {
    const site = open();
    chmodSync(dirname(site.root), 0o1777);
    await requireProtected(site);
  });

  it('follows links in the path of the site, and checks where they lead', async () => {
    const site = open();
    const link = scratch.fresh('link');
    symlinkSync(site.root, link);
    await requireProtected(new SiteFolder(link));
    chmodSync(dirname(site.root), 0o777);
    await expectCode(() => requireProtected(new SiteFolder(link)), 'site-exposed');
  });

  const folders = [
    'releases',
    'generations',
    'receipts',
    'staging',
    'store',
    'keys',
    'bin',
  ] as const;

  it.each(folders)('writes nothing through a link planted as %s', async (name) => {
    const bundle = await smallBundle({ place: scratch.fresh(), images: false });
    const site = new SiteFolder(scratch.fresh('site'));
    const elsewhere = scratch.fresh('elsewhere');
    mkdirSync(site.root);
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, site.path(name));
    const options = { ...context(), site, target: fakeTarget(), trust: bundle.trust };
    await expectCode(() => install(bundle.folder, options), 'site-exposed');
    expect(tree(elsewhere)).toEqual({});
    expect(Object.keys(tree(site.root))).toEqual([name]);
  });

  it('refuses a file that is a link, except the one to the current generation', async () => {
    const site = open();
    const elsewhere = scratch.fresh('trust.json');
    renameSync(site.path('trust.json'), elsewhere);
    symlinkSync(elsewhere, site.path('trust.json'));
    await expectCode(
      () => withSite({ ...context(), site, target: fakeTarget() }, async () => {}),
      'site-exposed',
    );
    writeFileSync(elsewhere, '');
  });
});
