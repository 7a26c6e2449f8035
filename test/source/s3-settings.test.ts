import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { s3Settings } from '../../src/source/s3-settings.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const keys = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'wJalr/secret+1' };

/** A home folder with these AWS files. */
function home(files: { readonly config?: string; readonly credentials?: string } = {}): string {
  const folder = scratch.fresh('home');
  mkdirSync(join(folder, '.aws'), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, '.aws', name), text);
  return folder;
}

describe('when nothing is set', () => {
  it('reads from AWS in us-east-1, without an account', async () => {
    expect(await s3Settings({}, home())).toEqual({
      endpoint: 'https://s3.us-east-1.amazonaws.com',
      region: 'us-east-1',
      pathStyle: false,
    });
  });
});

describe('when variables are set', () => {
  it('takes the account from them, and prints none of its secrets', async () => {
    const { credentials } = await s3Settings({ ...keys, AWS_SESSION_TOKEN: 'a-token' }, home());
    expect(credentials?.accessKeyId).toBe('AKIDEXAMPLE');
    expect(credentials?.secretAccessKey.reveal()).toBe('wJalr/secret+1');
    expect(credentials?.sessionToken?.reveal()).toBe('a-token');
    expect(`${inspect(credentials)}${JSON.stringify(credentials)}`).not.toMatch(
      /secret\+1|a-token/,
    );
  });

  it.each([
    [{ AWS_REGION: 'eu-central-1' }, 'https://s3.eu-central-1.amazonaws.com', false],
    [{ AWS_DEFAULT_REGION: 'eu-west-1' }, 'https://s3.eu-west-1.amazonaws.com', false],
    [{ AWS_REGION: 'cn-north-1' }, 'https://s3.cn-north-1.amazonaws.com.cn', false],
    [{ AWS_ENDPOINT_URL: 'https://store.example:9000/' }, 'https://store.example:9000', true],
    [
      { AWS_ENDPOINT_URL: 'https://other.example', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:8333' },
      'http://127.0.0.1:8333',
      true,
    ],
  ])('%j leads to %s', async (env, endpoint, pathStyle) => {
    expect(await s3Settings(env, home())).toMatchObject({ endpoint, pathStyle });
  });

  it.each([
    [{ AWS_ENDPOINT_URL: 'http://store.example' }, 'source-unsupported'],
    [{ AWS_ENDPOINT_URL: 'https://me:pass@store.example' }, 'source-unsupported'],
    [{ AWS_ENDPOINT_URL: 'store.example' }, 'source-unsupported'],
    [{ AWS_REGION: 'eu/../x' }, 'source-unsupported'],
    [{ AWS_PROFILE: 'nobody' }, 'source-unsupported'],
    [{ AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE' }, 'source-denied'],
    [{ ...keys, AWS_SECRET_ACCESS_KEY: 'two\nlines' }, 'source-denied'],
    [{ ...keys, AWS_SESSION_TOKEN: 'a\r\nHost: b' }, 'source-denied'],
  ] as const)('%j is refused', async (env, code) => {
    await expectCode(() => s3Settings(env, home()), code);
  });
});

describe('when there is a profile', () => {
  const config = `[default]
region = eu-north-1

[profile lab]
region = eu-west-3
endpoint_url = https://lab.example
services = house
s3 =
  addressing_style = virtual

[services house]
s3 =
  endpoint_url = https://objects.lab.example
`;
  const credentials = `[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key = one

[lab]
aws_access_key_id = AKIDLAB
aws_secret_access_key = two
aws_session_token = three
`;

  it('takes region and account of the default profile', async () => {
    const settings = await s3Settings({}, home({ config, credentials }));
    expect(settings.endpoint).toBe('https://s3.eu-north-1.amazonaws.com');
    expect(settings.credentials?.accessKeyId).toBe('AKIDDEFAULT');
  });

  it('takes all of the one that AWS_PROFILE names', async () => {
    const settings = await s3Settings({ AWS_PROFILE: 'lab' }, home({ config, credentials }));
    expect(settings).toMatchObject({
      ...{ endpoint: 'https://objects.lab.example', region: 'eu-west-3', pathStyle: false },
      credentials: { accessKeyId: 'AKIDLAB' },
    });
    expect(settings.credentials?.sessionToken?.reveal()).toBe('three');
  });

  it('prefers variables', async () => {
    const env = { ...keys, AWS_PROFILE: 'lab', AWS_REGION: 'us-west-2' };
    expect(await s3Settings(env, home({ config, credentials }))).toMatchObject({
      region: 'us-west-2',
      credentials: { accessKeyId: 'AKIDEXAMPLE' },
    });
  });

  it.each([
    'credential_process = /bin/keys',
    'role_arn = arn:aws:iam::1:role/a',
    'sso_session = house',
  ])('says how to get keys for a profile with %s', async (line) => {
    const error = await expectCode(
      () => s3Settings({}, home({ config: `[default]\n${line}\n` })),
      'source-denied',
    );
    expect(error.hint).toContain('aws configure export-credentials');
  });
});
