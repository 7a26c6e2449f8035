import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../support/scratch.ts';
import { until } from '../process.ts';
import { type Daemon, startDaemon } from './daemon.ts';

const scratch = scratchFolder();
const started = ({ log }: Daemon): number => log().split('started\n').length - 1;
const ENDS = ['sh', '-c', 'echo started; exit 1'];

describe('when a program of the cluster ends by itself', () => {
  it('is started again where systemd would, until it is stopped', async () => {
    const folder = scratch.fresh();
    const daemon = await startDaemon({
      ...{ name: 'kubelet', folder, programs: '/bin', command: ENDS, restart: true },
    });
    await until('a second start', 60, async () => started(daemon) > 1 || undefined);
    await daemon.stop();
    const before = started(daemon);
    await sleep(1_500);
    expect(started(daemon)).toBe(before);
  });

  it('fails with what it wrote where nobody starts it again', async () => {
    const daemon = await startDaemon({
      ...{ name: 'etcd', folder: scratch.fresh(), programs: '/bin', command: ENDS },
    });
    await expect(daemon.ready(async () => false)).rejects.toThrow('etcd does not run: started');
  });
});
