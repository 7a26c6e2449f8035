import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestHex } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import type { RenderedService } from '../../src/format/containers.ts';
import { specificationOf } from '../../src/target/container/container-arguments.ts';
import type { ContainerEngine } from '../../src/target/container/engine.ts';
import { createPodman } from '../../src/target/podman/podman.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { until } from '../lab/process.ts';
import { freePort } from '../lab/registry.ts';
import { skopeo } from '../lab/skopeo.ts';
import { expectCode } from '../support/error.ts';
import { service } from '../target/container/services.ts';
import { type ServedImage, shellImage } from '../target/container/shell-image.ts';

const { signal } = new AbortController();
const folder = mkdtempSync(join(tmpdir(), 'stowage-e2e-'));
let engine: Engine;
let served: ServedImage;
let depot: Depot;
let target: ContainerEngine;

beforeAll(async () => {
  engine = isolatedEngine(join(folder, 'engine'));
  served = await shellImage(join(folder, 'layout'), 'shell-1');
  depot = await startDepot(served.catalog, { address: '127.0.0.1', port: 0 });
  target = createPodman({ env: engine.env, systemd: false });
});

afterAll(async () => {
  await depot.close();
  await engine.destroy();
  rmSync(folder, { recursive: true, force: true });
});

/** Waits for SIGTERM, which the first process of a container otherwise ignores. */
const stay = "trap 'exit 0' TERM; sleep 100 & wait";

/** A service that runs this shell script. */
function script(text: string, values: Partial<RenderedService> = {}): RenderedService {
  return service({ image: served.image, args: [text], network: 'none', ...values });
}

/** Everything in podman: containers, images, volumes. */
async function held(): Promise<string> {
  const containers = await engine.podman('ps', '--all', '--external', '--quiet');
  const images = await engine.podman('images', '--all', '--quiet');
  return containers + images + (await engine.podman('volume', 'ls', '--quiet'));
}

async function logOf(each: RenderedService, pattern: RegExp): Promise<string> {
  return until(`a log with ${pattern}`, 20, async () => {
    const text = await target.logs(each, 500, signal);
    return pattern.test(text) ? text : undefined;
  });
}

describe('when an image is loaded from the depot', () => {
  it('is known only by its tag and id', async () => {
    expect(await target.hasImage(served.image, signal)).toBe(false);
    await target.loadImage(served.image, depot.host, signal);
    await target.loadImage(served.image, depot.host, signal);
    expect(await target.hasImage(served.image, signal)).toBe(true);
    const [found] = JSON.parse(await engine.podman('images', '--format', 'json')) as {
      Id: string;
      Names: string[];
    }[];
    expect(found?.Id).toBe(digestHex(served.image.config));
    expect(found?.Names).toEqual([served.image.tag]);
  });

  it('is removed, along with the container that uses it', async () => {
    const user = script(stay);
    await target.loadImage(served.image, depot.host, signal);
    await target.startService(user, signal);
    await target.unloadImage(served.image, signal);
    expect(await target.hasImage(served.image, signal)).toBe(true);
    await target.stopService(user, signal);
    await target.unloadImage(served.image, signal);
    await target.unloadImage(served.image, signal);
    expect(await held()).toBe('');
  });

  it('cleans up after a pull that was killed before the image had its tag', async () => {
    const { repository, manifest } = served.image;
    const reference = `${depot.host}/${repository}@${manifest}`;
    await engine.podman('pull', '--quiet', '--tls-verify=false', reference);
    await target.unloadImage(served.image, signal);
    expect(await held()).toBe('');
  });

  it('refuses an image that the depot does not have, and leaves nothing', async () => {
    const wrong = { ...served.image, manifest: served.image.config, config: served.image.manifest };
    await expectCode(() => target.loadImage(wrong, depot.host, signal), 'engine-failed');
    expect(await held()).toBe('');
  });

  it('can be read by skopeo', async () => {
    const reference = `docker://${depot.host}/${served.image.repository}`;
    const inspect = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}'];
    const digest = await skopeo([...inspect, `${reference}:1.0.0`]);
    expect(digest.trim()).toBe(served.image.manifest);
    const copy = join(folder, 'copy');
    await skopeo([
      ...['copy', '--quiet', '--preserve-digests', '--src-tls-verify=false'],
      ...[`${reference}@${served.image.manifest}`, `dir:${copy}`],
    ]);
  });
});

describe('when a service runs', () => {
  beforeAll(() => target.loadImage(served.image, depot.host, signal));
  afterAll(async () => {
    await target.unloadImage(served.image, signal);
    expect(await held()).toBe('');
  });

  it('starts once, logs its output, and leaves nothing behind', async () => {
    const each = script(`echo to stdout; echo to stderr >&2; ${stay}`);
    expect(await target.inspectService(each, signal)).toEqual({
      state: 'absent',
      detail: '',
      drift: [],
    });
    expect(await target.logs(each, 10, signal)).toBe('');
    await target.startService(each, signal);
    const first = await target.inspectService(each, signal);
    expect(first).toMatchObject({
      state: 'running',
      image: digestHex(served.image.config),
      specification: specificationOf(each),
    });
    expect(await logOf(each, /stderr/)).toBe('to stdout\nto stderr\n');
    await target.startService(each, signal);
    expect(await target.inspectService(each, signal)).toEqual(first);
    await target.stopService(each, signal);
    await target.stopService(each, signal);
    expect(await target.inspectService(each, signal)).toEqual({
      state: 'absent',
      detail: '',
      drift: [],
    });
    expect(await engine.podman('volume', 'ls', '--quiet')).toBe('');
  });

  it('is replaced when its specification changed', async () => {
    const [old, next] = [script(`echo old; ${stay}`), script(`echo new; ${stay}`)];
    await target.startService(old, signal);
    await target.startService(next, signal);
    expect(await logOf(next, /new/)).toBe('new\n');
    const state = await target.inspectService(next, signal);
    expect(state.specification).toBe(specificationOf(next));
    await target.stopService(next, signal);
  });

  it('is confined, and has memory that an unprivileged user can write to and execute from', async () => {
    const models = join(folder, 'models');
    mkdirSync(models);
    writeFileSync(join(models, 'weights'), 'weights\n');
    const each = script(
      `id -u; cat /models/weights; cat /proc/self/status
       for d in /tmp /cache /data /dev/shm; do touch $d/x && echo "wrote $d"; done
       for d in / /models /bin; do touch $d/x 2>/dev/null || echo "kept from $d"; done
       cat /bin/id > /cache/id && echo "HF=$HF_HUB_OFFLINE PROXY=$HTTP_PROXY"; echo done; ${stay}`,
      {
        user: '10001:10001',
        memory: 256 * MIB,
        mounts: [
          { source: models, path: '/models' },
          { memory: 8 * MIB, path: '/cache' },
        ],
      },
    );
    await target.startService(each, signal);
    const log = await logOf(each, /^done$/m);
    expect(log.split('\n')).toEqual(
      expect.arrayContaining([
        ...['10001', 'weights', 'NoNewPrivs:\t1', 'CapBnd:\t0000000000000000'],
        ...['wrote /tmp', 'wrote /cache', 'wrote /data', 'wrote /dev/shm'],
        ...['kept from /', 'kept from /models', 'kept from /bin', 'HF=1 PROXY='],
      ]),
    );
    await target.stopService(each, signal);
  });

  it('is restarted when it exits, and can be stopped during a restart', async () => {
    const each = script('echo crashed; exit 3');
    await target.startService(each, signal);
    await until('a restart', 20, async () => {
      const { restarts = 0 } = await target.inspectService(each, signal);
      return restarts > 1 ? true : undefined;
    });
    expect(await target.logs(each, 1, signal)).toBe('crashed\n');
    await target.stopService(each, signal);
    expect(await engine.podman('ps', '--all', '--quiet')).toBe('');
  });

  it('reports why it could not be started, and can still be stopped', async () => {
    const each = script('', { entrypoint: '/nosuch' });
    const error = await expectCode(() => target.startService(each, signal), 'engine-failed');
    expect(error.found).toContain('/nosuch');
    expect(await target.logs(each, 10, signal)).toBe('');
    expect((await target.inspectService(each, signal)).state).not.toBe('running');
    await target.stopService(each, signal);
    expect(await engine.podman('ps', '--all', '--quiet')).toBe('');
  });

  it('can be reached at its published port, and only there', async () => {
    const port = await freePort();
    // podman itself listens on the published port, so the image needs no server.
    const each = script(stay, {
      network: 'bridge',
      ports: [{ name: 'http', address: '127.0.0.1', host: port, container: 8080 }],
    });
    await target.startService(each, signal);
    const bindings = await engine.podman('port', each.unit);
    expect(bindings.trim()).toBe(`8080/tcp -> 127.0.0.1:${port}`);
    await target.stopService(each, signal);
  });
});
