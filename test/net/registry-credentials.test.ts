import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCredentials } from '../../src/net/registry-credentials.ts';
import { expectCode } from '../support/error.ts';
import { never } from './server.ts';

const secret = 'pass:word-0123456789';
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'stowage-home-'));
});

afterEach(() => rmSync(home, { recursive: true }));

function write(path: string, content: unknown): string {
  const absolute = join(home, path);
  mkdirSync(dirname(absolute), { recursive: true });
  writeFileSync(absolute, typeof content === 'string' ? content : JSON.stringify(content));
  return absolute;
}

function auth(user: string, password: string = secret): { auth: string } {
  return { auth: Buffer.from(`${user}:${password}`).toString('base64') };
}

/** A helper program on a PATH of its own. */
function helper(name: string, script: string): string {
  const path = write(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return `${dirname(path)}:/usr/bin:/bin`;
}

/** The user found, `<token>` for an identity token. */
async function find(
  registry: string,
  repository: string,
  env: Record<string, string> = {},
): Promise<string | undefined> {
  const found = await createCredentials(env, home).find(registry, repository, never);
  if (found?.kind === 'basic') {
    expect(found.password.reveal()).toBe(secret);
    return found.username;
  }
  if (found?.kind === 'identity') expect(found.token.reveal()).toBe(secret);
  return found && '<token>';
}

describe('when there are no credentials', () => {
  it('finds none', async () => {
    expect(await find('r.io', 'a')).toBeUndefined();
    write('.docker/config.json', { auths: { 'r.io': {} }, credHelpers: {} });
    expect(await find('r.io', 'a')).toBeUndefined();
  });
});

describe('when several files know a registry', () => {
  it("takes podman's before docker's, and REGISTRY_AUTH_FILE alone when it is set", async () => {
    write('.docker/config.json', { auths: { 'r.io': auth('docker') } });
    expect(await find('r.io', 'a')).toBe('docker');
    write('dot/config.json', { auths: { 'r.io': auth('dot') } });
    expect(await find('r.io', 'a', { DOCKER_CONFIG: join(home, 'dot') })).toBe('dot');
    write('.config/containers/auth.json', { auths: { 'r.io': auth('config') } });
    expect(await find('r.io', 'a')).toBe('config');
    write('run/containers/auth.json', { auths: { 'r.io': auth('runtime') } });
    const env = { XDG_RUNTIME_DIR: join(home, 'run') };
    expect(await find('r.io', 'a', env)).toBe('runtime');
    const folder = join(home, 'user');
    write('user/auth.json', { auths: { 'r.io': auth('user') } });
    const userOf = async (variables: Record<string, string>): Promise<unknown> => {
      const found = await createCredentials(variables, home, folder).find('r.io', 'a', never);
      return found?.kind === 'basic' ? found.username : undefined;
    };
    expect(await userOf({})).toBe('user');
    expect(await userOf(env)).toBe('runtime');
    const chosen = write('chosen.json', { auths: { 'x.io': auth('chosen') } });
    expect(await find('x.io', 'a', { ...env, REGISTRY_AUTH_FILE: chosen })).toBe('chosen');
    expect(await find('r.io', 'a', { ...env, REGISTRY_AUTH_FILE: chosen })).toBeUndefined();
  });
});

describe('when keys are written in other ways', () => {
  it.each([
    ['https://index.docker.io/v1/', 'docker.io'],
    ['index.docker.io', 'docker.io'],
    ['docker.io', 'docker.io'],
    ['registry-1.docker.io', 'docker.io'],
    ['https://r.io:5000', 'r.io:5000'],
    ['http://r.io/v2/', 'r.io'],
  ])('%s is %s', async (key, registry) => {
    write('.docker/config.json', { auths: { [key]: auth('me') } });
    expect(await find(registry, 'library/x')).toBe('me');
  });

  it('the longest namespace that fits wins', async () => {
    write('.docker/config.json', {
      auths: {
        'r.io': auth('host'),
        'r.io/team': auth('team'),
        'r.io/team/app': auth('app'),
        'r.io/te': auth('prefix'),
      },
    });
    expect(await find('r.io', 'team/app')).toBe('app');
    expect(await find('r.io', 'team/other')).toBe('team');
    expect(await find('r.io', 'teams')).toBe('host');
    expect(await find('s.io', 'team/app')).toBeUndefined();
  });
});

describe('when an entry holds', () => {
  it("NGC's user, keeps it as it is", async () => {
    write('.docker/config.json', { auths: { 'nvcr.io': auth('$oauthtoken') } });
    expect(await find('nvcr.io', 'nim/x')).toBe('$oauthtoken');
  });

  it('an identity token, takes that', async () => {
    const entry = { ...auth('ignored'), identitytoken: secret };
    write('.docker/config.json', { auths: { 'r.io': entry } });
    expect(await find('r.io', 'a')).toBe('<token>');
  });
});

describe('when a helper is named', () => {
  const answering = `read server; printf '{"ServerURL":"%s","Username":"%s","Secret":"${secret}"}' "$server" "$server"`;

  it('asks it for the host, by its name on standard input', async () => {
    const PATH = helper('one', answering);
    write('.docker/config.json', {
      credHelpers: { 'r.io': 'one' },
      auths: { 'r.io': auth('file') },
    });
    expect(await find('r.io', 'a', { PATH })).toBe('r.io');
    expect(await find('s.io', 'a', { PATH })).toBeUndefined();
  });

  it('asks the store for every host, Docker Hub by its old address', async () => {
    const PATH = helper('all', answering);
    write('.docker/config.json', { credsStore: 'all' });
    expect(await find('r.io:5000', 'a', { PATH })).toBe('r.io:5000');
    expect(await find('docker.io', 'a/b', { PATH })).toBe('https://index.docker.io/v1/');
  });

  it('takes <token> for an identity token', async () => {
    const PATH = helper('one', `printf '{"Username":"<token>","Secret":"${secret}"}'`);
    write('.docker/config.json', { credHelpers: { 'r.io': 'one' } });
    expect(await find('r.io', 'a', { PATH })).toBe('<token>');
  });

  it('goes on with the file when it knows none', async () => {
    const PATH = helper('all', 'echo credentials not found in native keychain; exit 1');
    write('.docker/config.json', { credsStore: 'all', auths: { 'r.io': auth('file') } });
    expect(await find('r.io', 'a', { PATH })).toBe('file');
    expect(await find('s.io', 'a', { PATH })).toBeUndefined();
  });

  it.each([
    ['fails', `echo ${secret}; exit 3`],
    ['answers no JSON', `echo ${secret}`],
    ['answers other JSON', `echo '{"Secret":"${secret}"}'`],
    ['answers without end', `yes ${secret}`],
    ['ends before it reads', 'exec <&-; exit 3'],
  ])('that %s is an error without its words', async (_, script) => {
    const PATH = helper('bad', script);
    write('.docker/config.json', { credsStore: 'bad' });
    const error = await expectCode(() => find('r.io', 'a', { PATH }), 'source-denied');
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret);
  });

  it.each(['absent', '../../bin/sh', 'a b', ''])(
    'named %j that is not there, is an error',
    async (name) => {
      write('.docker/config.json', { credHelpers: { 'r.io': name || '/' } });
      await expectCode(() => find('r.io', 'a', { PATH: home }), 'source-denied');
    },
  );

  it('that hangs ends with the work', async () => {
    const PATH = helper('slow', 'exec sleep 60');
    write('.docker/config.json', { credsStore: 'slow' });
    const controller = new AbortController();
    const found = createCredentials({ PATH }, home).find('r.io', 'a', controller.signal);
    setTimeout(() => controller.abort(), 20);
    await expectCode(() => found, 'interrupted');
  });
});

describe('when a file is broken', () => {
  it.each([
    ['no JSON', `{"auths":{"r.io":{"auth":"${secret}`],
    [
      'an entry without a colon',
      { auths: { 'r.io': { auth: Buffer.from('x').toString('base64') } } },
    ],
    ['an entry that is no base64', { auths: { 'r.io': { auth: secret } } }],
    ['too much', ' '.repeat(1024 * 1024 + 1)],
  ])('%s is an error without its words', async (_, content) => {
    write('.docker/config.json', content);
    const error = await expectCode(() => find('r.io', 'a'), 'document-invalid');
    expect(error.message).toContain('.docker/config.json');
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret);
  });

  it.each([[[]], ['"text"'], [{ auths: [], credHelpers: 'x', credsStore: 7 }]])(
    'of another shape, it has nothing',
    async (content) => {
      write('.docker/config.json', content);
      expect(await find('r.io', 'a')).toBeUndefined();
    },
  );

  it('that cannot be read is an error', async () => {
    mkdirSync(join(home, '.docker/config.json'), { recursive: true });
    await expectCode(() => find('r.io', 'a'), 'io-failed');
  });
});
