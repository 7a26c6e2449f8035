import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Lock } from '../../src/format/lock.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { run } from '../lab/process.ts';
import { hasS3Store, type S3Store, startS3Store } from '../lab/s3-store.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';
import { skipBecause } from '../support/skip-because.ts';
import { pythonClient } from './python.ts';

// AWS's own command-line tool writes models into a real SeaweedFS; stowage lock and pack read them.
const scratch = scratchFolder();
const available = await hasS3Store();
const REASON = 'SeaweedFS is built from its sources, which needs Go and a module proxy';
const BUILD_TIME = 1_200_000;
const MIB = 1024 * 1024;
const model = scratch.fresh('model');

let store: S3Store;
let aws: (...args: readonly string[]) => Promise<string>;
let cwd: string;

beforeAll(async () => {
  if (!available) return;
  store = await startS3Store(scratch.fresh('store'));
  const program = (await pythonClient('awscli-1.46.3')).program('aws');
  const env = { PATH: process.env['PATH'], HOME: scratch.root, ...store.env };
  aws = (...args) => run(program, args, { env });
  mkdirSync(join(model, 'original'), { recursive: true });
  // In several parts, as the tool uploads what is larger than 8 MiB.
  writeLargeModel(join(model, 'model.safetensors'), 20 * MIB);
  writeFileSync(join(model, 'config.json'), '{"model_type":"llama"}\n');
  writeFileSync(join(model, 'README.md'), '---\nlicense: mit\n---\n');
  writeFileSync(join(model, 'original/a name+with (signs) ü.txt'), 'text');
  await aws('s3', 'mb', 's3://models');
  await aws('s3', 'cp', '--recursive', model, 's3://models/team/chat/');
  await aws('s3', 'cp', join(model, 'config.json'), 's3://models/team/chatter/config.json');
}, BUILD_TIME);

afterAll(async () => store?.stop());

beforeEach((context) => {
  if (!available) skipBecause(context, REASON);
  cwd = scratch.fresh('cwd');
  mkdirSync(cwd);
});

const stowage = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> =>
  runProgram(args, cwd, { env: { ...store.env, STOWAGE_STORE: join(cwd, 'store'), ...env } });
const write = (source: string): void => {
  const models = [{ name: 'chat', source, licenses: ['mit'] }];
  const manifest = { apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', models };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
};
const locked = (): Lock => JSON.parse(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8'));
const sha256 = (path: string): string =>
  `sha256:${createHash('sha256')
    .update(readFileSync(join(model, path)))
    .digest('hex')}`;
const PATHS = [
  ...['README.md', 'config.json', 'model.safetensors', 'original/a name+with (signs) ü.txt'],
];

describe('when a model is in SeaweedFS', () => {
  it('is locked and packed with the bytes that were uploaded', async () => {
    write('s3://models/team/chat');
    expect((await stowage(['lock'])).error).toBeUndefined();
    const [chat] = locked().models;
    expect(chat?.origin).toMatchObject({ kind: 's3', uri: 's3://models/team/chat' });
    expect(chat?.license).toBe('mit');
    expect(chat?.files.map(({ path, digest }) => [path, digest])).toEqual(
      PATHS.map((path) => [path, sha256(path)]),
    );
    rmSync(join(cwd, 'store'), { recursive: true });
    expect((await stowage(['pack', '--no-installer', '--output', 'out'])).error).toBeUndefined();
  });

  it('has weights that a second lock does not download again', async () => {
    write('s3://models/team/chat/');
    expect((await stowage(['lock'])).error).toBeUndefined();
    const text = readFileSync(join(cwd, 'stowage.lock.json'), 'utf8');
    const again = await stowage(['lock', '--json']);
    expect(again.error).toBeUndefined();
    expect(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8')).toBe(text);
    const read = again.stderr.matchAll(/"task":"read".*"total":(\d+)/g);
    expect(Math.max(0, ...[...read].map(([, total]) => Number(total)))).toBeLessThan(MIB);
  });

  it('is not there for an account that the store does not know', async () => {
    write('s3://models/team/chat');
    const { error } = await stowage(['lock'], { AWS_SECRET_ACCESS_KEY: 'another' });
    expect(error?.code).toBe('source-denied');
    expect(JSON.stringify(error)).not.toContain('another');
  });

  it('says that there is no such bucket, and nothing at a prefix', async () => {
    write('s3://nobody/team/chat');
    expect((await stowage(['lock'])).error?.code).toBe('source-not-found');
    write('s3://models/team/nothing');
    expect((await stowage(['lock'])).error?.code).toBe('source-not-found');
  });
});

describe('when a bucket keeps versions', () => {
  it('packs the version that was locked, though it was replaced and deleted', async () => {
    await aws('s3', 'mb', 's3://kept');
    const configuration = ['--versioning-configuration', 'Status=Enabled'];
    await aws('s3api', 'put-bucket-versioning', '--bucket', 'kept', ...configuration);
    await aws('s3', 'cp', '--recursive', model, 's3://kept/chat/');
    write('s3://kept/chat');
    expect((await stowage(['lock'])).error).toBeUndefined();
    const files = locked().models[0]?.files ?? [];
    expect(files.every(({ version }) => version !== undefined)).toBe(true);
    rmSync(join(cwd, 'store'), { recursive: true });
    await aws('s3', 'cp', join(model, 'README.md'), 's3://kept/chat/config.json');
    await aws('s3', 'rm', 's3://kept/chat/model.safetensors');
    expect((await stowage(['pack', '--no-installer', '--output', 'out'])).error).toBeUndefined();
  });
});

describe('when an object is replaced in a bucket without versions', () => {
  it('refuses to pack the other bytes', async () => {
    await aws('s3', 'mb', 's3://plain');
    await aws('s3', 'cp', '--recursive', model, 's3://plain/chat/');
    write('s3://plain/chat');
    expect((await stowage(['lock'])).error).toBeUndefined();
    rmSync(join(cwd, 'store'), { recursive: true });
    writeFileSync(join(cwd, 'other'), '{"model_type":"llamb"}\n');
    await aws('s3', 'cp', join(cwd, 'other'), 's3://plain/chat/config.json');
    const { error } = await stowage(['pack', '--no-installer', '--output', 'out']);
    expect(error?.code).toBe('source-mismatch');
  });
});
