import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/core/limits.ts';
import { HashBacklog } from '../../src/io/hash-backlog.ts';

/** Threads that hash what they are told of when a test says so. */
function slowThreads(): { readonly backlog: HashBacklog; readonly told: number[]; hash(): void } {
  const pending: (() => void)[] = [];
  const told: number[] = [];
  const reached = (offset: number): Promise<void> => {
    told.push(offset);
    return new Promise((resolve) => pending.push(resolve));
  };
  return { backlog: new HashBacklog({ reached }), told, hash: () => pending.shift()?.() };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('when bytes arrive faster than they are hashed', () => {
  it('has no room from 8 MiB on, until some of them are hashed', async () => {
    const { backlog, hash } = slowThreads();
    void backlog.give(8 * MIB - 1);
    await backlog.room();
    expect(backlog.isFull).toBe(false);
    void backlog.give(8 * MIB);
    let isRoom = false;
    const room = backlog.room().then(() => {
      isRoom = true;
    });
    await turn();
    expect([backlog.isFull, isRoom]).toEqual([true, false]);
    hash();
    await room;
    expect([backlog.isFull, isRoom]).toEqual([false, true]);
  });

  it('counts how long there was nothing to hash, and no longer', async () => {
    const { backlog, hash } = slowThreads();
    void backlog.give(1);
    const before = backlog.idleMs;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(backlog.idleMs).toBe(before);
    hash();
    await turn();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(backlog.idleMs).toBeGreaterThanOrEqual(before + 15);
  });

  it('tells threads that read back in steps of 4 MiB, also after bytes that it gave them', () => {
    const { backlog, told } = slowThreads();
    backlog.tell(4 * MIB - 1);
    void backlog.give(MIB, Buffer.alloc(MIB));
    backlog.tell(5 * MIB - 1);
    backlog.tell(5 * MIB);
    backlog.tell(9 * MIB - 1);
    expect(told).toEqual([MIB, 5 * MIB]);
  });
});
