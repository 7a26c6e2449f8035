import { describe, expect, it } from 'vitest';
import {
  FILL_BYTES,
  release,
  releasing,
  retain,
  seal,
  takeBuffer,
} from '../../src/net/buffer-pool.ts';

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

  it('waits for the readers of a part of a chunk, too', () => {
    const buffer = takeBuffer();
    const chunk = retain(buffer, 0, 10);
    const parts = [retain(chunk, 0, 2), retain(chunk, 5, 7)];
    seal(buffer);
    release(chunk);
    for (const each of parts) {
      expect(takeBuffer()).not.toBe(buffer);
      release(each);
    }
    expect(takeBuffer()).toBe(buffer);
  });
});

describe('when a buffer is given to other threads and written past the page cache', () => {
  it('is in shared memory, and begins with a page', () => {
    const buffer = takeBuffer();
    expect(buffer.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(buffer.byteOffset).toBe(0);
    expect(buffer.length).toBeGreaterThan(FILL_BYTES);
    seal(buffer);
  });
});

describe('when nobody releases what was read', () => {
  it('takes ordinary memory for all but some buffers, because shared memory is not collected in time', () => {
    const taken = Array.from({ length: 200 }, () => takeBuffer());
    const shared = taken.filter(({ buffer }) => buffer instanceof SharedArrayBuffer);
    expect(shared.length).toBeLessThanOrEqual(64);
    expect(taken.every(({ length }) => length > FILL_BYTES)).toBe(true);
  });

  it('releases each chunk of a body that is read in order when the next one is requested', async () => {
    const used = new Set<ArrayBufferLike>();
    const body = async function* (): AsyncGenerator<Uint8Array> {
      for (let count = 0; count < 100; count += 1) {
        const buffer = takeBuffer();
        used.add(buffer.buffer);
        const chunk = retain(buffer, 0, 10);
        seal(buffer);
        yield chunk;
      }
    };
    for await (const chunk of releasing(body())) expect(chunk).toHaveLength(10);
    expect(used.size).toBeLessThanOrEqual(25);
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
