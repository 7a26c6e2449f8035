import { describe, expect, it } from 'vitest';
import { release, retain, seal, takeBuffer } from '../../src/net/buffer-pool.ts';

describe('when a buffer of the pool is used again', () => {
  it('waits until it is sealed and every reader has released its range', () => {
    const buffer = takeBuffer();
    const [first, second] = [retain(buffer, 0, 10), retain(buffer, 10, 20)];
    release(first);
    release(second);
    expect(takeBuffer()).not.toBe(buffer);
    const third = retain(buffer, 20, 30);
    seal(buffer);
    expect(takeBuffer()).not.toBe(buffer);
    release(third);
    expect(takeBuffer()).toBe(buffer);
  });
});

describe('when a buffer is not of the pool', () => {
  it('never enters it', () => {
    const [released, sealed] = [Buffer.from('released'), Buffer.alloc(10)];
    release(released);
    seal(sealed);
    release(sealed);
    const taken = Array.from({ length: 32 }, () => takeBuffer());
    expect(taken.map(({ buffer }) => buffer)).not.toContain(released.buffer);
    expect(taken.map(({ buffer }) => buffer)).not.toContain(sealed.buffer);
    expect([released.toString(), [...sealed]]).toEqual(['released', Array(10).fill(0)]);
  });

  it('holds nobody to a range of one that was handed back already', () => {
    const buffer = takeBuffer();
    const range = retain(buffer, 0, 10);
    seal(buffer);
    release(range);
    release(range);
    expect([takeBuffer(), takeBuffer()].filter((each) => each === buffer)).toHaveLength(1);
  });
});
