import { describe, expect, it } from 'vitest';
import { specificationOf } from '../../../src/target/container/container-arguments.ts';
import { podmanRunArguments } from '../../../src/target/podman/podman-arguments.ts';
import { expectCode } from '../../support/error.ts';
import { service, services } from '../container/services.ts';

const plain = { supervisor: 'podman', selinux: false } as const;

/** The values that follow each occurrence of an option. */
function valuesOf(args: readonly string[], option: string): string[] {
  return args.flatMap((each, index) => (each === option ? [args[index + 1] ?? ''] : []));
}

describe('when a service is rendered for podman', () => {
  it.each(Object.entries(services))('gives the arguments of golden/%s.txt', async (name, each) => {
    const args = podmanRunArguments(each, plain);
    const text = `${args.map((arg) => JSON.stringify(arg)).join('\n')}\n`;
    await expect(text).toMatchFileSnapshot(`golden/${name}.txt`);
  });

  it('gives the same whatever the order of capabilities and variables', () => {
    const one = service({ capabilities: ['CAP_A', 'CAP_B'], env: { A: '1', B: '2' } });
    const two = service({ capabilities: ['CAP_B', 'CAP_A'], env: { B: '2', A: '1' } });
    const without = (args: readonly string[]) =>
      args.filter((arg) => !arg.startsWith('stowage.specification='));
    expect(without(podmanRunArguments(one, plain))).toEqual(
      without(podmanRunArguments(two, plain)),
    );
  });

  it('lets a service have its own values for what keeps servers offline', () => {
    const env = valuesOf(
      podmanRunArguments(service({ env: { DO_NOT_TRACK: '' } }), plain),
      '--env',
    );
    expect(env).toContain('DO_NOT_TRACK=');
    expect(env).not.toContain('DO_NOT_TRACK=1');
    expect(env).toContain('HF_HUB_OFFLINE=1');
  });

  it('leaves restarts to systemd where a unit runs it', () => {
    const args = podmanRunArguments(service(), { ...plain, supervisor: 'systemd' });
    expect(args).not.toContain('--restart');
    expect(valuesOf(args, '--sdnotify')).toEqual(['conmon']);
    expect(valuesOf(args, '--cgroups')).toEqual(['no-conmon']);
  });

  it('gives mounts the shared label where the host has SELinux', () => {
    const mounts = [{ source: '/store', path: '/models' }];
    const args = podmanRunArguments(service({ mounts }), { ...plain, selinux: true });
    expect(valuesOf(args, '--volume')).toEqual(['/store:/models:ro,z']);
  });

  it('publishes nothing without a bridge', () => {
    const ports = [{ name: 'http', address: '127.0.0.1', host: 1, container: 2 }];
    for (const network of ['host', 'none'] as const)
      expect(podmanRunArguments(service({ ports, network }), plain)).not.toContain('--publish');
  });

  it.each(['/store:rw', '/a\n/b'])('refuses to mount %j', async (source) => {
    const mounts = [{ source, path: '/models' }];
    await expectCode(() => podmanRunArguments(service({ mounts }), plain), 'path-unsafe');
  });
});

describe('when two services are compared', () => {
  it('changes with every difference, except the order of members', () => {
    const reordered = Object.fromEntries(Object.entries(service()).reverse());
    expect(specificationOf(reordered as never)).toBe(specificationOf(service()));
    expect(specificationOf(service({ args: ['x'] }))).not.toBe(specificationOf(service()));
    expect(specificationOf(service())).toMatch(/^[0-9a-f]{64}$/);
  });
});
