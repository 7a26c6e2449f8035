import { describe, expect, it } from 'vitest';
import { giveBack, lend, retire, takeSlab } from '../../src/net/slabs.ts';

describe('when buffers are used again', () => {
  it('waits until every reader of one is done and nothing more is read into it', () => {
    const slab = takeSlab();
    const [first, second] = [lend(slab, 0, 10), lend(slab, 10, 20)];
    giveBack(first);
    giveBack(second);
    expect(takeSlab()).not.toBe(slab);
    const third = lend(slab, 20, 30);
    retire(slab);
    expect(takeSlab()).not.toBe(slab);
    giveBack(third);
    expect(takeSlab()).toBe(slab);
  });

  it('passes over buffers of others', () => {
    giveBack(Buffer.from('of somebody else'));
    retire(Buffer.alloc(10));
  });
});
