import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BreakingLine, breakingLine } from '../lab/breaking-line.ts';
import { type Hub, startHub } from '../lab/hub.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { randomOfTest } from '../support/seed.ts';
import { stowage } from './cli.ts';

// STOWAGE_TEST_FULL=1 uses realistic sizes: 2 GiB over a connection that breaks every 50 MB.
const full = process.env['STOWAGE_TEST_FULL'] === '1';
const SIZE = (full ? 2048 : 256) * 1024 * 1024;
const EVERY = (full ? 50 : 8) * 1_000_000;
const KILLS = 10;
const project = fileURLToPath(new URL('../..', import.meta.url));

let dir: string;
let hub: Hub;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'stowage-pull-'));
  writeLargeModel(join(dir, 'model/model.safetensors'), SIZE);
  writeFileSync(join(dir, 'model/config.json'), '{}');
  hub = await startHub({
    repos: [{ name: 'acme/large', revisions: { main: join(dir, 'model') } }],
  });
});

afterAll(async () => {
  await hub?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** A folder with a manifest and its lock; subtracts earlier bytes from the connection's counter. */
async function locked(
  line: BreakingLine,
  name: string,
): Promise<{ cwd: string; before: number; env: NodeJS.ProcessEnv }> {
  const cwd = join(dir, name);
  mkdirSync(cwd);
  const models = [{ name: 'large', source: 'hf://acme/large@main' }];
  const manifest = { apiVersion: 'stowage/v1', name: 'large', version: '1.0.0', models };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
  const env = { HF_ENDPOINT: `http://${line.host}`, STOWAGE_STORE: join(cwd, 'store') };
  const { status, stderr } = await stowage({ cwd, env }, 'lock');
  expect(status, stderr).toBe(0);
  return { cwd, before: line.carried, env };
}

async function expectPulled(cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { status, json, stderr } = await stowage({ cwd, env }, 'store', 'verify');
  expect(status, stderr).toBe(0);
  expect(json).toMatchObject({ checked: 2, damaged: [] });
  const listed = await stowage({ cwd, env }, 'store', 'list');
  expect(listed.json.bytes).toBe(SIZE + 2);
  expect(listed.json.unfinishedBytes).toBe(0);
}

const port = (): number => Number(new URL(hub.url).port);

describe('when a large model is downloaded over a connection that breaks', {
  timeout: 1_200_000,
}, () => {
  it('produces the right bytes, and downloads at most 5 % of them twice', async () => {
    const line = await breakingLine(port(), EVERY);
    try {
      const { cwd, env, before } = await locked(line, 'breaking');
      const { status, stderr, peakBytes } = await stowage({ cwd, env }, 'store', 'pull');
      expect(status, stderr).toBe(0);
      const carried = line.carried - before;
      console.log(
        `${line.breaks} breaks, ${carried} of ${SIZE} bytes carried (${(carried / SIZE).toFixed(4)}), ${Math.round(peakBytes / 1024 ** 2)} MiB resident`,
      );
      expect(line.breaks).toBeGreaterThan(SIZE / EVERY / 2);
      expect(carried).toBeLessThan(SIZE * 1.05);
      await expectPulled(cwd, env);
    } finally {
      await line.stop();
    }
  });
});

describe('when a pull is killed', { timeout: 1_200_000 }, () => {
  it(`at ${KILLS} random moments, ends right all the same`, async () => {
    const random = randomOfTest();
    const line = await breakingLine(port());
    try {
      const { cwd, env, before } = await locked(line, 'killed');
      let killed = 0;
      for (let round = 0; killed < KILLS && round < 3 * KILLS; round++) {
        if (await killedPull(cwd, env, line, (random() * SIZE) / (KILLS + 2))) killed += 1;
        else break;
      }
      const { status, stderr } = await stowage({ cwd, env }, 'store', 'pull');
      expect(status, stderr).toBe(0);
      const carried = line.carried - before;
      console.log(
        `${killed} kills, ${carried} of ${SIZE} bytes carried (${(carried / SIZE).toFixed(4)})`,
      );
      expect(killed).toBe(KILLS);
      await expectPulled(cwd, env);
      const pruned = await stowage({ cwd, env }, 'store', 'prune');
      expect(pruned.status, pruned.stderr).toBe(0);
    } finally {
      await line.stop();
    }
  });
});

/** Kills a pull after this many more bytes. @returns false if it ended earlier */
async function killedPull(
  cwd: string,
  env: NodeJS.ProcessEnv,
  line: BreakingLine,
  bytes: number,
): Promise<boolean> {
  const args = [join(project, 'dist/main.js'), 'store', 'pull'];
  const child = spawn(join(project, 'node_modules/.bin/node'), args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  const until = line.carried + bytes;
  while (line.carried < until && child.exitCode === null) await sleep(1);
  child.kill('SIGKILL');
  await ended;
  return child.signalCode === 'SIGKILL';
}

describe('when the built program asks an S3 store', () => {
  it('signs its requests', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.headers.authorization ?? 'none');
      response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const cwd = join(dir, 's3');
    mkdirSync(cwd);
    const models = [{ name: 'chat', source: 's3://models/chat' }];
    const manifest = { apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', models };
    writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
    const env = {
      ...{ STOWAGE_STORE: join(cwd, 'store'), AWS_CONFIG_FILE: '/dev/null' },
      ...{ AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_REGION: 'us-east-1' },
      ...{ AWS_ACCESS_KEY_ID: 'account', AWS_SECRET_ACCESS_KEY: 'secret' },
      AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    };
    const { json } = await stowage({ cwd, env }, 'lock');
    server.close();
    expect(json.error.code).toBe('source-denied');
    expect(asked[0]).toMatch(/^AWS4-HMAC-SHA256 Credential=account\/\d{8}\/us-east-1\/s3\//);
  });
});
