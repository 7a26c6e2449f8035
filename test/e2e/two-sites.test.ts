import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { until } from '../lab/process.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { shellImage } from '../target/container/shell-image.ts';
import { type Ran, stowage } from './cli.ts';

// Two sites on one host, such as production and staging, with the same release on one podman.

const work = mkdtempSync(join(tmpdir(), 'stowage-sites-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const ports = { one: 18_311, two: 18_312 } as const;
type SiteName = keyof typeof ports;

let engine: Engine;
let made: SmallBundle;

beforeAll(async () => {
  engine = isolatedEngine(at('engine'));
  const { image } = await shellImage(at('image'), 'chat', 'one');
  made = await smallBundle({
    place: at('made'),
    image: { layout: at('image'), manifest: image.manifest },
    parameters: { port: { type: 'integer', default: 18_310, description: '' } },
    services: [
      {
        name: 'server',
        image: 'server',
        args: [
          "echo hello > /tmp/index.html; busybox httpd -p 8080 -h /tmp; trap 'exit 0' TERM; sleep 1000 & wait",
        ],
        ports: [{ name: 'http', container: 8080, host: '${parameters.port}' }],
        health: { server: 'http', port: 'http', path: '/', startupSeconds: 20 },
      },
    ],
  });
  writeFileSync(at('trust.json'), writeCanonical(trustKind, made.trust));
  for (const name of ['one', 'two'] as const) {
    mkdirSync(at(name));
    writeFileSync(
      at(name, 'site.yaml'),
      `apiVersion: stowage/v1\nname: vault\nparameters: { chat: { port: ${ports[name]} } }\n`,
    );
  }
});

afterAll(async () => {
  await engine?.destroy();
  rmSync(work, { recursive: true, force: true });
});

const run = (site: SiteName, ...args: readonly string[]): Promise<Ran> =>
  stowage({ cwd: work, env: { ...engine.env, STOWAGE_SITE: '', STOWAGE_ROOT: at(site) } }, ...args);

const install = (site: SiteName): Promise<Ran> =>
  run(
    site,
    ...['install', made.folder, '--trust', at('trust.json')],
    ...['--fingerprint', trustFingerprint(made.trust)],
  );

const answer = (site: SiteName): Promise<string | undefined> =>
  until(`an answer of site ${site}`, 20, async () => {
    const response = await fetch(`http://127.0.0.1:${ports[site]}/`).catch(() => undefined);
    return response?.text();
  });

/** Everything in the engine: containers, images and networks, one per line. */
async function held(): Promise<string[]> {
  const lists = await Promise.all([
    engine.podman('ps', '--all', '--format', '{{.Names}}'),
    engine.podman('images', '--format', '{{.Repository}}:{{.Tag}}'),
    engine.podman('network', 'ls', '--format', '{{.Name}}'),
  ]);
  return lists
    .flatMap((list) => list.split('\n'))
    .filter((line) => line !== '')
    .toSorted();
}

describe('when two sites run the same release on one podman', () => {
  it('both answer, each with its own names', async () => {
    for (const site of ['one', 'two'] as const) {
      const { status, stderr } = await install(site);
      expect(status, stderr).toBe(0);
    }
    expect([await answer('one'), await answer('two')]).toEqual(['hello\n', 'hello\n']);
    const containers = (await held()).filter((line) => line.endsWith('-chat-server'));
    expect(new Set(containers).size).toBe(2);
  });

  it('leaves no trace of one in the other when that is uninstalled', async () => {
    const running = await engine.podman('ps', '--format', '{{.Names}} {{.Ports}}');
    const mine = running.split('\n').find((line) => line.includes(`:${ports.one}->`));
    const id = mine?.split('-')[1] ?? 'none';
    const before = await held();
    expect((await run('two', 'uninstall', 'chat')).status).toBe(0);
    const after = await held();
    expect(after).toEqual(before.filter((line) => line.includes(id) || !line.includes('chat')));
    expect(await answer('one')).toBe('hello\n');
    expect((await run('one', 'status', '--json')).json).toMatchObject({
      services: [{ state: { state: 'running' }, drift: [] }],
    });
  });

  it('refuses a container of another owner under its name, and leaves it running', async () => {
    const { json } = await run('one', 'status', '--json');
    const [release] = json.generation.releases;
    const [{ unit, image }] = release.workload.services;
    await engine.podman('rm', '--force', '--time=0', unit);
    await engine.podman(
      'run',
      '--detach',
      '--name',
      unit,
      '--network=none',
      image.tag,
      'sleep 900',
    );
    const [pid] = (await engine.podman('inspect', unit, '--format', '{{.State.Pid}}')).split('\n');
    expect((await run('one', 'status')).stdout).toContain('belongs to');
    expect((await run('one', 'uninstall', 'chat')).status).toBe(0);
    const now = await engine.podman('inspect', unit, '--format', '{{.State.Pid}}');
    expect(now.trim()).toBe(pid);
    const again = await install('one');
    expect(again.status).toBe(12);
    expect(again.stderr).toContain(unit);
  });
});
