import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createGit, type Git } from '../../src/source/git.ts';
import { submoduleUrl } from '../../src/source/git-address.ts';
import { commitTo, type GitServer, startGitServer } from '../lab/git-server.ts';
import { never, serve, testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const running: GitServer[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});

/** A server with one repository at `localhost`, and its only commit. */
async function repository(
  account?: string,
): Promise<{ server: GitServer; url: string; commit: string }> {
  const folder = scratch.fresh('repositories');
  mkdirSync(folder);
  const commit = commitTo(folder, 'settings', { 'a.json': '{}' });
  const server = await startGitServer(folder, account === undefined ? {} : { account });
  running.push(server);
  return { server, url: server.url.replace('127.0.0.1', 'localhost'), commit };
}

function gitWith(netrc: string): Git {
  const home = scratch.fresh('home');
  mkdirSync(home);
  writeFileSync(join(home, '.netrc'), netrc);
  return createGit({ env: { PATH: process.env['PATH'] }, home, http: testHttp().http });
}

function work(): string {
  const folder = scratch.fresh('work');
  mkdirSync(folder);
  return folder;
}

const ours = 'machine 127.0.0.1 login bob password s3cret-word\n';

describe('when a git host redirects to another host', () => {
  it('follows, and does not send it the credentials of the first', async () => {
    const { server, url, commit } = await repository();
    const first = await serve((request, response) =>
      response.writeHead(301, { location: `${url}${request.url}` }).end(),
    );
    const git = gitWith(ours);
    const address = git.parse(`git+${first.url}/settings.git@main`);
    expect(await git.commit(address, work(), never)).toBe(commit);
    const fetched = await git.fetch(address.url, commit, work(), never);
    expect(fetched.entries.map(({ path }) => path)).toEqual(['a.json']);
    expect(first.seen[0]?.headers.authorization).toMatch(/^Basic /);
    expect(server.seen.length).toBeGreaterThan(0);
    expect(server.seen.map(({ authorization }) => authorization).filter(Boolean)).toEqual([]);
  });

  it('signs in there with the credentials for that host', async () => {
    const { url, commit } = await repository('eve:her-own');
    const first = await serve((request, response) =>
      response.writeHead(301, { location: `${url}${request.url}` }).end(),
    );
    const address = `git+${first.url}/settings.git@main`;
    const stranger = gitWith(ours);
    await expectCode(
      () => stranger.commit(stranger.parse(address), work(), never),
      'source-denied',
    );
    const known = gitWith(`${ours}machine localhost login eve password her-own\n`);
    expect(await known.commit(known.parse(address), work(), never)).toBe(commit);
  });
});

describe('when it redirects to another path on the same host', () => {
  it('follows with the password', async () => {
    const { server, commit } = await repository('bob:s3cret-word');
    const moved = await serve((request, response) => {
      if (request.url?.startsWith('/old')) {
        const location = request.url.replace('/old', '/settings.git');
        response.writeHead(301, { location }).end();
        return;
      }
      const headers = { authorization: request.headers.authorization ?? '' };
      fetch(`${server.url}${request.url}`, {
        method: request.method ?? 'GET',
        headers: { ...headers, 'content-type': request.headers['content-type'] ?? '' },
        ...(request.method === 'POST' && { body: request as never, duplex: 'half' }),
      } as RequestInit).then(async (answer) => {
        response.writeHead(answer.status, Object.fromEntries(answer.headers));
        response.end(Buffer.from(await answer.arrayBuffer()));
      });
    });
    const git = gitWith(ours);
    const address = git.parse(`git+${moved.url}/old@main`);
    expect(await git.commit(address, work(), never)).toBe(commit);
  });
});

describe('when a repository has submodules', () => {
  it.each([
    'http://127.0.0.1:8080/admin',
    'http://localhost/x',
    'https://[::1]/x',
    'https://169.254.169.254/x',
  ])('does not connect to %s', async (named) => {
    const error = await expectCode(
      () => submoduleUrl('https://git.example/a/b.git', named, []),
      'source-unsupported',
    );
    expect(error.message).toContain('this machine');
    expect(submoduleUrl('http://127.0.0.1:3000/a.git', named, [])).toBe(named);
  });

  it('accepts those on the same host', () => {
    expect(submoduleUrl('https://git.example/a/b.git', '../c.git', [])).toBe(
      'https://git.example/a/c.git',
    );
  });
});
