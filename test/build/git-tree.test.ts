import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type GitRequest, gitCommit, type KeptGit, keepGit } from '../../src/build/git-tree.ts';
import { withTransfer } from '../../src/build/transfer.ts';
import { readTree } from '../../src/io/archive.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { createGit, type Git } from '../../src/source/git.ts';
import {
  commitTo,
  type GitContent,
  type GitServer,
  type GitServerOptions,
  gitSettings,
  lfsPointer,
  startGitServer,
} from '../lab/git-server.ts';
import { testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';
import { contextOf } from './samples.ts';

const root = temporaryFolder();
const servers: GitServer[] = [];
let places = 0;
const fresh = async (): Promise<string> => {
  const folder = join(root, String(places++));
  await mkdir(folder, { recursive: true });
  return folder;
};
const { PATH } = process.env;

afterAll(async () => {
  for (const each of servers) await each.stop();
});

interface Place {
  readonly folder: string;
  readonly server: GitServer;
  readonly store: BlobStore;
  readonly git: Git;
}

async function placeOf(options: GitServerOptions = {}, netrc = ''): Promise<Place> {
  const folder = await fresh();
  const server = await startGitServer(folder, options);
  servers.push(server);
  const home = await fresh();
  await writeFile(join(home, '.netrc'), netrc);
  // The user's git configuration is ignored.
  await writeFile(join(home, '.gitconfig'), '[url "http://127.0.0.1:1/"]\n\tinsteadOf = http://\n');
  const git = createGit({ env: { PATH }, home, http: testHttp().http });
  return { folder, server, git, store: new BlobStore(await fresh()) };
}

async function keep(
  { server, git, store }: Place,
  revision: string,
  wish: GitRequest = {},
): Promise<KeptGit> {
  const address = git.parse(`git+${server.url}/repo.git@${revision}`);
  return withTransfer({ ...contextOf(), store }, async (transfer) => {
    const commit = await gitCommit(address, git, transfer);
    return keepGit({ url: address.url, commit }, wish, git, transfer);
  });
}

async function unpacked({ store }: Place, { digest }: KeptGit): Promise<Record<string, unknown>> {
  const into = await fresh();
  await readTree(store.path(digest), into);
  return contents(into);
}

const simple: GitContent = {
  'a.txt': 'one\r\n',
  'below/run.sh': { program: '#!/bin/sh\n' },
  // A checkout would change these files.
  '.gitattributes': '*.txt text eol=crlf ident filter=lfs\n',
};

describe('when files come from a git repository', () => {
  it.each([
    ['the smart protocol', false],
    ['the dumb protocol, without commits by name', true],
  ])('packs the same bytes for a branch, a tag and a commit, over %s', async (_, dumb) => {
    const place = await placeOf({ dumb });
    const first = commitTo(place.folder, 'repo', simple);
    const at = join(place.folder, 'repo.git');
    const env = { ...process.env, ...gitSettings };
    const identity = ['-c', 'user.name=a', '-c', 'user.email=a@b'];
    execFileSync('git', [...identity, '-C', at, 'tag', '-a', 'v1', '-m', 'v1', first], { env });
    execFileSync('git', ['-C', at, 'update-server-info'], { env });
    const byBranch = await keep(place, 'main');
    commitTo(place.folder, 'repo', { 'other.txt': 'two' });
    const byTag = await keep(place, 'v1');
    const byCommit = await keep(place, dumb ? 'v1' : first);
    expect([byTag, byCommit]).toEqual([byBranch, byBranch]);
    const tree = execFileSync('git', ['-C', at, 'rev-parse', `${first}^{tree}`])
      .toString()
      .trim();
    expect(byTag.git).toEqual({ url: `${place.server.url}/repo.git`, commit: first, tree });
    expect(await unpacked(place, byTag)).toEqual({
      '.gitattributes': simple['.gitattributes'],
      'a.txt': 'one\r\n',
      'below/run.sh': '#!/bin/sh\n',
    });
    expect(await readdir(join(place.store.root, 'incoming'))).toEqual([]);
  });

  it('keeps the executable bit, and makes copies of links to files', async () => {
    const place = await placeOf();
    commitTo(place.folder, 'repo', {
      'run.sh': { program: '#!/bin/sh\n' },
      'below/link': { link: '../run.sh' },
      again: { link: 'below/link' },
    });
    const kept = await keep(place, 'main');
    const into = await fresh();
    await readTree(place.store.path(kept.digest), into);
    expect(await contents(into)).toEqual({
      again: '#!/bin/sh\n',
      'below/link': '#!/bin/sh\n',
      'run.sh': '#!/bin/sh\n',
    });
  });

  it.each([
    ['leaves the repository', '../../etc/passwd'],
    ['is absolute', '/etc/passwd'],
    ['leads to a folder', 'below'],
    ['leads to itself', 'link'],
    ['leads nowhere', 'gone'],
  ])('refuses a link that %s', async (_, link) => {
    const place = await placeOf();
    commitTo(place.folder, 'repo', { 'below/a': 'a', link: { link } });
    const error = await expectCode(() => keep(place, 'main'), 'file-kind');
    expect(error.defects).toEqual([`link: ${JSON.stringify(link)}`]);
    expect(await contents(place.store.root)).toEqual({});
  });

  it('explains how to get the content of git-annex links', async () => {
    const place = await placeOf();
    const key = `SHA256E-s12345--${'a'.repeat(64)}.gguf`;
    const link = `.git/annex/objects/Xx/Yy/${key}/${key}`;
    commitTo(place.folder, 'repo', { 'model.gguf': { link }, b: 'b' });
    const error = await expectCode(() => keep(place, 'main'), 'file-kind');
    expect(error.hint).toContain('git annex get');
    expect(await contents(place.store.root)).toEqual({});
  });

  it.each([
    ['a name for Windows alone', { 'aux.txt': 'a', b: 'b' }],
    ['two names that differ in case alone', { 'a.txt': 'a', 'A.TXT': 'b' }],
  ])('refuses %s', async (_, content) => {
    const place = await placeOf();
    commitTo(place.folder, 'repo', content);
    await expectCode(() => keep(place, 'main'), 'path-unsafe');
    expect(await contents(place.store.root)).toEqual({});
  });

  it('names the missing branch, commit or repository', async () => {
    const place = await placeOf();
    commitTo(place.folder, 'repo', simple);
    await expectCode(() => keep(place, 'none'), 'source-not-found');
    await expectCode(() => keep(place, 'c'.repeat(40)), 'source-not-found');
    const elsewhere = place.git.parse(`git+${place.server.url}/absent.git@main`);
    await expectCode(
      () =>
        withTransfer({ ...contextOf(), store: place.store }, (transfer) =>
          gitCommit(elsewhere, place.git, transfer),
        ),
      'source-not-found',
    );
  });

  it('uses netrc, and keeps the password out of errors and arguments', async () => {
    const line = 'machine 127.0.0.1 login bob password s3cret-word';
    const place = await placeOf({ account: 'bob:s3cret-word' }, line);
    commitTo(place.folder, 'repo', simple);
    await keep(place, 'main');
    const stranger = await placeOf({ account: 'bob:other' }, line);
    commitTo(stranger.folder, 'repo', simple);
    const error = await expectCode(() => keep(stranger, 'main'), 'source-denied');
    expect(JSON.stringify(error) + error.stack).not.toContain('s3cret-word');
  });
});

describe('when a repository has submodules', () => {
  const nested = async (url: string): Promise<Place> => {
    const place = await placeOf();
    const inner = commitTo(place.folder, 'inner', { 'b.txt': 'inner' });
    const modules = `[submodule "x"]\n\tpath = deps/inner\n\turl = ${url}\n`;
    commitTo(place.folder, 'repo', {
      '.gitmodules': modules,
      'a.txt': 'outer',
      'deps/inner': { commit: inner },
    });
    return place;
  };

  it('refuses them unless the manifest requests them', async () => {
    const place = await nested('../inner.git');
    const error = await expectCode(() => keep(place, 'main'), 'source-unsupported');
    expect(error.expected).toContain('submodules: true');
  });

  it('packs them at the commit in the superproject', async () => {
    const place = await nested('../inner.git');
    const kept = await keep(place, 'main', { submodules: true });
    commitTo(place.folder, 'inner', { 'b.txt': 'newer' });
    expect(await unpacked(place, kept)).toMatchObject({
      'a.txt': 'outer',
      'deps/inner/b.txt': 'inner',
    });
    expect(kept.git.submodules).toMatchObject([
      { path: 'deps/inner', url: `${place.server.url}/inner.git` },
    ]);
  });

  it.each(['ssh://git@host.example/x', 'file:///etc', 'ext::sh -c id', 'git@host.example:x'])(
    'refuses the address %s',
    async (url) => {
      const place = await nested(url);
      await expectCode(() => keep(place, 'main', { submodules: true }), 'source-unsupported');
    },
  );
});

describe('when git itself finds an object hostile', () => {
  it('refuses it (CVE-2018-17456)', async () => {
    const place = await placeOf();
    const modules = '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=id\n';
    commitTo(place.folder, 'repo', { '.gitmodules': modules });
    const error = await expectCode(() => keep(place, 'main'), 'content-refused');
    expect(error.found).toContain('gitmodulesUrl');
    expect(await contents(place.store.root)).toEqual({});
  });
});

describe('when files are in Git LFS', () => {
  const large = Buffer.from('weights, say\n'.repeat(1000));
  const oid = createHash('sha256').update(large).digest('hex');
  const place = async (object: Buffer | undefined): Promise<Place> => {
    const found = await placeOf();
    commitTo(found.folder, 'repo', { 'big.bin': lfsPointer(large), 'a.txt': 'a' });
    if (object !== undefined) found.server.lfs.set(oid, object);
    return found;
  };

  it('refuses the pointers unless the manifest requests the files', async () => {
    const error = await expectCode(
      async () => keep(await place(large), 'main'),
      'source-unsupported',
    );
    expect(error.found).toBe('big.bin');
  });

  it('packs the files', async () => {
    const at = await place(large);
    const kept = await keep(at, 'main', { lfs: true });
    expect(await unpacked(at, kept)).toEqual({ 'a.txt': 'a', 'big.bin': large.toString() });
  });

  it('refuses different bytes of the same size, and a missing object', async () => {
    const other = Buffer.alloc(large.length, 'x');
    await expectCode(
      async () => keep(await place(other), 'main', { lfs: true }),
      'source-mismatch',
    );
    await expectCode(
      async () => keep(await place(undefined), 'main', { lfs: true }),
      'source-not-found',
    );
  });
});

describe('when a hostile repository is fetched', () => {
  it('runs none of its hooks, filters and settings', async () => {
    const place = await placeOf();
    const mark = join(root, 'ran');
    commitTo(place.folder, 'repo', {
      '.gitattributes': '* filter=evil diff=evil\n',
      '.lfsconfig': `[lfs]\n\turl = http://127.0.0.1:1/\n`,
      '.gitconfig': `[filter "evil"]\n\tsmudge = touch ${mark}\n`,
      'hooks/post-checkout': { program: `#!/bin/sh\ntouch ${mark}\n` },
    });
    await keep(place, 'main');
    await expect(stat(mark)).rejects.toThrow('ENOENT');
  });
});
