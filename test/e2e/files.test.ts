import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { type Ran, stowage } from './cli.ts';

const work = mkdtempSync(join(tmpdir(), 'stowage-files-'));
const vocabulary = Buffer.from('a vocabulary that a server would otherwise fetch\n');
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
let server: Server;
let engine: Engine;

const at = (...names: readonly string[]): string => join(work, ...names);
const run = (...args: readonly string[]): Promise<Ran> =>
  stowage(
    {
      cwd: work,
      env: {
        ...engine.env,
        STOWAGE_STORE: at('store'),
        STOWAGE_ROOT: at('site'),
        NODE_EXTRA_CA_CERTS: at('server.crt'),
      },
    },
    ...args,
  );

function manifest(digest: string): string {
  const { port } = server.address() as AddressInfo;
  return `apiVersion: stowage/v1
name: files-only
version: 1.0.0
files:
  - { name: vocabulary, source: "https://localhost:${port}/o200k.txt", digest: "sha256:${digest}" }
  - { name: prompt, source: ./prompt.txt }
  - { name: settings, source: ./settings }
`;
}

beforeAll(async () => {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const made = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ];
  spawnSync('openssl', [
    ...made,
    ...subject,
    '-keyout',
    at('server.key'),
    '-out',
    at('server.crt'),
  ]);
  const tls = { key: readFileSync(at('server.key')), cert: readFileSync(at('server.crt')) };
  server = createServer(tls, (_, response) => void response.end(vocabulary));
  await new Promise<void>((done) => server.listen(0, 'localhost', done));
  engine = isolatedEngine(at('engine'));
  writeFileSync(at('prompt.txt'), 'be brief\n');
  mkdirSync(at('settings', 'deep'), { recursive: true });
  writeFileSync(at('settings', 'deep', 'server.json'), '{}\n');
  writeFileSync(at('settings', 'start'), '#!/bin/sh\n');
  chmodSync(at('settings', 'start'), 0o755);
  writeFileSync(at('stowage.yaml'), manifest(sha256(vocabulary)));
});

afterAll(async () => {
  server?.close();
  await engine?.destroy();
  rmSync(work, { recursive: true, force: true });
});

describe('when a release carries files only', () => {
  it('delivers a file from https, a local file and a folder to the site', async () => {
    expect((await run('lock')).complaints).toEqual([]);
    expect((await run('pack', '--no-installer', '--output', 'bundle')).status).toBe(0);
    const { json } = await run('pki', 'pki');
    await run('sign', 'bundle', '--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem');
    const trust = ['--trust', 'pki/root.pem', '--fingerprint', json.fingerprint];
    expect((await run('install', 'bundle', ...trust)).json).toMatchObject({ changed: true });
    const [layout = ''] = readdirSync(at('site', 'layouts'));
    const files = at('site', 'layouts', layout, 'files');
    expect(readFileSync(join(files, 'vocabulary', 'o200k.txt'))).toEqual(vocabulary);
    expect(readFileSync(join(files, 'prompt', 'prompt.txt'), 'utf8')).toBe('be brief\n');
    expect(readFileSync(join(files, 'settings', 'deep', 'server.json'), 'utf8')).toBe('{}\n');
    expect(statSync(join(files, 'settings', 'start')).mode & 0o111).not.toBe(0);
  });

  it('refuses a file from https with another digest', async () => {
    writeFileSync(at('other.yaml'), manifest(sha256(Buffer.from('what was promised'))));
    const { json, status } = await run('lock', 'other.yaml');
    expect(json.error).toMatchObject({ code: 'source-mismatch' });
    expect(status).toBe(1);
    expect(readdirSync(at('store', 'incoming'))).toEqual([]);
  });

  it('reports that a local folder changed since it was locked', async () => {
    writeFileSync(at('settings', 'deep', 'server.json'), '{"changed":true}\n');
    rmSync(at('store'), { recursive: true });
    const { json } = await run('pack', '--no-installer', '--output', 'changed');
    expect(json.error.code).toBe('lock-stale');
    expect(readdirSync(work)).not.toContain('changed');
  });
});
