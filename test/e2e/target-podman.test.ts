import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import { type CommandRunner, runCommand } from '../../src/target/host/command.ts';
import { createPodman } from '../../src/target/podman/podman.ts';
import { type AirGap, airGap } from '../lab/airgap.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { type EngineBench, everyEngine, everyTarget } from '../target/container/engine-suite.ts';
import { type ServedImage, shellImage } from '../target/container/shell-image.ts';

const folder = mkdtempSync(join(tmpdir(), 'sp-'));
let gap: AirGap;
let engine: Engine;
let served: ServedImage;
let depot: Depot;
let bench: EngineBench;

beforeAll(async () => {
  gap = await airGap({ ownRun: true });
  // Podman as root forwards ports in the kernel, which forwards nothing from ::1.
  await gap.run('ip', ['-6', 'address', 'add', 'fd11::2/128', 'dev', 'lo']);
  engine = isolatedEngine(join(folder, 'e'), { through: gap.enter });
  served = await shellImage(join(folder, 'layout'), 'shell-1');
  depot = await startDepot(served.catalog, { address: '127.0.0.1', port: 0 });
  await gap.reach(Number(depot.host.split(':')[1]));
  const [enter = '', ...before] = gap.enter;
  const through: CommandRunner = (program, args, options) =>
    runCommand(enter, [...before, program, ...args], options);
  bench = {
    engine: 'podman',
    target: createPodman({ env: engine.env, run: through, systemd: false }),
    image: served.image,
    depotHost: depot.host,
    env: engine.env,
    ipv6: 'fd11::2',
    secretFolder: '',
    through: gap.enter,
    secretAccess: '400:10001',
    async held() {
      const lists = [
        ['ps', '--all', '--external', '--quiet'],
        ['images', '--all', '--quiet'],
        ['volume', 'ls', '--quiet'],
        ['network', 'ls', '--quiet'],
        ['secret', 'ls', '--quiet'],
      ];
      const all = await Promise.all(lists.map((each) => engine.podman(...each)));
      return all.join('');
    },
    call: engine.podman,
    async beside(command, ...args) {
      const { stdout, stderr, status } = await gap.run(command, args);
      if (status !== 0) throw new Error(stderr);
      return stdout;
    },
    async fetch(port, address = '127.0.0.1') {
      const ask = ['--noproxy', '*', '--globoff', '-sS', `http://${address}:${port}/`];
      const { stdout, stderr } = await gap.run('curl', ask);
      return stdout + stderr;
    },
  };
});

afterAll(async () => {
  await depot.close();
  await engine.destroy();
  await gap.destroy();
  rmSync(folder, { recursive: true, force: true });
});

describe('podman, without systemd', () => {
  describe('like every target', () => everyTarget(() => bench));
  describe('like every engine', () => everyEngine(() => bench));
});
