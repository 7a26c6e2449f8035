import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import { createDocker } from '../../src/target/docker/docker.ts';
import { type CommandRunner, runCommand } from '../../src/target/host/command.ts';
import { type Docker, isolatedDocker } from '../lab/docker.ts';
import { type EngineBench, everyEngine, everyTarget } from '../target/container/engine-suite.ts';
import { type ServedImage, shellImage } from '../target/container/shell-image.ts';

const folder = mkdtempSync(join(tmpdir(), 'sd-'));
const secretFolder = join(folder, 'site', 'secrets');
let docker: Docker;
let served: ServedImage;
let depot: Depot;
let bench: EngineBench;

beforeAll(async () => {
  docker = await isolatedDocker(join(folder, 'd'));
  served = await shellImage(join(folder, 'layout'), 'shell-1');
  depot = await startDepot(served.catalog, { address: '127.0.0.1', port: 0 });
  await docker.gap.reach(Number(depot.host.split(':')[1]));
  const [enter = '', ...before] = docker.gap.enter;
  // The rules of packets are those of the daemon's network.
  const besideDaemon: CommandRunner = (program, args, options) =>
    program === 'nft'
      ? runCommand(enter, [...before, program, ...args], options)
      : runCommand(program, args, options);
  bench = {
    engine: 'docker',
    target: createDocker({ env: docker.env, secretFolder, run: besideDaemon }),
    image: served.image,
    depotHost: depot.host,
    env: docker.env,
    ipv6: '::1',
    secretFolder,
    through: [],
    secretAccess: '444:0',
    async held() {
      const lists = [
        ['ps', '--all', '--quiet'],
        ['images', '--all', '--quiet'],
        ['volume', 'ls', '--quiet'],
        ['network', 'ls', '--quiet'],
      ];
      const all = await Promise.all(lists.map((each) => docker.docker(...each)));
      return all.join('') + existsSync(secretFolder);
    },
    call: docker.docker,
    async beside(command, ...args) {
      const { stdout, stderr, status } = await docker.gap.run(command, args);
      if (status !== 0) throw new Error(stderr);
      return stdout;
    },
    async fetch(port, address = '127.0.0.1') {
      const { stdout, stderr } = await docker.gap.run('curl', [
        ...['--noproxy', '*', '--globoff', '-sS', `http://${address}:${port}/`],
      ]);
      return stdout + stderr;
    },
  };
});

afterAll(async () => {
  await depot.close();
  await docker.destroy();
  rmSync(folder, { recursive: true, force: true });
});

describe('docker', () => {
  describe('like every target', () => everyTarget(() => bench));
  describe('like every engine', () => everyEngine(() => bench));
});
