import { describe, expect, it } from 'vitest';
import { Meter } from '../../src/cli/meter.ts';
import { createProgress } from '../../src/cli/render.ts';
import { type StowageEvent, Tally } from '../../src/core/context.ts';
import { fakeTerminal } from '../support/fake-terminal.ts';

type ProgressEvent = Extract<StowageEvent, { type: 'progress' }>;

const GIB = 1024 ** 3;

/** A clock that a test moves, in seconds, and what a meter says of amounts at moments. */
function bent(): { now: () => Date; at: (seconds: number) => void } {
  let milliseconds = 0;
  return {
    now: () => new Date(milliseconds),
    at: (seconds) => {
      milliseconds = seconds * 1000;
    },
  };
}

function event(done: number, values: Partial<ProgressEvent> = {}): ProgressEvent {
  return { type: 'progress', task: 'stage', done, total: 10 * GIB, unit: 'bytes', ...values };
}

describe('when progress is measured', () => {
  it('shows amount, rate and time left once the rate is known', () => {
    const clock = bent();
    const meter = new Meter(clock.now);
    expect(meter.text(event(0))).toBe('0 B of 10.00 GiB, 0 %');
    clock.at(0.9);
    expect(meter.text(event(GIB))).toBe('1.00 GiB of 10.00 GiB, 10 %');
    clock.at(4);
    expect(meter.text(event(2 * GIB, { subject: 'part 3 of 10 on disc-1-of-2' }))).toBe(
      '2.00 GiB of 10.00 GiB, 20 %, 512.0 MiB/s, 16 s left, part 3 of 10 on disc-1-of-2',
    );
  });

  it('counts data from an earlier run as done, but not in the rate', () => {
    const clock = bent();
    const meter = new Meter(clock.now);
    meter.text(event(8 * GIB, { kept: 8 * GIB }));
    clock.at(2);
    expect(meter.text(event(9 * GIB, { kept: 8 * GIB }))).toBe(
      '9.00 GiB of 10.00 GiB, 90 %, 512.0 MiB/s, 2 s left',
    );
  });

  it('excludes data that turns out to exist already from the rate', () => {
    const clock = bent();
    const meter = new Meter(clock.now);
    const events: ProgressEvent[] = [];
    const tally = new Tally((each) => events.push(each as ProgressEvent), 'pull', 10 * GIB);
    tally.add(0);
    tally.add(5 * GIB, true);
    tally.add(GIB);
    const [first, second, third] = events;
    if (first === undefined || second === undefined || third === undefined) throw new Error('few');
    meter.text(first);
    clock.at(1);
    meter.text(second);
    clock.at(2);
    expect(meter.text(third)).toBe('6.00 GiB of 10.00 GiB, 60 %, 512.0 MiB/s, 8 s left');
  });

  it('ignores old samples', () => {
    const clock = bent();
    const meter = new Meter(clock.now);
    let text = '';
    for (let second = 0; second <= 100; second++) {
      clock.at(second);
      // 100 MiB a second, and a tenth of it after a minute.
      const done = Math.min(second, 60) * 100 + Math.max(0, second - 60) * 10;
      text = meter.text(event(done * 1024 ** 2));
    }
    expect(text).toContain('10.0 MiB/s');
  });

  it('shows no rate or time left without progress or when progress decreases', () => {
    const clock = bent();
    const meter = new Meter(clock.now);
    meter.text(event(GIB));
    clock.at(5);
    expect(meter.text(event(GIB))).toBe('1.00 GiB of 10.00 GiB, 10 %');
    clock.at(9);
    expect(meter.text(event(0))).toBe('0 B of 10.00 GiB, 0 %');
    expect(meter.text(event(0, { task: 'other', total: 0 }))).toBe('0 B of 0 B, 100 %');
  });

  it('shows waiting time in seconds', () => {
    const meter = new Meter(bent().now);
    expect(meter.text(event(30, { unit: 'seconds', total: 90 }))).toBe('30 s of 1 min 30 s');
  });
});

describe('when stderr is not a terminal', () => {
  it('prints a line every five seconds for long work and none for short work', async () => {
    const clock = bent();
    const { terminal, stderr } = fakeTerminal('/', { now: clock.now });
    const progress = await createProgress(terminal, false);
    for (let second = 0; second <= 14; second++) {
      clock.at(second);
      progress.emit(event((second * GIB) / 2));
    }
    progress.emit(event(0, { task: 'short' }));
    progress.stop('done');
    expect(stderr()).toBe(
      'import: 2.50 GiB of 10.00 GiB, 25 %, 512.0 MiB/s, 15 s left\n' +
        'import: 5.00 GiB of 10.00 GiB, 50 %, 512.0 MiB/s, 10 s left\n',
    );
  });

  it('escapes control characters in names (attack 83)', () => {
    expect(new Meter(bent().now).text(event(0, { subject: '\u001b[2J' }))).not.toContain('\u001b');
  });
});
