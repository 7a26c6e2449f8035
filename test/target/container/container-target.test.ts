import { describe, expect, it } from 'vitest';
import { createContainerTarget } from '../../../src/target/container/container-target.ts';
import type { ContainerState, EngineFacts } from '../../../src/target/container/engine.ts';
import { release, service } from '../../support/deployed.ts';
import { FakeEngine, fakeTarget } from '../../support/fake-engine.ts';
import { everyTarget } from '../target-suite.ts';

const health = { server: 'command', command: ['/bin/ready'], startupSeconds: 1 };

everyTarget('an engine of containers', health, () => {
  const target = fakeTarget();
  const { engine } = target;
  return {
    target,
    held: () => engine.state(),
    watch: (hook) => {
      engine.hook = (_, moment) => hook(moment);
    },
    spoil: (version) => {
      engine.inside = ({ image }) => ({
        status: image.tag.includes(`:${version}-`) ? 1 : 0,
        output: '',
      });
    },
    tamper: (name) => engine.changeByHand(name),
    halt: (name) => engine.stopByHand(name),
    close: async () => {},
  };
});

describe('when the resource use of a container is asked', () => {
  const id = 'c'.repeat(64);
  const one = service();
  const of = { release: release({ services: [one] }), service: one.name };
  const { signal } = new AbortController();

  /** Of a container whose first process is this one, so that its control groups are those of other processes. */
  const useOf = (state: Partial<ContainerState>, facts: Partial<EngineFacts> = {}) => {
    const target = new FakeEngine();
    target.run(one);
    target.running = () => ({ state: 'running', detail: '', pid: process.pid, ...state });
    const probed = target.probe.bind(target);
    target.probe = async () => ({ ...(await probed()), ...facts });
    return createContainerTarget(target).resourceUse?.(of, signal);
  };

  it.each<[Partial<EngineFacts>, string]>([
    [
      { engine: 'podman', rootless: true, cgroups: 1 },
      'rootless podman gives containers no control groups of their own on cgroups v1',
    ],
    [
      { engine: 'podman', rootless: true, cgroups: 2 },
      'the container has no control group of its own',
    ],
    [{ rootless: false, cgroups: 1 }, 'the container has no control group of its own'],
  ])('says why nothing is known of one without groups of its own: %j', async (facts, unknown) => {
    expect(await useOf({ id }, facts)).toEqual({ unknown });
  });

  it('has nothing to say of one whose id or process is unknown', async () => {
    expect(await useOf({})).toBeUndefined();
    expect(await useOf({ id, pid: 2 ** 30 })).toBeUndefined();
  });
});
