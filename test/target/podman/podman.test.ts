import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestHex } from '../../../src/core/digest.ts';
import { StowageError } from '../../../src/core/error.ts';
import { specificationOf } from '../../../src/target/container/container-arguments.ts';
import type { CommandRunner } from '../../../src/target/host/command.ts';
import { createPodman } from '../../../src/target/podman/podman.ts';
import { expectCode } from '../../support/error.ts';
import { type Answers, fakeCommands } from '../container/fake-commands.ts';
import { service } from '../container/services.ts';

const signal = new AbortController().signal;
const llm = service();
const id = digestHex(llm.image.config);
const noSuchContainer: Answers = {
  'podman container inspect': { status: 125, stderr: 'no such container' },
  'podman container exists': { status: 1 },
};
let folder: string;
let unitFolder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stowage-podman-'));
  unitFolder = join(folder, 'units');
  mkdirSync(unitFolder);
  writeFileSync(join(folder, 'podman'), '');
  chmodSync(join(folder, 'podman'), 0o755);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function folders() {
  return { unitFolder, quadletFolder: join(folder, 'quadlets') };
}

function onHost(answers: Answers, systemd = false, form: 'unit' | 'quadlet' = 'unit') {
  const commands = fakeCommands(answers);
  const env = { PATH: folder, CONTAINERS_CONF: '/c.conf', NOTIFY_SOCKET: '/run/n' };
  const target = createPodman({
    env,
    run: commands.run,
    systemd,
    ...folders(),
    form,
    selinux: false,
  });
  return { ...commands, target };
}

function inspected(values: object): Answers {
  const answer = [{ Image: id, RestartCount: 0, ...values }];
  return { 'podman container inspect': { stdout: `${JSON.stringify(answer)}\n` } };
}

function container(state: object, specification = specificationOf(llm)): Answers {
  const labels = { 'stowage.release': llm.release, 'stowage.specification': specification };
  return inspected({ State: state, Config: { Labels: labels } });
}

function info(version: string, host: object = {}) {
  return { stdout: JSON.stringify({ version: { Version: version }, host }) };
}

const running = { Status: 'running', Running: true, StartedAt: '2026-11-21T02:42:05.5+02:00' };

describe('when the host is probed', () => {
  it.each(['4.3.1', '4.10.0', '5.6.2-rhel', '10.0.0'])('accepts podman %s', async (version) => {
    const { target } = onHost({ 'podman info': info(version) });
    expect(await target.probe(signal)).toMatchObject({ engine: 'podman', version, systemd: false });
  });

  it('says what else decides whether a release can run', async () => {
    const dns = { path: '/usr/libexec/podman/aardvark-dns' };
    const netavark = { networkBackend: 'netavark', networkBackendInfo: { dns } };
    const found = async (host: object) =>
      onHost({ 'podman info': info('5.4.0', host) }).target.probe(signal);
    expect(await found({ ...netavark, cgroupVersion: 'v2' })).toMatchObject({
      names: true,
      cgroups: 2,
      rootless: process.getuid?.() !== 0,
    });
    const cni = await found({ networkBackend: 'cni', cgroupVersion: 'v1' });
    expect(cni).toMatchObject({ names: false, cgroups: 1 });
  });

  it.each([
    ['as root', { security: { rootless: false }, slirp4netns: { executable: '' } }, undefined],
    ['rootless, and does not say', { security: { rootless: true } }, undefined],
    ['without a helper', { security: { rootless: true }, slirp4netns: { executable: '' } }, false],
    [
      'with pasta alone',
      { security: { rootless: true }, slirp4netns: {}, pasta: { executable: '/usr/bin/pasta' } },
      true,
    ],
  ])('knows whether networks of services reach the host: %s', async (_, host, connects) => {
    const { target } = onHost({ 'podman info': info('4.3.1', host) });
    expect((await target.probe(signal)).connects).toBe(connects);
  });

  const ALL = ['cpuset', 'cpu', 'cpuacct', 'blkio', 'memory', 'devices', 'freezer', 'pids'];
  const onV1 = 'rootless podman ignores resource limits on cgroups v1';

  it.each([
    ['v1', true, [], { limits: ['memory', 'pids', 'cpus'], reason: onV1 }],
    ['v1', true, undefined, { limits: ['memory', 'pids', 'cpus'], reason: onV1 }],
    ['v1', true, ALL, { limits: ['memory', 'pids', 'cpus'], reason: onV1 }],
    ['v1', false, ALL, undefined],
    ['v1', false, undefined, undefined],
    [
      ...(['v1', false, ALL.filter((each) => each !== 'memory')] as const),
      { limits: ['memory'], reason: 'cgroup controller memory not available on this host' },
    ],
    ['v2', true, ['cpuset', 'cpu', 'io', 'memory', 'pids'], undefined],
    ['v2', true, undefined, undefined],
    [
      ...(['v2', true, ['memory', 'pids']] as const),
      { limits: ['cpus'], reason: 'cgroup controller cpu not delegated to this user' },
    ],
    ...[[], null].map((none) => {
      const reason = 'cgroup controllers memory, pids, cpu not delegated to this user';
      return ['v2', true, none, { limits: ['memory', 'pids', 'cpus'], reason }] as const;
    }),
    ['v2', false, ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids', 'rdma'], undefined],
    [undefined, true, [], undefined],
  ])(
    'knows which limits podman does not enforce: cgroups %s, rootless %s, controllers %j',
    async (...row) => {
      const [cgroupVersion, rootless, cgroupControllers, ignored] = row;
      const host = { cgroupVersion, security: { rootless }, cgroupControllers };
      const { target } = onHost({ 'podman info': info('4.3.1', host) });
      expect((await target.probe(signal)).ignoredLimits).toEqual(ignored);
    },
  );

  it.each(['3.4.4', '4.2.9', ''])('refuses podman %j', async (version) => {
    const { target } = onHost({ 'podman info': info(version) });
    const error = await expectCode(() => target.probe(signal), 'host-unfit');
    expect(error.hint).toContain('podman');
  });

  it('names the package when podman is absent', async () => {
    const target = createPodman({ env: { PATH: folder }, run: absent, systemd: false });
    const error = await expectCode(() => target.probe(signal), 'host-unfit');
    expect(error.hint).toContain('apt-get install podman');
  });

  it('fails with engine-failed when podman is broken', async () => {
    const { target } = onHost({ 'podman info': { status: 125, stderr: 'no runtime' } });
    const error = await expectCode(() => target.probe(signal), 'engine-failed');
    expect(error.found).toContain('no runtime');
  });

  it('keeps our notification socket from podman', async () => {
    const { target, env } = onHost({ 'podman info': info('4.3.1') });
    await target.probe(signal);
    expect(env()['NOTIFY_SOCKET']).toBeUndefined();
    expect(env()['CONTAINERS_CONF']).toBe('/c.conf');
  });
});

const absent: CommandRunner = async () => {
  throw new StowageError('host-unfit', 'podman cannot be run', { hint: 'install it' });
};

describe('when a service is inspected', () => {
  it('says what runs, from which image, to which specification', async () => {
    const { target } = onHost(container(running));
    expect(await target.inspectService(llm, signal)).toEqual({
      state: 'running',
      detail: '',
      startedAt: '2026-11-21T00:42:05.500Z',
      image: id,
      restarts: 0,
      specification: specificationOf(llm),
      release: llm.release,
      drift: [],
    });
  });

  it('knows the id and the first process of its container', async () => {
    const Id = 'c'.repeat(64);
    const { target } = onHost(inspected({ Id, State: { ...running, Pid: 7 } }));
    expect(await target.inspectService(llm, signal)).toMatchObject({ id: Id, pid: 7 });
  });

  it('says why it ended', async () => {
    const state = {
      Status: 'exited',
      ExitCode: 137,
      OOMKilled: true,
      StartedAt: running.StartedAt,
      FinishedAt: '2026-11-21T08:00:00.5+01:00',
    };
    const { target } = onHost(container(state));
    const { state: found, detail, finishedAt } = await target.inspectService(llm, signal);
    expect([found, detail]).toEqual(['stopped', 'exited, exit code 137, out of memory']);
    expect(finishedAt).toBe('2026-11-21T07:00:00.500Z');
  });

  it('leaves the start out when it never was', async () => {
    const { target } = onHost(container({ Status: 'created', StartedAt: '0001-01-01T00:00:00Z' }));
    const state = await target.inspectService(llm, signal);
    expect(state).not.toHaveProperty('startedAt');
    expect(state.detail).toBe('created, never started');
  });

  it('reports absent if there is none', async () => {
    const { target } = onHost(noSuchContainer);
    expect(await target.inspectService(llm, signal)).toEqual({
      state: 'absent',
      detail: '',
      drift: [],
    });
  });

  it.each([
    [
      'nothing',
      'UnitFileState=enabled\nNeedDaemonReload=no\nDropInPaths=/etc/systemd/system/service.d/all.conf',
      [],
    ],
    ['a unit that does not start with the host', 'UnitFileState=disabled', ['start at boot']],
    ['a file that systemd has not read', 'NeedDaemonReload=yes', ['unit']],
    ['a drop-in file', 'DropInPaths=DROP', ['unit drop-ins']],
  ])('names %s', async (_, shown, fields) => {
    await onHost(noSuchContainer, true).target.startService(llm, signal);
    const dropIn = join(unitFolder, `${llm.unit}.service.d`, 'override.conf');
    const stdout = shown.replace('DROP', dropIn);
    const answers = { ...container(running), 'systemctl show': { stdout } };
    const { drift } = await onHost(answers, true).target.inspectService(llm, signal);
    expect(drift.map(({ field }) => field)).toEqual(fields);
  });

  it('names a unit file that was changed or removed, and deletes drop-in files when it is repaired', async () => {
    await onHost(noSuchContainer, true).target.startService(llm, signal);
    const file = join(unitFolder, `${llm.unit}.service`);
    const text = readFileSync(file, 'utf8');
    const fieldsNow = async (): Promise<string[]> => {
      const { drift } = await onHost(container(running), true).target.inspectService(llm, signal);
      return drift.map(({ field }) => field);
    };
    expect(await fieldsNow()).toEqual([]);
    writeFileSync(file, text.replace('--read-only', ''));
    expect(await fieldsNow()).toEqual(['unit file']);
    mkdirSync(`${file}.d`);
    await onHost(container(running), true).target.startService(llm, signal);
    expect(readdirSync(unitFolder)).toEqual([`${llm.unit}.service`]);
    expect(await fieldsNow()).toEqual([]);
    rmSync(file);
    expect(await fieldsNow()).toEqual(['unit file']);
  });

  it('does not mistake a broken engine for an absent service', async () => {
    const { target } = onHost({ podman: { status: 125, stderr: 'database is locked' } });
    await expectCode(() => target.inspectService(llm, signal), 'engine-failed');
  });

  it('adds what systemd knows when the unit is there and the container is not', async () => {
    writeFileSync(join(unitFolder, `${llm.unit}.service`), '');
    const show = 'ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=4\n';
    const { target } = onHost({ ...noSuchContainer, systemctl: { stdout: show } }, true);
    expect(await target.inspectService(llm, signal)).toEqual({
      state: 'stopped',
      detail: 'unit activating (auto-restart), result exit-code, restarted 4 times',
      restarts: 4,
      drift: [expect.objectContaining({ field: 'unit file' })],
    });
  });
});

describe('when a service is started without systemd', () => {
  it('leaves one alone that runs with the same specification', async () => {
    const { target, calls } = onHost(container(running));
    await target.startService(llm, signal);
    expect(calls.filter((call) => !call.includes('inspect'))).toEqual([]);
  });

  it.each([
    ['another specification', container(running, 'f'.repeat(64))],
    ['one that stopped', container({ Status: 'exited', ExitCode: 1 })],
    ['none', noSuchContainer],
  ])('replaces %s', async (_, answers) => {
    const { target, calls } = onHost(answers);
    await target.startService(llm, signal);
    const changing = calls.filter(
      (call) => !call.includes(' inspect ') && !call.includes(' exists '),
    );
    expect(changing.map((call) => call.split(' ')[1])).toEqual(['rm', 'run']);
  });
});

describe('when podman was killed while it started a service', () => {
  it('sets the container up again before it is removed', async () => {
    const created = { ...container({ Status: 'created' }) };
    const { target, calls } = onHost({
      ...created,
      'podman container inspect --format': { stdout: 'created\n' },
    });
    await target.startService(llm, signal);
    const changing = calls.filter((call) => /^podman (?:init|rm|run) /.test(call));
    expect(changing.map((call) => call.split(' ')[1])).toEqual(['init', 'rm', 'run']);
  });

  it('removes it again when the first removal only unmounted it', async () => {
    let removals = 0;
    const busy = { status: 125, stderr: 'userdata/shm: device or resource busy' };
    const { target } = onHost({
      ...noSuchContainer,
      'podman rm': () => (++removals === 1 ? busy : {}),
    });
    await target.startService(llm, signal);
    expect(removals).toBe(2);
  });

  it('fails when it cannot be removed', async () => {
    const { target } = onHost({ ...noSuchContainer, 'podman rm': { status: 125, stderr: 'busy' } });
    await expectCode(() => target.startService(llm, signal), 'engine-failed');
  });

  it.each([
    ['of another owner', container({ Status: 'created' }, 'f'.repeat(64)), { site: 'abcdabcd' }],
  ])('leaves one %s alone', async (_, answers, owner) => {
    const { target, calls } = onHost(answers);
    await expectCode(() => target.startService({ ...llm, ...owner }, signal), 'engine-failed');
    await target.stopService({ ...llm, ...owner }, signal);
    expect(calls.filter((call) => /^podman (?:init|rm|run) /.test(call))).toEqual([]);
  });

  const network = { name: 'stowage-chat', release: llm.release, internal: false };
  const found = [{ labels: { 'stowage.release': llm.release }, network_interface: 'podman7' }];
  const listed: Answers = {
    'podman network ls': { stdout: 'stowage-chat\n' },
    'podman network inspect': { stdout: JSON.stringify(found) },
  };

  it.runIf(process.getuid?.() === 0)('removes the bridge that its network left', async () => {
    const { target, calls } = onHost({
      ...listed,
      'ip -json link show type bridge': { stdout: '[{"ifname":"podman7"}]' },
      'ip -json link show type veth': { stdout: '[{"ifname":"veth3"},{},{"ifname":"veth9"}]' },
    });
    await target.removeNetwork(network, signal);
    expect(calls.filter((call) => /^(?:ip link|podman network rm) /.test(call))).toEqual([
      'podman network rm stowage-chat',
      'ip link delete dev veth3',
      'ip link delete dev veth9',
      'ip link delete dev podman7',
    ]);
  });

  it.each<[string, Answers]>([
    ['podman removed it', { ...listed, 'ip -json link show': { status: 1, stderr: 'no device' } }],
    ['the network has another owner', { ...listed, 'podman network inspect': { stdout: '[{}]' } }],
    ['there is no such network', { 'podman network ls': { stdout: '' } }],
  ])('removes no interface when %s', async (_, answers) => {
    const { target, calls } = onHost(answers);
    await target.removeNetwork(network, signal);
    expect(calls.filter((call) => call.startsWith('ip link delete'))).toEqual([]);
  });
});

describe('when a service is started with systemd', () => {
  it('writes the unit, then enables it', async () => {
    const { target, calls } = onHost(noSuchContainer, true);
    await target.startService(llm, signal);
    expect(readdirSync(unitFolder)).toEqual([`${llm.unit}.service`]);
    const text = readFileSync(join(unitFolder, `${llm.unit}.service`), 'utf8');
    expect(text).toContain(`ExecStart=${folder}/podman \\\n  run`);
    expect(text).toContain('Environment=CONTAINERS_CONF=/c.conf\n');
    expect(calls.filter((call) => call.includes('systemctl')).slice(-2)).toEqual([
      `systemctl enable ${llm.unit}.service`,
      `systemctl start ${llm.unit}.service`,
    ]);
    expect(calls.some((call) => call.startsWith('podman run'))).toBe(false);
  });

  it('leaves a running one alone, unless its unit changed', async () => {
    await onHost(noSuchContainer, true).target.startService(llm, signal);
    const again = onHost(container(running), true);
    await again.target.startService(llm, signal);
    expect(again.calls.some((call) => call.includes('enable'))).toBe(false);
    writeFileSync(join(unitFolder, `${llm.unit}.service`), 'edited');
    const edited = onHost(container(running), true);
    await edited.target.startService(llm, signal);
    expect(edited.calls.some((call) => call.includes('enable'))).toBe(true);
  });

  it('writes a Quadlet file where podman reads them, and enables nothing', async () => {
    const { target, calls } = onHost(noSuchContainer, true, 'quadlet');
    await target.startService(llm, signal);
    expect(readdirSync(join(folder, 'quadlets'))).toEqual([`${llm.unit}.container`]);
    expect(readdirSync(unitFolder)).toEqual([]);
    expect(calls.some((call) => call.includes('enable'))).toBe(false);
    expect(calls.at(-1)).toBe(`systemctl start ${llm.unit}.service`);
    const again = onHost(container(running), true, 'quadlet');
    await again.target.startService(llm, signal);
    expect(again.calls.some((call) => call.includes('systemctl start'))).toBe(false);
    await again.target.stopService(llm, signal);
    expect(again.calls).toContain(`systemctl stop ${llm.unit}.service`);
    expect(readdirSync(join(folder, 'quadlets'))).toEqual([]);
  });

  it('replaces the unit of an older podman, which would hide the generated one', async () => {
    await onHost(noSuchContainer, true).target.startService(llm, signal);
    const newer = onHost(container(running), true, 'quadlet');
    await newer.target.startService(llm, signal);
    expect(newer.calls).toContain(`systemctl disable --now ${llm.unit}.service`);
    expect(readdirSync(unitFolder)).toEqual([]);
    expect(readdirSync(join(folder, 'quadlets'))).toEqual([`${llm.unit}.container`]);
  });

  it('asks the journal for the log of a generated unit, whose crashed containers are gone', async () => {
    await onHost(noSuchContainer, true, 'quadlet').target.startService(llm, signal);
    const journal = { journalctl: { stdout: 'it crashed\n' } };
    const { target, calls } = onHost(journal, true, 'quadlet');
    expect(await target.logs(llm, 3, signal)).toBe('it crashed\n');
    expect(calls.at(-1)).toContain(`--lines 3 CONTAINER_NAME=${llm.unit}`);
  });

  it.each([
    ['4.3.1', 'v2'],
    ['5.4.0', 'v1'],
  ])('writes units out for podman %s with control groups %s', async (version, cgroupVersion) => {
    const answers = { ...noSuchContainer, 'podman info': info(version, { cgroupVersion }) };
    const { run } = fakeCommands(answers);
    const env = { PATH: folder };
    const target = createPodman({ env, run, systemd: true, ...folders(), selinux: false });
    await target.startService(llm, signal);
    expect(readdirSync(unitFolder)).toEqual([`${llm.unit}.service`]);
  });

  it.each([
    ['the journal', 'no such device\n', 'no such device'],
    ['systemctl, when the journal has nothing', '', 'see the journal'],
  ])('fails with what is said by %s', async (_, stdout, said) => {
    const start = { status: 1, stderr: 'see the journal' };
    const answers = { 'systemctl start': start, journalctl: { stdout } };
    const { target } = onHost({ ...noSuchContainer, ...answers }, true);
    const error = await expectCode(() => target.startService(llm, signal), 'engine-failed');
    expect(error.message).toBe('systemctl start failed');
    expect(error.found).toContain(said);
  });
});

describe('when a service is stopped', () => {
  it('disables the unit, removes its file, then the container', async () => {
    writeFileSync(join(unitFolder, `${llm.unit}.service`), '');
    writeFileSync(join(unitFolder, `.${llm.unit}.service.tmp`), '');
    const { target, calls } = onHost(container(running), true);
    await target.stopService(llm, signal);
    expect(readdirSync(unitFolder)).toEqual([]);
    const verbs = calls.map((call) => call.split(' ')[1]).filter((verb) => verb !== 'container');
    expect(verbs).toEqual(['disable', 'daemon-reload', 'reset-failed', 'rm']);
  });

  it('keeps the unit file when it cannot be disabled', async () => {
    writeFileSync(join(unitFolder, `${llm.unit}.service`), '');
    const disable = 'systemctl disable';
    const { target } = onHost({ ...noSuchContainer, [disable]: { status: 1 } }, true);
    await expectCode(() => target.stopService(llm, signal), 'engine-failed');
    expect(readdirSync(unitFolder)).toHaveLength(1);
  });

  it('does nothing if there is nothing', async () => {
    await onHost(noSuchContainer, true).target.stopService(llm, signal);
    await onHost(noSuchContainer).target.stopService(llm, signal);
  });
});

describe('when another owner has the name', () => {
  const ours = { ...llm, site: '0a1b2c3d' };
  const labelled = (labels: object): Answers =>
    inspected({ State: running, Config: { Labels: labels } });

  it.each([
    ['a container without labels', {}],
    ['a container of another site', { 'stowage.site': 'ffffffff', 'stowage.release': llm.release }],
    ['a container of version 0.1', { 'stowage.release': llm.release }],
  ])('refuses to replace %s, and to remove it', async (_, labels) => {
    const { target, calls } = onHost(labelled(labels));
    const error = await expectCode(() => target.startService(ours, signal), 'engine-failed');
    expect(error.hint).toContain(`podman inspect ${ours.unit}`);
    await target.stopService(ours, signal);
    expect(calls.filter((call) => !call.includes(' inspect '))).toEqual([]);
  });

  it('does not give a container of a site to a release of version 0.1', async () => {
    const { target } = onHost(
      labelled({ 'stowage.site': 'ffffffff', 'stowage.release': llm.release }),
    );
    await expectCode(() => target.startService(llm, signal), 'engine-failed');
  });

  it('refuses to replace the unit of another site', async () => {
    const file = join(unitFolder, `${ours.unit}.service`);
    writeFileSync(file, 'ExecStart=podman run --label stowage.site=ffffffff');
    const { target } = onHost(noSuchContainer, true);
    await expectCode(() => target.startService(ours, signal), 'engine-failed');
    await target.stopService(ours, signal);
    expect(readFileSync(file, 'utf8')).toContain('ffffffff');
  });
});

describe('when an image is loaded', () => {
  const reference = `127.0.0.1:4000/${llm.image.repository}@${llm.image.manifest}`;
  const images = (...names: string[]) => ({ stdout: JSON.stringify([{ Id: id, Names: names }]) });
  const none = { stdout: '[]' };
  const handed =
    (...answers: { stdout: string }[]) =>
    () =>
      answers.shift() ?? none;

  it('is pulled by digest, tagged, and forgets where it came from', async () => {
    const sequence = handed(none, images(reference), images(reference, llm.image.tag));
    const { target, calls } = onHost({ 'podman images': sequence });
    await target.loadImage(llm.image, '127.0.0.1:4000', signal);
    expect(calls.filter((call) => !call.startsWith('podman images'))).toEqual([
      `podman pull --quiet --tls-verify=false ${reference}`,
      `podman tag ${id} ${llm.image.tag}`,
      `podman untag ${id} ${reference}`,
    ]);
  });

  it('is not pulled again, but loses the name that a killed pull left', async () => {
    const left = reference.replace('4000', '39999');
    const { target, calls } = onHost({ 'podman images': images(left, 'docker.io/x:1') });
    await target.loadImage(llm.image, '127.0.0.1:4000', signal);
    expect(calls.some((call) => call.includes('pull'))).toBe(false);
    expect(calls.at(-1)).toBe(`podman untag ${id} ${left}`);
  });

  it('is refused when its id is not the digest of its config', async () => {
    const { target } = onHost({ 'podman images': none });
    await expectCode(() => target.loadImage(llm.image, '127.0.0.1:4000', signal), 'engine-failed');
  });

  it('is there only under its tag', async () => {
    const other = onHost({ 'podman images': images('docker.io/x:1') });
    const own = onHost({ 'podman images': images(llm.image.tag) });
    expect(await other.target.hasImage(llm.image, signal)).toBe(false);
    expect(await own.target.hasImage(llm.image, signal)).toBe(true);
  });

  it('is only untagged when somebody else names it too', async () => {
    const { target, calls } = onHost({ 'podman images': images(llm.image.tag, 'docker.io/x:1') });
    await target.unloadImage(llm.image, signal);
    expect(calls.slice(1)).toEqual([`podman untag ${id} ${llm.image.tag}`]);
  });

  it('is left alone while a container uses it', async () => {
    const { target, calls } = onHost({
      'podman images': images(llm.image.tag),
      'podman ps': { stdout: 'abc\n' },
    });
    await target.unloadImage(llm.image, signal);
    expect(calls.some((call) => /untag|rmi/.test(call))).toBe(false);
  });

  it('does nothing if it does not exist', async () => {
    const { target, calls } = onHost({ 'podman images': none });
    await target.unloadImage(llm.image, signal);
    expect(calls).toHaveLength(1);
  });
});
