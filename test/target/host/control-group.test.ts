import { describe, expect, it } from 'vitest';
import { controlGroupUse, SHARED_GROUP } from '../../../src/target/host/control-group.ts';

const reading = (files: Readonly<Record<string, string>>) => ({
  read: async (path: string) => files[path],
});

const ID = 'c'.repeat(64);

const VERSION_2 = {
  '/proc/7/cgroup': `0::/machine.slice/libpod-${ID}.scope\n`,
  [`/sys/fs/cgroup/machine.slice/libpod-${ID}.scope/io.stat`]:
    '8:0 rbytes=1000 wbytes=5 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=24 wbytes=0\n',
  [`/sys/fs/cgroup/machine.slice/libpod-${ID}.scope/cpu.stat`]:
    'usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n',
  [`/sys/fs/cgroup/machine.slice/libpod-${ID}.scope/memory.current`]: '4096\n',
};

const VERSION_1 = {
  '/proc/7/cgroup': `9:memory:/libpod/${ID}\n4:cpu,cpuacct:/libpod/${ID}\n3:blkio:/libpod/${ID}\n1:name=systemd:/libpod/${ID}\n0::/libpod/${ID}\n`,
  [`/sys/fs/cgroup/blkio/libpod/${ID}/blkio.throttle.io_service_bytes`]:
    '8:0 Read 1000\n8:0 Write 5\n8:0 Total 1005\n8:16 Read 24\nTotal 1029\n',
  [`/sys/fs/cgroup/cpu,cpuacct/libpod/${ID}/cpuacct.usage`]: '2500000000\n',
  [`/sys/fs/cgroup/memory/libpod/${ID}/memory.usage_in_bytes`]: '4096\n',
};

describe('when the control groups of a container are read', () => {
  it.each([
    ['version 2', VERSION_2],
    ['version 1', VERSION_1],
  ])('sums what all its processes used: %s', async (_, files) => {
    const use = { readBytes: 1024, cpuSeconds: 2.5, memoryBytes: 4096 };
    expect(await controlGroupUse({ pid: 7, id: ID }, reading(files))).toEqual(use);
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    ['the process ended', {}],
    ['the group is outside of this namespace', { '/proc/7/cgroup': `0::/../../${ID}\n` }],
    ['the file is not readable', { '/proc/7/cgroup': `0::/${ID}\n` }],
    [
      'there is no number',
      { '/proc/7/cgroup': `0::/${ID}\n`, [`/sys/fs/cgroup/${ID}/memory.current`]: 'max' },
    ],
  ])('knows nothing if %s', async (_, files) => {
    expect(await controlGroupUse({ pid: 7, id: ID }, reading(files))).toBeUndefined();
  });

  it.each([
    ['version 2', VERSION_2, `/sys/fs/cgroup/machine.slice/libpod-${ID}.scope/io.stat`, ''],
    [
      'version 1',
      VERSION_1,
      `/sys/fs/cgroup/blkio/libpod/${ID}/blkio.throttle.io_service_bytes`,
      'Total 0\n',
    ],
  ])('claims no reads of devices that are not counted: %s', async (_, files, path, text) => {
    const use = { cpuSeconds: 2.5, memoryBytes: 4096 };
    expect(await controlGroupUse({ pid: 7, id: ID }, reading({ ...files, [path]: text }))).toEqual(
      use,
    );
  });

  it('leaves out a counter that the host does not keep', async () => {
    const { [`/sys/fs/cgroup/machine.slice/libpod-${ID}.scope/io.stat`]: _, ...files } = VERSION_2;
    const use = { cpuSeconds: 2.5, memoryBytes: 4096 };
    expect(await controlGroupUse({ pid: 7, id: ID }, reading(files))).toEqual(use);
  });
});

/** Files of the groups that every process of a host or of a session shares. */
const OF_THE_HOST = {
  '/sys/fs/cgroup/io.stat': '8:0 rbytes=1000\n',
  '/sys/fs/cgroup/cpu.stat': 'usage_usec 2500000\n',
  '/sys/fs/cgroup/unified/cpu.stat': 'usage_usec 2500000\n',
  '/sys/fs/cgroup/memory/memory.usage_in_bytes': '4096\n',
  '/sys/fs/cgroup/memory/user.slice/memory.usage_in_bytes': '4096\n',
  '/sys/fs/cgroup/cpuacct/cpuacct.usage': '2500000000\n',
  '/sys/fs/cgroup/blkio/blkio.throttle.io_service_bytes': '8:0 Read 1000\n',
  '/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope/cpu.stat': 'usage_usec 2500000\n',
  '/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope/memory.current': '4096\n',
};
const OWN = `user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`;

describe('when a container shares control groups with other processes', () => {
  it.each([
    ['the root, version 2', '0::/\n'],
    ['the root, version 1', '8:pids:/\n7:blkio:/\n4:memory:/\n2:cpuacct:/\n0::/\n'],
    ['the slice of its user, version 1', '7:blkio:/\n4:memory:/user.slice\n2:cpuacct:/\n0::/\n'],
    ['the session, version 2', '0::/user.slice/user-1000.slice/session-3.scope\n'],
    ['the group of another container', `0::/machine.slice/libpod-${'d'.repeat(64)}.scope\n`],
  ])('says that nothing is known of it: %s', async (_, groups) => {
    const files = { ...OF_THE_HOST, '/proc/7/cgroup': groups };
    expect(await controlGroupUse({ pid: 7, id: ID }, reading(files))).toEqual({
      unknown: SHARED_GROUP,
    });
  });

  it('has the counters of those that are its own', async () => {
    const files = {
      ...OF_THE_HOST,
      '/proc/7/cgroup': `4:memory:/user.slice\n2:cpuacct:/\n1:name=systemd:/${OWN}\n0::/${OWN}\n`,
      [`/sys/fs/cgroup/unified/${OWN}/cpu.stat`]: 'usage_usec 500000\n',
    };
    expect(await controlGroupUse({ pid: 7, id: ID }, reading(files))).toEqual({
      cpuSeconds: 0.5,
      unknown: SHARED_GROUP,
    });
  });

  it.each([
    `docker/${ID}`,
    `system.slice/docker-${ID}.scope`,
    `libpod_parent/libpod-${ID}/init.scope`,
    `user.slice/chat.service/libpod-payload-${ID}`,
  ])('reads the group that an engine made for it: %s', async (path) => {
    const files = {
      '/proc/7/cgroup': `0::/${path}\n`,
      [`/sys/fs/cgroup/${path}/memory.current`]: '4096\n',
    };
    expect(await controlGroupUse({ pid: 7, id: ID }, reading(files))).toEqual({
      memoryBytes: 4096,
    });
  });
});
