import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostState } from '../lab/host-state.ts';
import { run, until } from '../lab/process.ts';
import { startTargetHost, type TargetHost } from '../lab/target-host.ts';
import { answers, startUpstream } from '../lab/upstream.ts';
import { buildInstaller, type ConnectedSide, connectedSide, demoManifest } from './connected.ts';

const lab = new URL('../lab/three-services/', import.meta.url);
const services = ['chat', 'embeddings', 'gateway'] as const;
const work = mkdtempSync(join(tmpdir(), 'sth-'));
let side: ConnectedSide;
let host: TargetHost;
let before: HostState;

beforeAll(async () => {
  await buildInstaller();
  const upstream = await startUpstream(join(work, 'upstream'), { ownServer: true });
  try {
    side = await connectedSide(work, upstream);
    for (const name of ['gateway.mjs', 'embeddings.mjs'])
      cpSync(new URL(name, lab), join(work, name));
    host = await startTargetHost(join(work, 'host'));
    const first = readFileSync(new URL('release.yaml', lab), 'utf8').replace(
      '127.0.0.1:15000',
      upstream.registry.host,
    );
    const version = (next: string): string => first.replace('version: 1.0.0', `version: ${next}`);
    await carry(first, 'one');
    await carry(
      version('1.1.0').replace('is ready }', 'is silent }'),
      'wrong-answer',
      '--no-installer',
    );
    await carry(
      version('1.2.0').replace('http://chat:', 'http://nobody:'),
      'lost-peer',
      '--no-installer',
    );
    const neighbour = demoManifest(upstream, 8080).replace('llama-server:1.0', 'tiny-llm:1.0');
    await carry(neighbour, 'neighbour', '--no-installer');
    cpSync(side.root, join(host.media, 'ROOT.pem'));
  } finally {
    await upstream.stop();
  }
  await host.must('install -m 0755 /media/one/stowage-linux-x64 /usr/local/bin/stowage');
  before = await host.state();
});

afterAll(async () => {
  await host?.destroy();
  rmSync(work, { recursive: true, force: true });
});

/** Creates a signed bundle and copies it to the host. */
async function carry(manifest: string, name: string, ...packing: string[]): Promise<void> {
  const folder = await side.release(manifest, name, ...packing);
  await run('cp', ['--recursive', '--link', folder, join(host.media, name)]);
}

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function site(command: string): Promise<{ status: number; json: any; stderr: string }> {
  const { status, stdout, stderr } = await host.run(`stowage ${command} --json`);
  return { status, json: JSON.parse(stdout), stderr };
}

// biome-ignore lint/suspicious/noExplicitAny: as above
async function ask(path: string, question: object): Promise<any> {
  const { status, stdout } = await host.run(
    'curl --silent --fail --max-time 20 --json "$1" "http://127.0.0.1:8090$2"',
    JSON.stringify(question),
    path,
  );
  return status === 0 ? JSON.parse(stdout) : undefined;
}

async function answer(): Promise<string | undefined> {
  const question = { prompt: 'hello', max_tokens: 12, temperature: 0 };
  return (await ask('/v1/completions', question))?.choices[0].text;
}

/** The name of a service's container and unit at this site. */
async function unitName(service: string): Promise<string> {
  const labels = `--filter label=stowage.release=assistant --filter label=stowage.service=${service}`;
  return (await host.must(`podman ps --all ${labels} --format '{{.Names}}'`)).trim();
}

/** A property of the unit of each service, as numbers. */
async function unitNumbers(property: string): Promise<Record<(typeof services)[number], number>> {
  const show = `systemctl show --value --property ${property}`;
  const values = services.map(async (name) => [
    name,
    Number(await host.must(`${show} ${await unitName(name)}`)),
  ]);
  return Object.fromEntries(await Promise.all(values));
}

/** When a service logged that it is ready, by the engine's clock. */
async function readyAt(name: string, line: string): Promise<string> {
  const log = await host.must(`podman logs --timestamps ${await unitName(name)}`);
  return (
    log
      .split('\n')
      .find((each) => each.includes(line))
      ?.split(' ')[0] ?? 'never'
  );
}

/** The service of each container of the site, and whether it runs. */
const containers = (): Promise<string> =>
  host.must(
    `podman ps --all --quiet | xargs podman inspect --format '{{.Name}} {{.State.Status}} {{index .Config.Labels "stowage.specification"}}' | sort`,
  );

describe('when a release has three services, one of which needs the others', () => {
  it('starts them in order, each when its dependencies are ready', async () => {
    const trust = `--trust /media/ROOT.pem --fingerprint '${side.fingerprint}'`;
    const { status, stderr } = await host.run(`stowage install /media/one ${trust}`);
    expect(status, stderr).toBe(0);
    const steps = stderr.split('\n').filter((line) => /^(?:start|gate) service: /.test(line));
    expect(steps).toEqual(
      services.flatMap((name) => [
        `start service: assistant ${name}`,
        `gate service: assistant ${name}`,
      ]),
    );
    const chat = await readyAt('chat', 'serving tiny');
    const embeddings = await readyAt('embeddings', 'serving embeddings');
    const gateway = await readyAt('gateway', 'both answer');
    expect([chat, embeddings, gateway].toSorted()).toEqual([chat, embeddings, gateway]);
    expect(await unitNumbers('NRestarts')).toEqual({ chat: 0, embeddings: 0, gateway: 0 });
  });

  it('lets them connect to each other by name, and exposes only the gateway', async () => {
    expect(await answer()).toBe(answers.v1);
    const { data } = await ask('/v1/embeddings', { input: 'hello' });
    expect(data[0].embedding).toHaveLength(512);
    const listening = await host.must('ss --listening --tcp --numeric --no-header');
    expect(listening.match(/127\.0\.0\.1:\d+/g)).toEqual(['127.0.0.1:8090']);
  });

  it('starts them in that order after a reboot', async () => {
    await host.reboot();
    expect(await until('an answer', 240, answer)).toBe(answers.v1);
    const begun = await unitNumbers('InactiveExitTimestampMonotonic');
    const started = await unitNumbers('ActiveEnterTimestampMonotonic');
    expect(begun.gateway).toBeGreaterThanOrEqual(Math.max(started.chat, started.embeddings));
  });

  it.each([
    ['answers otherwise', 'wrong-answer', /the acceptance gate/],
    // It exits as soon as it knows: before the first look at its process, or after it.
    ['does not find its peer', 'lost-peer', /the (?:process|readiness) gate/],
  ])(
    'is restored as a whole when the new gateway %s',
    async (_, bundle, gate) => {
      const old = await containers();
      const { status, json } = await site(`install /media/${bundle}`);
      expect({ status, json }).toMatchObject({
        status: 3,
        json: { error: { code: 'rolled-back' } },
      });
      expect(json.error.message).toContain('service gateway did not pass ');
      expect(json.error.message).toMatch(gate);
      expect(await containers()).toBe(old);
      expect(old.match(/ running /g)).toHaveLength(3);
      expect(await answer()).toBe(answers.v1);
      const state = await site('status');
      expect(state.json).toMatchObject({ generation: { number: 1 }, interrupted: false });
      expect(state.json.services.map((each: { drift: string[] }) => each.drift)).toEqual([
        [],
        [],
        [],
      ]);
    },
    600_000,
  );
});

describe('when another release at the site has the same model and image', () => {
  const models =
    'find /var/lib/stowage -samefile $(find /var/lib/stowage/layouts -name tiny.gguf | head -n 1)';
  const storeBytes = async (): Promise<number> =>
    Number((await host.must('du --bytes --summarize /var/lib/stowage/store')).split('\t')[0]);

  it('stores shared content once', async () => {
    const alone = await storeBytes();
    expect((await site('install /media/neighbour')).status).toBe(0);
    expect((await storeBytes()) - alone).toBeLessThan(64 * 1024);
    const paths = (await host.must(models)).trim().split('\n').toSorted();
    const layouts = (await host.must('find /var/lib/stowage/layouts -name tiny.gguf')).trim();
    expect(layouts.split('\n')).toHaveLength(2);
    expect(paths).toHaveLength(3);
    expect(paths.filter((path) => path.includes('/store/blobs/sha256/'))).toHaveLength(1);
    expect(await host.must('podman images --quiet | sort --unique | wc --lines')).toBe('1\n');
    expect(await answer()).toBe(answers.v1);
  });

  it('does not affect one when the other is uninstalled', async () => {
    const old = (await containers()).split('\n').filter((line) => line.includes('assistant'));
    expect((await site('uninstall tiny-chat')).status).toBe(0);
    expect((await containers()).trim().split('\n')).toEqual(old);
    expect(await answer()).toBe(answers.v1);
  });

  it('leaves nothing behind after both are uninstalled', async () => {
    expect((await site('uninstall --everything --yes --receipt /root/last.json')).status).toBe(0);
    const after = await host.state();
    for (const kind of ['containers', 'images', 'networks', 'links', 'unit files', 'listening'])
      expect(after[kind], kind).toEqual(before[kind]);
    await host.must('test ! -e /var/lib/stowage');
  });
});
