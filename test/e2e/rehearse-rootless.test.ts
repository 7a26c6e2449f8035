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
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run as runProgram } from '../lab/process.ts';
import { type Ran, stowage } from './cli.ts';
import { everyRehearsal } from './rehearsals.ts';

// Rootless podman, by a user of this machine for as long as the test runs.

const USER = `stowage-r${process.pid}`;
const project = fileURLToPath(new URL('../..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'rr-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const become = [`--reuid=${USER}`, `--regid=${USER}`, '--init-groups'];
const as = ['setpriv', ...become, 'env', '--chdir=/'];
const env = {
  HOME: at('home'),
  XDG_RUNTIME_DIR: at('run'),
  CONTAINERS_CONF: at('containers.conf'),
};

beforeAll(async () => {
  chmodSync(work, 0o755);
  await runProgram('useradd', ['--create-home', '--home-dir', at('home'), USER]);
  // runc, because crun fails on cgroup v1; explicit limits, because they cannot be raised here.
  writeFileSync(
    at('containers.conf'),
    `[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]\nruntime = "runc"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n`,
  );
  mkdirSync(at('run'), { mode: 0o700 });
  await runProgram('chown', [`${USER}:`, at('run')]);
  // The user may not be able to enter the folder of the project.
  cpSync(join(project, 'dist'), at('dist'), { recursive: true });
  copyFileSync(join(project, 'node_modules/node/bin/node'), at('node'));
});

afterAll(async () => {
  await podman('system', 'reset', '--force');
  await runProgram('pkill', ['-u', USER]).catch(() => undefined);
  await runProgram('userdel', [USER]);
  rmSync(work, { recursive: true, force: true });
});

const podman = (...args: readonly string[]): Promise<string> => {
  const [command = '', ...before] = [...as, 'podman', ...args];
  return runProgram(command, before, { env: { PATH: process.env['PATH'], ...env } });
};

const run = (kill: AbortSignal | undefined, ...args: readonly string[]): Promise<Ran> => {
  const own = ['sh', '-c', `shift 2; exec ${at('node')} ${at('dist/main.js')} "$@"`, 'sh'];
  const options = { cwd: work, env, through: [...as, ...own] };
  return stowage({ ...options, ...(kill === undefined ? {} : { kill }) }, ...args);
};

describe('on podman, without root', () => {
  everyRehearsal(() => ({
    ...{ place: at('home'), target: 'podman', unprivileged: true },
    rehearse: (args, kill) => run(kill, 'rehearse', ...args),
    // A container of the user.
    async prepare() {
      mkdirSync(at('root/bin'), { recursive: true });
      copyFileSync('/bin/busybox', at('root/bin/busybox'));
      await runProgram('tar', ['-C', at('root'), '-cf', at('root.tar'), '.']);
      await podman('import', '--quiet', at('root.tar'), 'localhost/beside:1');
      await podman(
        'run',
        '--detach',
        '--network',
        'none',
        '--name',
        'beside',
        'localhost/beside:1',
        '/bin/busybox',
        'sleep',
        '100000',
      );
    },
    give: async (folder) => {
      await runProgram('chown', ['-R', `${USER}:`, folder]);
    },
    async production() {
      return [
        await podman(
          'ps',
          '--filter',
          'status=running',
          '--no-trunc',
          '--format',
          '{{.ID}} {{.Names}}',
        ),
        await podman('network', 'ls', '--format', '{{.ID}} {{.Name}}'),
        await podman('images', '--all', '--format', '{{.ID}} {{.Names}}'),
        await runProgram('ls', ['-A', at('home'), at('run')]),
      ];
    },
  }));

  it('refuses docker, which needs root', async () => {
    const ran = await run(undefined, 'rehearse', at('home'), '--target', 'docker');
    expect(ran.json.error).toMatchObject({
      code: 'host-unfit',
      message: 'a rehearsal on docker needs root',
      hint: expect.stringContaining('--target podman'),
    });
  });
});
