import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { until } from '../lab/process.ts';
import { freePort } from '../lab/registry.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { shellImage } from '../target/container/shell-image.ts';
import { type Ran, stowage } from './cli.ts';

// A service on a real podman that is changed with podman, outside Stowage.

const SERVE =
  "echo served; echo hello > /tmp/index.html; busybox httpd -p 8080 -h /tmp; trap 'exit 0' TERM; sleep 1000 & wait";
const work = mkdtempSync(join(tmpdir(), 'stowage-repair-'));
const at = (...names: readonly string[]): string => join(work, ...names);
let engine: Engine;
let made: SmallBundle;
let port: number;
let unit: string;

beforeAll(async () => {
  engine = isolatedEngine(at('e'));
  port = await freePort();
  const { image } = await shellImage(at('image'), 'chat', 'one');
  made = await smallBundle({
    place: at('made'),
    image: { layout: at('image'), manifest: image.manifest },
    services: [
      {
        ...{ name: 'server', image: 'server', args: [SERVE], env: { MODEL_NAME: 'good' } },
        ports: [{ name: 'http', container: 8080, host: port }],
        health: { server: 'http', port: 'http', path: '/', startupSeconds: 20 },
      },
    ],
  });
  writeFileSync(at('trust.json'), writeCanonical(trustKind, made.trust));
  const trust = ['--trust', at('trust.json'), '--fingerprint', trustFingerprint(made.trust)];
  expect((await run('install', made.folder, ...trust)).status).toBe(0);
  unit = (await engine.podman('ps', '--format', '{{.Names}}')).trim();
});

afterAll(async () => {
  await engine?.destroy();
  rmSync(work, { recursive: true, force: true });
});

const env = (): NodeJS.ProcessEnv => ({
  ...engine.env,
  STOWAGE_SITE: '',
  STOWAGE_ROOT: at('site'),
});
const run = (...args: readonly string[]): Promise<Ran> =>
  stowage({ cwd: work, env: env() }, ...args);

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function server(): Promise<any> {
  return (await run('status')).json.services[0];
}

async function answer(): Promise<string | undefined> {
  const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
  return response?.text();
}

/** Recreates the container with some words of its command changed. */
async function recreate(change: (words: string[]) => string[]): Promise<void> {
  const [found] = JSON.parse(await engine.podman('container', 'inspect', unit));
  const [, ...words] = found.Config.CreateCommand as string[];
  await engine.podman(...change(words));
}

const fields = (service: { drift: { field: string }[] }): string[] =>
  service.drift.map(({ field }) => field);

describe('when somebody changes a service with podman', () => {
  it('is healthy after the installation', async () => {
    expect(await server()).toMatchObject({
      ...{ state: { state: 'running' }, drift: [] },
      readiness: { ready: true, check: '/' },
    });
    expect((await run('install', 'chat')).json).toMatchObject({ changed: false });
  });

  it('reports another port and that nothing answers, and repairs it', async () => {
    const other = await freePort();
    await recreate((words) => words.map((each) => each.replace(`:${port}:`, `:${other}:`)));
    const found = await server();
    expect(found).toMatchObject({
      state: { state: 'running' },
      readiness: { ready: false, found: 'no response' },
      drift: [
        { field: 'ports', expected: `127.0.0.1:${port}:8080`, found: `127.0.0.1:${other}:8080` },
      ],
    });
    const { json } = await run('receipt', 'write');
    expect(json.receipt.health).toMatchObject([{ ready: false, drift: ['ports'] }]);
    const plan = (await run('plan', 'chat')).json.plan;
    expect(plan.outage.services).toEqual(['chat server']);
    expect(plan.steps.some((step: { reason: string }) => /: ports$/.test(step.reason))).toBe(true);
    expect((await run('install', 'chat')).json).toMatchObject({
      ...{ changed: true, generation: 1, repaired: ['chat server'] },
      receipt: { outcome: 'kept', health: [{ state: 'running', ready: true }] },
    });
    expect(await answer()).toBe('hello\n');
    expect((await run('install', 'chat')).json).toMatchObject({ changed: false });
  });

  it('reports another value of a variable without showing it, and repairs it', async () => {
    await recreate((words) => words.map((each) => each.replace('=good', '=evil')));
    const ran = await run('status');
    expect(fields(ran.json.services[0])).toEqual(['environment MODEL_NAME']);
    expect(ran.stdout).not.toContain('evil');
    expect((await run('install', 'chat')).json).toMatchObject({ repaired: ['chat server'] });
    expect(fields(await server())).toEqual([]);
  });

  it('reports a program that only pretends to be the service, and repairs it', async () => {
    const image = (
      await engine.podman('container', 'inspect', '--format', '{{.Image}}', unit)
    ).trim();
    const labels = JSON.parse(
      await engine.podman('container', 'inspect', '--format', '{{json .Config.Labels}}', unit),
    );
    const copied = Object.entries(labels).flatMap(([name, value]) => [
      '--label',
      `${name}=${value}`,
    ]);
    await engine.podman(
      ...['run', '--detach', '--replace', '--name', unit, ...copied, '--network', 'none'],
      ...['--entrypoint', '/bin/sleep', image, '900'],
    );
    const found = await server();
    expect(fields(found)).toEqual(expect.arrayContaining(['arguments', 'networks', 'ports']));
    expect(found.readiness.ready).toBe(false);
    expect((await run('install', 'chat')).json).toMatchObject({ repaired: ['chat server'] });
    expect(await answer()).toBe('hello\n');
  });

  it('neither trusts nor replaces a container without the labels of the site', async () => {
    const image = (
      await engine.podman('container', 'inspect', '--format', '{{.Image}}', unit)
    ).trim();
    await engine.podman(
      ...['run', '--detach', '--replace', '--name', unit, '--network', 'none'],
      ...['--entrypoint', '/bin/sleep', image, '900'],
    );
    expect(await server()).toMatchObject({
      state: { state: 'absent' },
      drift: [{ field: 'owner' }],
    });
    const { json } = await run('receipt', 'write');
    expect(json.receipt.health).toMatchObject([{ state: 'absent', drift: ['owner'] }]);
    const refused = await run('install', 'chat');
    expect(refused).toMatchObject({ status: 12, json: { error: { code: 'host-unfit' } } });
    expect(refused.stderr).toContain(unit);
    await engine.podman('rm', '--force', '--time=0', unit);
    expect((await run('install', 'chat')).json).toMatchObject({ repaired: ['chat server'] });
  });

  it('starts a service again that somebody stopped', async () => {
    await engine.podman('stop', '--time=1', unit);
    expect(await server()).toMatchObject({ state: { state: 'stopped' } });
    expect((await run('install', 'chat')).json).toMatchObject({ repaired: ['chat server'] });
    expect(await answer()).toBe('hello\n');
  });
});

describe('when a person operates services', () => {
  it('stops it until it is started, and says so', async () => {
    expect((await run('stop', 'chat')).status).toBe(0);
    expect(await server()).toMatchObject({
      ...{ state: { state: 'absent' }, drift: [] },
      stoppedAt: expect.any(String),
    });
    expect((await run('install', 'chat')).json).toMatchObject({
      changed: false,
      stopped: [{ release: 'chat', service: 'server' }],
    });
    expect(await answer()).toBeUndefined();
    expect((await run('start', 'chat', 'server')).status).toBe(0);
    expect(await answer()).toBe('hello\n');
    expect(await server()).not.toHaveProperty('stoppedAt');
  });

  it('restarts it', async () => {
    const { state } = await server();
    expect((await run('restart', 'chat')).status).toBe(0);
    expect((await server()).state.startedAt).not.toBe(state.startedAt);
    expect(await answer()).toBe('hello\n');
  });

  it('reads, stops and starts it although site.yaml has defects, and changes nothing', async () => {
    const file = at('site', 'site.yaml');
    writeFileSync(file, 'apiVersion: stowage/v1\nname: plant\ntarget: podmann\n');
    const found = await run('status');
    expect(found).toMatchObject({
      status: 0,
      json: {
        services: [{ state: { state: 'running' }, readiness: { ready: true } }],
        siteDefects: [expect.stringContaining(`${file}:3:9: target: `)],
      },
    });
    expect(found.stderr).toContain(`${file}:3:9: target: `);
    const checked = await run('status', '--check');
    expect(checked).toMatchObject({ status: 5, json: { problems: [{ severity: 'attention' }] } });
    expect((await run('logs', 'chat', '--tail', '1')).json.lines).toEqual(['served']);
    expect((await run('stop', 'chat')).status).toBe(0);
    expect(await answer()).toBeUndefined();
    expect((await run('start', 'chat')).status).toBe(0);
    expect(await answer()).toBe('hello\n');
    for (const args of [['install', 'chat'], ['uninstall', 'chat', '--yes'], ['rollback'], ['gc']])
      expect((await run(...args)).json.error).toMatchObject({
        ...{ code: 'site-invalid', hint: expect.stringContaining(`line 3 of ${file}`) },
      });
    expect(await answer()).toBe('hello\n');
    rmSync(file);
  });

  it('refuses a release that is not installed', async () => {
    for (const command of ['start', 'stop', 'restart', 'logs']) {
      const { json } = await run(command, 'chat', 'other');
      expect(json.error.code).toBe('service-unknown');
    }
  });

  it('prints the log, and follows it until it is interrupted', async () => {
    expect((await run('logs', 'chat', '--tail', '1')).json).toEqual({
      ...{ release: 'chat', service: 'server', lines: ['served'] },
    });
    const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
    const args = [main, 'logs', 'chat', '--follow', '--tail', '1'];
    const child = spawn(process.execPath, args, {
      env: env(),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    await until('a line', 20, async () => (printed === 'served\n' ? true : undefined));
    child.kill('SIGINT');
    const [status] = await once(child, 'close');
    expect(status).toBe(130);
    expect(printed).toBe('served\n');
  });
});
