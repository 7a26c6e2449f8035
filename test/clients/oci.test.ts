import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Docker, isolatedDocker } from '../lab/docker.ts';
import { type Engine, isolatedEngine, mountsBelow } from '../lab/engine.ts';
import { end, run, start, until } from '../lab/process.ts';
import { skopeo } from '../lab/skopeo.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { stagedSite } from '../support/staged-site.ts';
import { type DepotProcess, startDepotProcess, stowage } from './depot-process.ts';
import { goTools } from './go-tools.ts';

const scratch = scratchFolder();
const site = scratch.fresh('site');
let bundle: SmallBundle;
let depot: DepotProcess;
let tools: string;

const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const image = (): string => bundle.bundle.images[0]?.target.digest ?? '';
const model = (): SmallBundle['bundle']['models'][number] => {
  const [found] = bundle.bundle.models;
  if (found === undefined) throw new Error('no model');
  return found;
};

/** Checks that the model's files in a folder, by path or by flat title, are those of the release. */
function expectFiles(folder: string, name: (path: string) => string): void {
  for (const { path, digest } of model().files)
    expect(sha256(readFileSync(join(folder, name(path)))), path).toBe(digest);
}

const title = (path: string): string => path.replaceAll('/', '_');

beforeAll(async () => {
  bundle = await smallBundle({ place: scratch.fresh(), weights: 9_000_000, crumbs: 3 });
  await stagedSite(site, [bundle]);
  depot = await startDepotProcess({ root: site, log: scratch.fresh('log') });
  tools = await goTools();
});

afterAll(async () => {
  expect(await depot.stop()).toBe(0);
});

describe('when skopeo asks', () => {
  it.each(['server:1.0.0', '@digest'])('copies the image of %s byte for byte', async (by) => {
    const reference = by === '@digest' ? `server@${image()}` : by;
    const place = scratch.fresh('copied');
    await skopeo([
      ...['copy', '--preserve-digests', '--src-tls-verify=false'],
      ...[`docker://${depot.host}/chat/${reference}`, `dir:${place}`],
    ]);
    expect(sha256(readFileSync(join(place, 'manifest.json')))).toBe(image());
    for (const name of readdirSync(place).filter((each) => /^[0-9a-f]{64}$/.test(each)))
      expect(sha256(readFileSync(join(place, name)))).toBe(`sha256:${name}`);
  });

  it('lists tags', async () => {
    const args = ['list-tags', '--tls-verify=false', `docker://${depot.host}/chat/tiny`];
    expect(JSON.parse(await skopeo(args))).toMatchObject({
      Tags: ['1.0.0', model().commit].toSorted(),
    });
  });
});

describe('when crane asks', () => {
  const crane = (...args: readonly string[]): Promise<string> =>
    run(join(tools, 'crane'), ['--insecure', ...args]);

  it('finds the digests, the catalog and the tags', async () => {
    expect((await crane('digest', `${depot.host}/chat/server:1.0.0`)).trim()).toBe(image());
    expect((await crane('catalog', depot.host)).trim().split('\n')).toContain('chat/tiny-car');
    expect((await crane('ls', `${depot.host}/chat/server`)).trim()).toBe('1.0.0');
  });

  it('pulls the image byte for byte', async () => {
    const place = scratch.fresh('oci');
    await crane('pull', '--format=oci', `${depot.host}/chat/server:1.0.0`, place);
    const index = JSON.parse(readFileSync(join(place, 'index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    expect(index.manifests.map(({ digest }) => digest)).toEqual([image()]);
    const blobs = join(place, 'blobs', 'sha256');
    expect(readdirSync(blobs)).toHaveLength(3);
    for (const name of readdirSync(blobs))
      expect(sha256(readFileSync(join(blobs, name)))).toBe(`sha256:${name}`);
  });

  it('finds the files of the model in the modelcar', async () => {
    const tar = scratch.fresh('car.tar');
    await crane('export', `${depot.host}/chat/tiny-car:1.0.0`, tar);
    const place = scratch.fresh('car');
    mkdirSync(place);
    await run('tar', ['-xf', tar, '-C', place]);
    expectFiles(join(place, 'models'), (path) => path);
  });
});

describe('when oras asks', () => {
  it('pulls a model by version and by commit', async () => {
    for (const tag of ['1.0.0', model().commit]) {
      const place = scratch.fresh('oras');
      const reference = `${depot.host}/chat/tiny:${tag}`;
      await run(join(tools, 'oras'), ['pull', '--plain-http', '-o', place, reference]);
      expectFiles(place, title);
    }
  });

  it('discovers nothing attached to an unsigned image, without an error', async () => {
    const reference = `${depot.host}/chat/server:1.0.0`;
    const args = ['discover', '--plain-http', '--format', 'json', reference];
    const found = JSON.parse(await run(join(tools, 'oras'), args)) as { manifests?: unknown[] };
    expect(found.manifests ?? []).toEqual([]);
  });
});

describe('when podman asks', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = isolatedEngine(scratch.fresh('podman'));
  });
  afterAll(() => engine.destroy());

  it.each(['server', 'tiny-car'])('pulls %s', async (name) => {
    const reference = `${depot.host}/chat/${name}:1.0.0`;
    await engine.podman('pull', '--quiet', '--tls-verify=false', reference);
    const digest = await engine.podman('image', 'inspect', '--format={{.Digest}}', reference);
    const served = await fetch(`http://${depot.host}/v2/chat/${name}/manifests/1.0.0`);
    expect(digest.trim()).toBe(served.headers.get('docker-content-digest'));
  });

  it('shows the files of a model in a mounted image', async () => {
    const reference = `${depot.host}/chat/tiny-car:1.0.0`;
    const mounted = (await engine.podman('image', 'mount', reference)).trim();
    expectFiles(join(mounted, 'models'), (path) => path);
    await engine.podman('image', 'unmount', reference);
  });

  it('resolves the original reference with the printed configuration, by tag and by digest', async () => {
    const conf = scratch.fresh('registries.conf');
    const printed = await stowage(
      ...['depot', '--root', site, '--print-config', 'podman', '--as', depot.host],
    );
    writeFileSync(conf, printed);
    const env = { ...engine.env, CONTAINERS_REGISTRIES_CONF: conf };
    for (const reference of ['registry.example/server:1', `registry.example/server@${image()}`]) {
      await run('podman', ['pull', '--quiet', reference], { env });
      const args = ['image', 'inspect', '--format={{.Digest}}', reference];
      expect((await run('podman', args, { env })).trim()).toBe(image());
    }
  });
});

describe('when containerd asks', () => {
  it('pulls the original reference and a modelcar with the printed configuration', async () => {
    const root = scratch.fresh('ctrd');
    const hosts = join(root, 'hosts');
    const socket = join(root, 'sock');
    const config = JSON.parse(
      await stowage(
        ...['depot', '--root', site, '--print-config', 'containerd', '--as', depot.host, '--json'],
      ),
    ) as { files: { path: string; text: string }[] };
    for (const { path, text } of config.files) {
      const file = join(hosts, path.replace('/etc/containerd/certs.d/', ''));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    writeFileSync(
      join(root, 'config.toml'),
      `version = 2\nroot = "${root}/root"\nstate = "${root}/state"\n[grpc]\naddress = "${socket}"\n[ttrpc]\naddress = "${socket}.ttrpc"\n`,
    );
    const child = await start(
      'setpriv',
      ['--pdeathsig=KILL', 'containerd', '--config', join(root, 'config.toml')],
      { stdio: 'ignore' },
    );
    const ctr = (...args: readonly string[]): Promise<string> =>
      run('ctr', ['--address', socket, ...args]);
    try {
      await until('the start of containerd', 20, () =>
        ctr('version').then(
          () => true as const,
          () => undefined,
        ),
      );
      await ctr('images', 'pull', '--hosts-dir', hosts, 'registry.example/server:1');
      expect(await ctr('images', 'ls')).toContain(image());
      const car = `${depot.host}/chat/tiny-car:1.0.0`;
      await ctr('images', 'pull', '--hosts-dir', hosts, car);
      const mount = join(root, 'mounted');
      mkdirSync(mount);
      await ctr('images', 'mount', car, mount);
      expectFiles(join(mount, 'models'), (path) => path);
      await ctr('images', 'unmount', mount);
    } finally {
      await end(child, 'SIGKILL');
      for (const each of mountsBelow(root)) await run('umount', ['--lazy', each]);
    }
    expect(depot.log()).toContain('ns=registry.example');
  });
});

describe('when docker asks', () => {
  it('pulls an image and a modelcar by digest and by tag', async () => {
    const docker: Docker = await isolatedDocker(scratch.fresh('dk'));
    const inside = await startDepotProcess({
      ...{ root: site, log: scratch.fresh('log'), through: docker.gap.enter },
    });
    try {
      for (const name of ['server', 'tiny-car']) {
        await docker.docker('pull', '--quiet', `${inside.host}/chat/${name}:1.0.0`);
        await docker.docker('image', 'inspect', `${inside.host}/chat/${name}:1.0.0`);
      }
      const reference = `${inside.host}/chat/server@${image()}`;
      await docker.docker('pull', '--quiet', reference);
      const args = ['image', 'inspect', '--format={{join .RepoDigests " "}}', reference];
      expect(await docker.docker(...args)).toContain(reference);
    } finally {
      await inside.stop();
      await docker.destroy();
    }
  });
});
