import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestHex } from '../../../src/core/digest.ts';
import { StowageError } from '../../../src/core/error.ts';
import { specificationOf } from '../../../src/target/container/container-arguments.ts';
import { createDocker } from '../../../src/target/docker/docker.ts';
import { expectCode } from '../../support/error.ts';
import { type Answers, fakeCommands } from '../container/fake-commands.ts';
import { service } from '../container/services.ts';

const { signal } = new AbortController();
const llm = service();
const id = digestHex(llm.image.config);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stowage-docker-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function onHost(answers: Answers) {
  const commands = fakeCommands(answers);
  const secretFolder = join(folder, 'secrets');
  const target = createDocker({ env: {}, run: commands.run, secretFolder, selinux: false });
  return { ...commands, target, secretFolder };
}

const info = (values: object) => ({ 'docker info': { stdout: JSON.stringify(values) } });
const there = { 'docker ps': { stdout: `${llm.unit}\n` } };

function container(state: object, image = `sha256:${id}`): Answers {
  const Config = { Labels: { 'stowage.specification': specificationOf(llm) } };
  const answer = JSON.stringify([{ State: state, Image: image, RestartCount: 2, Config }]);
  const none = { status: 1, stderr: 'No such image' };
  return {
    ...there,
    'docker container inspect': { stdout: answer },
    'docker image inspect': none,
  };
}

describe('when the host of docker is probed', () => {
  it('says what decides whether a release can run', async () => {
    const security = ['name=seccomp,profile=default', 'name=rootless'];
    const facts = { ServerVersion: '28.3.0', CgroupVersion: '2', SecurityOptions: security };
    expect(await onHost(info(facts)).target.probe(signal)).toEqual({
      engine: 'docker',
      version: '28.3.0',
      systemd: false,
      rootless: true,
      names: true,
      cgroups: 2,
    });
  });

  it.each([
    [{}, undefined],
    [{ MemoryLimit: true, PidsLimit: true }, undefined],
    [{ MemoryLimit: false, PidsLimit: true }, ['memory']],
    [{ MemoryLimit: true, PidsLimit: false }, ['pids']],
    [{ MemoryLimit: false, PidsLimit: false, CgroupDriver: 'none' }, ['memory', 'pids']],
    // Docker refuses to create a container with --cpus there.
    [{ MemoryLimit: true, PidsLimit: true, CpuCfsQuota: false }, undefined],
  ])('knows which limits it does not enforce: %j', async (values, limits) => {
    const { target } = onHost(info({ ServerVersion: '28.3.0', ...values }));
    const reason = 'docker info reports that this host does not support such limits';
    const ignored = limits === undefined ? undefined : { limits, reason };
    expect((await target.probe(signal)).ignoredLimits).toEqual(ignored);
  });

  it.each(['19.3.15', '20.9.0', ''])('refuses docker %j', async (ServerVersion) => {
    const { target } = onHost(info({ ServerVersion }));
    await expectCode(() => target.probe(signal), 'host-unfit');
  });

  it('fails with engine-failed without a response from its daemon, and names the package when docker is absent', async () => {
    const silent = onHost({ docker: { status: 1, stderr: 'Cannot connect to the Docker daemon' } });
    const error = await expectCode(() => silent.target.probe(signal), 'engine-failed');
    expect(error.found).toContain('Cannot connect');
    const run = async () => {
      throw new StowageError('host-unfit', 'docker cannot be run', { hint: 'install it' });
    };
    const absent = createDocker({ env: {}, run, secretFolder: folder });
    const unfit = await expectCode(() => absent.probe(signal), 'host-unfit');
    expect(unfit.hint).toContain('docker.io');
  });
});

describe('when a container of docker is inspected', () => {
  it('does not run between a crash and the next start', async () => {
    const state = { Status: 'restarting', Running: true, Restarting: true, ExitCode: 3 };
    const started = { ...state, StartedAt: '2026-11-21T00:00:00Z' };
    const found = await onHost(container(started)).target.inspectService(llm, signal);
    expect(found).toMatchObject({ state: 'stopped', restarts: 2 });
    expect(found.detail).toBe('restarting, exit code 3, restarted 2 times');
  });

  it('has the image that every engine names, also where containerd stores it', async () => {
    const manifest = `sha256:${digestHex(llm.image.manifest)}`;
    const { target } = onHost(container({ Status: 'running', Running: true }, manifest));
    expect((await target.inspectService(llm, signal)).image).toBe(id);
  });

  it('does not mistake a broken engine for an absent service', async () => {
    const { target } = onHost({ docker: { status: 1, stderr: 'no daemon' } });
    await expectCode(() => target.inspectService(llm, signal), 'engine-failed');
  });
});

describe('when docker has no store for secrets', () => {
  it('keeps them where nobody else may enter, and leaves no folder behind', async () => {
    const { target, secretFolder, calls } = onHost({});
    const value = Buffer.from([0, 255, 10]);
    await target.placeSecret('one', value, signal);
    await target.placeSecret('two', value, signal);
    expect(readFileSync(join(secretFolder, 'one'))).toEqual(value);
    expect(statSync(secretFolder).mode & 0o777).toBe(0o700);
    expect(readdirSync(secretFolder)).toEqual(['one', 'two']);
    for (const name of ['one', 'two', 'two']) await target.removeSecret(name, signal);
    expect(readdirSync(folder)).toEqual([]);
    expect(calls).toEqual([]);
  });

  it('does not start a service whose secret or model is not there', async () => {
    const { target, calls } = onHost({});
    const secrets = [{ name: 'gone', path: '/run/secrets/gone' }];
    await expectCode(() => target.startService(service({ secrets }), signal), 'engine-failed');
    const mounts = [{ source: join(folder, 'gone'), path: '/models' }];
    await expectCode(() => target.startService(service({ mounts }), signal), 'engine-failed');
    expect(calls.some((call) => call.includes('docker create'))).toBe(false);
  });
});

describe('when docker starts a service', () => {
  it('joins every network before the container starts', async () => {
    const image = JSON.stringify([`sha256:${id}`, [llm.image.tag], [], {}]);
    const { target, calls } = onHost({ 'docker image inspect': { stdout: image } });
    await target.startService(service({ networks: ['outward', 'within', 'third'] }), signal);
    const verbs = calls.map((call) => call.split(' ').slice(1, 3).join(' '));
    expect(verbs.slice(-4)).toEqual([
      'create --name',
      'network connect',
      'network connect',
      `start ${llm.unit}`,
    ]);
  });
});
