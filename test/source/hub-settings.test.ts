import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hubSettings } from '../../src/source/hub-settings.ts';
import { expectCode } from '../support/error.ts';

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'stowage-home-'));
});

afterEach(() => rmSync(home, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  writeFileSync(join(home, path), text);
}

describe('the token', () => {
  it('comes from the environment, then from the file named there, then from the default locations', async () => {
    const token = async (env: Record<string, string>): Promise<string | undefined> =>
      (await hubSettings(env, home)).token?.reveal();
    expect(await token({})).toBeUndefined();
    write('.cache/huggingface/token', 'hf_cache\n');
    expect(await token({})).toBe('hf_cache');
    write('xdg/huggingface/token', 'hf_xdg');
    expect(await token({ XDG_CACHE_HOME: join(home, 'xdg') })).toBe('hf_xdg');
    write('hf/token', ' hf_home ');
    expect(await token({ HF_HOME: join(home, 'hf') })).toBe('hf_home');
    write('other', 'hf_path');
    expect(await token({ HF_TOKEN_PATH: '~/other', HF_HOME: join(home, 'hf') })).toBe('hf_path');
    expect(await token({ HF_TOKEN: 'hf_env\n', HF_TOKEN_PATH: '~/other' })).toBe('hf_env');
  });

  it('that is not valid in a header is refused, and not shown', async () => {
    const error = await expectCode(
      () => hubSettings({ HF_TOKEN: 'hf_one\r\nhf_two' }, home),
      'source-denied',
    );
    expect(inspect(error, { depth: 20 })).not.toContain('hf_');
  });

  it('whose file is a folder is an error', async () => {
    write('hf/token/x', '');
    await expectCode(() => hubSettings({ HF_HOME: join(home, 'hf') }, home), 'io-failed');
  });
});

describe('the endpoint', () => {
  it.each([
    [undefined, 'https://huggingface.co'],
    ['', 'https://huggingface.co'],
    ['https://hub.example/', 'https://hub.example'],
    ['https://hub.example:8443/a/b//', 'https://hub.example:8443/a/b'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ])('%s is %s', async (text, endpoint) => {
    const env = text === undefined ? {} : { HF_ENDPOINT: text };
    expect((await hubSettings(env, home)).endpoint).toBe(endpoint);
  });

  it.each([
    'hub.example',
    'http://hub.example',
    'https://me:secret-word@hub.example',
    'https://hub.example?token=secret-word',
    'file:///hub',
  ])('%s is refused', async (text) => {
    const error = await expectCode(
      () => hubSettings({ HF_ENDPOINT: text }, home),
      'source-unsupported',
    );
    expect(inspect(error, { depth: 20 })).not.toContain('secret-word');
  });
});
