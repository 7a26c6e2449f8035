import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { type SignedBundle, signedBundle } from '../attacks/signed-bundle.ts';
import { skipBecause } from '../support/skip-because.ts';
import { type Ran, stowage } from './cli.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'stowage-no-socket-'));
const trust = join(work, 'trust.json');
const sabotage = join(work, 'sabotage.mjs');
let bundle: SignedBundle;

beforeAll(async () => {
  if (!existsSync(join(project, 'dist/main.js')))
    execFileSync(process.execPath, [join(project, 'scripts/build.ts')], { stdio: 'inherit' });
  const algorithms = ['ecdsa-p384-sha384', 'ml-dsa-87'] as const;
  bundle = await signedBundle({ place: work, algorithms, requiresAll: true, chain: true });
  writeFileSync(trust, writeCanonical(trustKind, bundle.trust));
  writeFileSync(sabotage, SABOTAGE);
});

afterAll(() => rmSync(work, { recursive: true, force: true }));

// From now on, every function and class of these modules throws; each use is reported on stderr, even if the error is caught.
const SABOTAGE = `
  import { createRequire, syncBuiltinESMExports } from 'node:module';
  import { writeSync } from 'node:fs';
  const require = createRequire(import.meta.url);
  const caught = (name) => function () {
    writeSync(2, 'SABOTAGED ' + name + '\\n');
    throw new Error('a network call: ' + name);
  };
  const net = require('node:net');
  // A pipe that stdout writes to is a net.Socket as well; it never connects.
  net.Socket.prototype.connect = caught('net.Socket.connect');
  const allowed = new Set(['Socket', 'Stream', 'isIP', 'isIPv4', 'isIPv6']);
  for (const module of ['net', 'tls', 'http', 'https', 'http2', 'dgram', 'dns', 'dns/promises']) {
    const exports = require('node:' + module);
    for (const name of Object.keys(exports)) {
      if (typeof exports[name] !== 'function' || allowed.has(name)) continue;
      Object.defineProperty(exports, name, { value: caught(module + '.' + name) });
    }
  }
  syncBuiltinESMExports();
  for (const name of ['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest'])
    globalThis[name] = caught(name);
`;

const verify = (through: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Ran> =>
  stowage({ cwd: work, through, env }, 'verify', bundle.folder, '--trust', trust);

const sabotaged = { NODE_OPTIONS: `--import=${sabotage}` };

describe('when a bundle is verified, no socket is opened (attack 117)', () => {
  it('without any network, not even loopback', async (test) => {
    if (spawnSync('unshare', ['-n', 'true']).status !== 0)
      skipBecause(test, 'a network namespace needs root');
    const links = execFileSync('unshare', ['-n', 'cat', '/proc/net/dev']).toString();
    expect(links.match(/^ *\w+:/gm)).toEqual(['    lo:']);
    const route = execFileSync('unshare', ['-n', 'cat', '/proc/net/route']).toString();
    expect(route.trim().split('\n')).toHaveLength(1);
    const { status, json } = await verify(['unshare', '-n']);
    expect(json).toMatchObject({ verified: true, id: bundle.id });
    expect(status).toBe(0);
  });

  it('with every built-in module that could open one disabled', async () => {
    const { status, json, stderr } = await verify([], sabotaged);
    expect(stderr).not.toContain('SABOTAGED');
    expect(json).toMatchObject({ verified: true, id: bundle.id });
    expect(status).toBe(0);
  });

  it.each([
    'fetch("http://127.0.0.1")',
    'require("node:net").connect(1)',
    'require("node:dns").lookup("localhost", () => {})',
    'new WebSocket("ws://127.0.0.1")',
  ])('which the disabled built-in modules would report: %s', (call) => {
    const env = { ...process.env, ...sabotaged };
    const { status, stderr } = spawnSync(process.execPath, ['--eval', call], { env });
    expect(stderr.toString()).toContain('SABOTAGED');
    expect(status).not.toBe(0);
  });
});
