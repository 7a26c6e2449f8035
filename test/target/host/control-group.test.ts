import { describe, expect, it } from 'vitest';
import { controlGroupUse } from '../../../src/target/host/control-group.ts';

const reading = (files: Readonly<Record<string, string>>) => ({
  read: async (path: string) => files[path],
});

const VERSION_2 = {
  '/proc/7/cgroup': '0::/machine.slice/libpod-x.scope\n',
  '/sys/fs/cgroup/machine.slice/libpod-x.scope/io.stat':
    '8:0 rbytes=1000 wbytes=5 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=24 wbytes=0\n',
  '/sys/fs/cgroup/machine.slice/libpod-x.scope/cpu.stat':
    'usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n',
  '/sys/fs/cgroup/machine.slice/libpod-x.scope/memory.current': '4096\n',
};

const VERSION_1 = {
  '/proc/7/cgroup':
    '9:memory:/libpod/x\n4:cpu,cpuacct:/libpod/x\n3:blkio:/libpod/x\n1:name=systemd:/libpod/x\n0::/libpod/x\n',
  '/sys/fs/cgroup/blkio/libpod/x/blkio.throttle.io_service_bytes':
    '8:0 Read 1000\n8:0 Write 5\n8:0 Total 1005\n8:16 Read 24\nTotal 1029\n',
  '/sys/fs/cgroup/cpu,cpuacct/libpod/x/cpuacct.usage': '2500000000\n',
  '/sys/fs/cgroup/memory/libpod/x/memory.usage_in_bytes': '4096\n',
};

describe('when the control groups of a container are read', () => {
  it.each([
    ['version 2', VERSION_2],
    ['version 1', VERSION_1],
  ])('sums what all its processes used: %s', async (_, files) => {
    const use = { readBytes: 1024, cpuSeconds: 2.5, memoryBytes: 4096 };
    expect(await controlGroupUse(7, reading(files))).toEqual(use);
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    ['the process ended', {}],
    ['the group is outside of this namespace', { '/proc/7/cgroup': '0::/../../x\n' }],
    ['the file is not readable', { '/proc/7/cgroup': '0::/x\n' }],
    [
      'there is no number',
      { '/proc/7/cgroup': '0::/x\n', '/sys/fs/cgroup/x/memory.current': 'max' },
    ],
  ])('knows nothing if %s', async (_, files) => {
    expect(await controlGroupUse(7, reading(files))).toBeUndefined();
  });

  it.each([
    ['version 2', VERSION_2, '/sys/fs/cgroup/machine.slice/libpod-x.scope/io.stat', ''],
    [
      'version 1',
      VERSION_1,
      '/sys/fs/cgroup/blkio/libpod/x/blkio.throttle.io_service_bytes',
      'Total 0\n',
    ],
  ])('claims no reads of devices that are not counted: %s', async (_, files, path, text) => {
    const use = { cpuSeconds: 2.5, memoryBytes: 4096 };
    expect(await controlGroupUse(7, reading({ ...files, [path]: text }))).toEqual(use);
  });

  it('leaves out a counter that the host does not keep', async () => {
    const { '/sys/fs/cgroup/machine.slice/libpod-x.scope/io.stat': _, ...files } = VERSION_2;
    const use = { cpuSeconds: 2.5, memoryBytes: 4096 };
    expect(await controlGroupUse(7, reading(files))).toEqual(use);
  });
});
