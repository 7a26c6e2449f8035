import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import type { ContainerEngine } from '../../src/target/container/engine.ts';
import { type CommandRunner, runCommand } from '../../src/target/host/command.ts';
import { createPodman } from '../../src/target/podman/podman.ts';
import { run } from '../lab/process.ts';
import { everyTarget, expectLimits, LIMITS } from '../target/container/engine-suite.ts';
import { service } from '../target/container/services.ts';
import { type ServedImage, shellImage } from '../target/container/shell-image.ts';

/** A user of this machine for as long as the test runs, with its own range of subordinate ids. */
const USER = `stowage-${process.pid}`;
const { signal } = new AbortController();
const folder = mkdtempSync(join(tmpdir(), 'sr-'));
const home = join(folder, 'home');
let served: ServedImage;
let depot: Depot;
let target: ContainerEngine;
let podman: (...args: readonly string[]) => Promise<string>;

beforeAll(async () => {
  await run('chmod', ['755', folder]);
  await run('useradd', ['--create-home', '--home-dir', home, USER]);
  const uid = Number(await run('id', ['--user', USER]));
  const runtime = join(folder, 'run');
  mkdirSync(runtime, { mode: 0o700 });
  const settings = join(home, 'containers.conf');
  // runc, because crun fails on cgroup v1; explicit limits, because they cannot be raised here.
  writeFileSync(
    settings,
    `[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]\nruntime = "runc"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n`,
  );
  for (const path of [runtime, settings]) chownSync(path, uid, uid);
  const become = [`--reuid=${USER}`, `--regid=${USER}`, '--init-groups'];
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    XDG_RUNTIME_DIR: runtime,
    CONTAINERS_CONF: settings,
  };
  const asUser: CommandRunner = (program, args, options) =>
    runCommand('setpriv', [...become, 'env', '--chdir=/', program, ...args], options);
  target = createPodman({ env, run: asUser, systemd: false });
  podman = (...args) => run('setpriv', [...become, 'env', '--chdir=/', 'podman', ...args], { env });
  served = await shellImage(join(folder, 'layout'), 'shell-1');
  depot = await startDepot(served.catalog, { address: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  await depot.close();
  // Only their own user or root can remove files of subordinate ids.
  await podman('system', 'reset', '--force');
  await run('userdel', [USER]);
  rmSync(folder, { recursive: true, force: true });
});

describe('rootless podman', () => {
  everyTarget(() => ({ target, image: served.image, depotHost: depot.host }));

  it('gives a service the limits that were set', async () => {
    await target.loadImage(served.image, depot.host, signal);
    const stay = "trap 'exit 0' TERM; sleep 1000 & wait";
    const values = { network: 'host', ulimits: LIMITS } as const;
    const each = service({
      image: served.image,
      args: [`cat /proc/self/limits; ${stay}`],
      ...values,
    });
    await target.startService(each, signal);
    await expect.poll(() => target.logs(each, 50, signal), { timeout: 20_000 }).toMatch(/realtime/);
    expectLimits(await target.logs(each, 50, signal));
    expect((await target.inspectService(each, signal)).drift).toEqual([]);
    await target.stopService(each, signal);
    await target.unloadImage(served.image, signal);
  });

  it("runs a service on the host's network, as a user that does not exist on the host", async () => {
    await target.loadImage(served.image, depot.host, signal);
    const each = service({
      image: served.image,
      network: 'host',
      user: '10001:10001',
      args: ["cat /proc/self/uid_map; trap 'exit 0' TERM; sleep 1000 & wait"],
    });
    await target.startService(each, signal);
    const status = [
      '/bin/sh',
      '-c',
      'cat /proc/self/status | busybox grep -E "^(Uid|CapEff|NoNew)"',
    ];
    const { output } = await target.runInside(each, status, signal);
    expect(output).toMatch(/^Uid:\t10001\t/m);
    expect(output).toMatch(/^CapEff:\t0{16}$/m);
    expect(output).toMatch(/^NoNewPrivs:\t1$/m);
    await target.stopService(each, signal);
    await target.unloadImage(served.image, signal);
    expect(await podman('ps', '--all', '--quiet')).toBe('');
    expect(await podman('images', '--all', '--quiet')).toBe('');
  });
});
