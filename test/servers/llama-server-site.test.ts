import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe } from 'vitest';
import { stowage } from '../e2e/cli.ts';
import { airGap } from '../lab/airgap.ts';
import { isolatedDocker } from '../lab/docker.ts';
import { isolatedEngine } from '../lab/engine.ts';
import { run as program } from '../lab/process.ts';
import { everyLlamaServerSite, type LlamaServerBench } from './llama-server-sites.ts';

// Each engine is in a network of its own, without a way out.

const project = fileURLToPath(new URL('../..', import.meta.url));

interface Opened {
  readonly bench: LlamaServerBench;
  close(): Promise<void>;
}

async function podmanOfRoot(place: string): Promise<Opened> {
  const gap = await airGap({ ownRun: true });
  const { env, podman, destroy } = isolatedEngine(join(place, 'e'), { through: gap.enter });
  return {
    bench: {
      ...{ place, target: 'podman', network: 'bridge', gap, engine: podman },
      site: (folder, args) =>
        stowage({ cwd: place, through: gap.enter, env: { ...env, STOWAGE_SITE: folder } }, ...args),
    },
    async close() {
      await destroy();
      await gap.destroy();
    },
  };
}

async function docker(place: string): Promise<Opened> {
  const { env, gap, docker: engine, destroy } = await isolatedDocker(join(place, 'd'));
  return {
    bench: {
      ...{ place, target: 'docker', network: 'bridge', gap, engine },
      site: (folder, args) =>
        stowage({ cwd: place, through: gap.enter, env: { ...env, STOWAGE_SITE: folder } }, ...args),
    },
    close: destroy,
  };
}

/** By a user of this machine for as long as the test runs. */
async function podmanOfUser(place: string): Promise<Opened> {
  const user = `stowage-l${process.pid}`;
  const at = (name: string): string => join(place, name);
  const gap = await airGap();
  await program('useradd', ['--create-home', '--home-dir', at('home'), user]);
  // runc, because crun fails on cgroup v1; explicit limits, because they cannot be raised here.
  writeFileSync(
    at('containers.conf'),
    `[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]\nruntime = "runc"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n`,
  );
  mkdirSync(at('run'), { mode: 0o700 });
  const give = async (path: string): Promise<void> => {
    await program('chown', ['-R', `${user}:`, path]);
  };
  await give(at('run'));
  // The user may not be able to enter the folder of the project.
  cpSync(join(project, 'dist'), at('dist'), { recursive: true });
  copyFileSync(join(project, 'node_modules/node/bin/node'), at('node'));
  const env = {
    HOME: at('home'),
    XDG_RUNTIME_DIR: at('run'),
    CONTAINERS_CONF: at('containers.conf'),
  };
  const become = [`--reuid=${user}`, `--regid=${user}`, '--init-groups', 'env', '--chdir=/'];
  const as = [...gap.enter, 'setpriv', ...become];
  const [enter, ...before] = as as [string, ...string[]];
  const engine = (...args: readonly string[]): Promise<string> =>
    program(enter, [...before, 'podman', ...args], { env: { PATH: process.env['PATH'], ...env } });
  // In place of node and the program, which follow.
  const own = ['sh', '-c', `shift 2; exec ${at('node')} ${at('dist/main.js')} "$@"`, 'sh'];
  return {
    bench: {
      ...{ place, target: 'podman', network: 'host', gap, give, engine },
      unlimited: 'no control group is delegated to the user of the lab',
      site: (folder, args) =>
        stowage(
          { cwd: place, through: [...as, ...own], env: { ...env, STOWAGE_SITE: folder } },
          ...args,
        ),
    },
    async close() {
      await engine('system', 'reset', '--force');
      await program('pkill', ['-u', user]).catch(() => undefined);
      await program('userdel', [user]);
      await gap.destroy();
    },
  };
}

describe.each([
  ['podman', podmanOfRoot],
  ['docker', docker],
  ['podman without root', podmanOfUser],
] as const)('on %s', (_name, open) => {
  let work: string;
  let opened: Opened;

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'sls-'));
    chmodSync(work, 0o755);
    opened = await open(work);
  });

  afterAll(async () => {
    await opened?.close();
    rmSync(work, { recursive: true, force: true });
  });

  everyLlamaServerSite(() => opened.bench);
});
