import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/core/limits.ts';
import { HashBacklog } from '../../src/io/hash-backlog.ts';

interface SlowThreads {
  readonly backlog: HashBacklog;
  /** The offsets that they were told of. */
  readonly told: number[];
  /** Lets them hash what they were told of first. */
  hash(failure?: Error): Promise<void>;
}

/** Threads that hash what they are told of when a test says so. */
function slowThreads(resumed = 0): SlowThreads {
  const pending: { resolve(): void; reject(error: Error): void }[] = [];
  const told: number[] = [];
  const reached = (offset: number): Promise<void> => {
    told.push(offset);
    return new Promise((resolve, reject) => pending.push({ resolve, reject }));
  };
  const backlog = new HashBacklog({ reached }, resumed);
  const hash = async (failure?: Error): Promise<void> => {
    const first = pending.shift();
    if (failure === undefined) first?.resolve();
    else first?.reject(failure);
    await turn();
  };
  return { backlog, told, hash };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const bytes = Buffer.alloc(1);

describe('when bytes arrive faster than they are hashed', () => {
  it('has no room from 8 MiB on, until some of them are hashed', async () => {
    const { backlog, hash } = slowThreads();
    void backlog.handOver(8 * MIB - 1, bytes);
    await backlog.room();
    expect(backlog.isBehind).toBe(false);
    void backlog.handOver(8 * MIB, bytes);
    let isRoom = false;
    const room = backlog.room().then(() => {
      isRoom = true;
    });
    await turn();
    expect([backlog.isBehind, isRoom]).toEqual([true, false]);
    await hash();
    await room;
    expect([backlog.isBehind, isRoom]).toEqual([false, true]);
  });

  it('counts how long there was nothing to hash, and no longer', async () => {
    const { backlog, hash } = slowThreads();
    void backlog.handOver(1, bytes);
    const before = backlog.idleMs;
    await wait(20);
    expect(backlog.idleMs).toBe(before);
    await hash();
    await wait(20);
    expect(backlog.idleMs).toBeGreaterThanOrEqual(before + 15);
  });

  it('tells threads that read back in steps of 4 MiB, also after bytes that it handed over', async () => {
    const { backlog, told, hash } = slowThreads();
    backlog.announce(4 * MIB - 1);
    void backlog.handOver(MIB, bytes);
    await hash();
    backlog.announce(5 * MIB - 1);
    backlog.announce(5 * MIB);
    backlog.announce(9 * MIB - 1);
    expect(told).toEqual([MIB, 5 * MIB]);
  });
});

describe('when the threads read back what an earlier run received', () => {
  it('tells them of 16 MiB at a time, and of what came meanwhile, so that other files have their turn', async () => {
    const { backlog, told, hash } = slowThreads(40 * MIB);
    expect(told).toEqual([16 * MIB]);
    backlog.announce(45 * MIB);
    await hash();
    await hash();
    expect(told).toEqual([16 * MIB, 32 * MIB, 45 * MIB]);
    expect(backlog.isBehind).toBe(true);
    await hash();
    expect(backlog.isBehind).toBe(false);
  });

  it('counts as idle, and makes nobody wait: connections are added meanwhile', async () => {
    const { backlog, hash } = slowThreads(16 * MIB);
    const before = backlog.idleMs;
    await backlog.room();
    await wait(20);
    expect(backlog.idleMs).toBeGreaterThanOrEqual(before + 15);
    await hash();
    backlog.announce(32 * MIB);
    const later = backlog.idleMs;
    await wait(20);
    expect(backlog.idleMs).toBe(later);
  });

  it('has told them of everything before the end, but for less than 4 MiB', async () => {
    const { backlog, told, hash } = slowThreads(17 * MIB);
    const all = backlog.readAll(23 * MIB);
    await hash();
    await hash();
    await all;
    expect(told).toEqual([16 * MIB, 23 * MIB]);
  });

  it('tells them of nothing more once it is stopped', async () => {
    const { backlog, told, hash } = slowThreads(100 * MIB);
    const stopped = backlog.stop();
    await hash();
    await stopped;
    backlog.announce(200 * MIB);
    expect(told).toEqual([16 * MIB]);
  });
});

describe('when a thread fails', () => {
  it('is reported to the next one who has bytes, and the threads are told of no more', async () => {
    const { backlog, told, hash } = slowThreads();
    void backlog.handOver(MIB, bytes);
    await hash(Object.assign(new Error('EIO'), { code: 'EIO' }));
    await expect(backlog.room()).rejects.toMatchObject({ code: 'EIO' });
    backlog.announce(64 * MIB);
    expect(told).toEqual([MIB]);
  });
});
