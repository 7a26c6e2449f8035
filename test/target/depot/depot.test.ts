import { describe, expect, it } from 'vitest';
import { createTarget } from '../../../src/target/create-target.ts';
import { service } from '../services.ts';

const { signal } = new AbortController();

describe('when a site names its target', () => {
  it.each(['podman', 'docker', 'depot'] as const)('makes %s', (name) => {
    expect(createTarget(name, { env: {}, root: '/site' }).name).toBe(name);
  });
});

describe('when a site only serves', () => {
  const target = createTarget('depot', { env: {}, root: '/site' });

  it('needs no engine, has nothing, and removes nothing', async () => {
    expect((await target.probe(signal)).engine).toBe('depot');
    expect(await target.inspectService(service(), signal)).toEqual({ state: 'absent', detail: '' });
    await target.stopService(service(), signal);
    await target.unloadImage(service().image, signal);
    await target.removeSecret('x', signal);
    expect(await target.hasSecret('x', signal)).toBe(false);
  });

  it('takes an order to run something for a defect', async () => {
    await expect(target.startService(service(), signal)).rejects.toThrow('asked to run');
  });
});
