import { describe, expect, it } from 'vitest';
import { createDepotTarget } from '../../../src/target/depot/depot.ts';
import { release } from '../../support/deployed.ts';

const { signal } = new AbortController();

describe('when a site only serves', () => {
  const target = createDepotTarget();
  const of = { release: release(), service: 'server' };

  it('needs no engine, has nothing, and removes nothing', async () => {
    expect((await target.probe(signal)).engine).toBe('depot');
    expect(target.runsServices).toBe(false);
    expect(target.services(release())).toEqual([]);
    await target.removeSecret({ release: release(), name: 'x' }, signal);
    expect(await target.hasSecret({ release: release(), name: 'x' }, signal)).toBe(false);
    await target.forget([], [], signal);
  });

  it('reports a request to run something as a defect', () => {
    const start = { action: 'start-service', release: release(), subject: 'server' };
    expect(() => target.run(start, { withDepot: async () => {}, warn: () => {} }, signal)).toThrow(
      'cannot run',
    );
    expect(() => target.state(of, signal)).toThrow('cannot run');
  });
});
