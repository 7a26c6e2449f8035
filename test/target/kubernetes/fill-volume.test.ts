import { describe, expect, it } from 'vitest';
import { jobFailure } from '../../../src/target/kubernetes/fill-volume.ts';
import type { Pod } from '../../../src/target/kubernetes/pods.ts';

const running = { status: { active: 1 } };
const ended = { status: { conditions: [{ type: 'Failed', status: 'True' }] } };
const pod = (values: Partial<Pod> = {}): Pod => ({
  ...{ name: 'fill-1', ready: false, deleted: false, restarts: 0 },
  ...values,
});
const end = (message: string): Pod => pod({ ended: { reason: 'Error', exitCode: 1, message } });

describe('when a Job that fills a volume is not complete', () => {
  it.each<[string, object | undefined, Pod | undefined, RegExp, boolean]>([
    ['was deleted by hand', undefined, undefined, /somebody removed the Job/, false],
    ['gets no pod, as a quota is used up', running, undefined, /creates no pod/, true],
    [
      'has a pod that cannot pull',
      running,
      pod({ waiting: { reason: 'ErrImagePull', message: 'x: not found' } }),
      /no such image/,
      false,
    ],
    ['ended on a full disk', ended, end('cp: No space left on device'), /is full/, false],
    ['ended without a pod to ask', ended, undefined, /without a message/, false],
  ])('says why: it %s', (_, job, of, found, mayPass) => {
    const failure = jobFailure(job as never, of, {});
    expect(failure?.found).toMatch(found);
    expect(failure?.mayPass).toBe(mayPass);
  });

  it('waits while a pod runs, and while the Job does not know yet that it ended', () => {
    expect(jobFailure(running, pod({ runningSince: '2026-01-01T00:00:00Z' }), {})).toBeUndefined();
    expect(jobFailure(running, end('done'), {})).toBeUndefined();
  });
});
