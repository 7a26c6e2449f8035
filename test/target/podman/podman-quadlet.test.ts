import { describe, expect, it } from 'vitest';
import { podmanQuadlet } from '../../../src/target/podman/podman-quadlet.ts';
import { expectCode } from '../../support/error.ts';
import { service, services } from '../container/services.ts';

const options = {
  podman: '/usr/bin/podman',
  wantedBy: 'multi-user.target',
  selinux: false,
  environment: {},
} as const;

/** The keys of podman 4.4, the first with Quadlet (podman-systemd.unit(5)), and systemd's that are used. */
const KEYS = {
  Unit: ['Description', 'Wants', 'After', 'RequiresMountsFor'],
  Container: [
    ...['AddCapability', 'AddDevice', 'ContainerName', 'DropCapability', 'Environment', 'Exec'],
    ...['Image', 'Label', 'Network', 'NoNewPrivileges', 'PodmanArgs', 'PublishPort', 'ReadOnly'],
    'Volume',
  ],
  Service: ['Environment', 'Restart', 'RestartSec', 'TimeoutStartSec', 'TimeoutStopSec'],
  Install: ['WantedBy'],
};

describe('when a service is rendered as a Quadlet file', () => {
  it.each(Object.entries(services))('gives the text of golden/%s.container', async (name, each) => {
    await expect(podmanQuadlet(each, options)).toMatchFileSnapshot(`golden/${name}.container`);
  });

  it.each(Object.entries(services))('uses keys that every Quadlet knows: %s', (_, each) => {
    const text = podmanQuadlet(each, { ...options, environment: { CONTAINERS_CONF: '/c' } });
    for (const part of text.split(/^\[/m).slice(1)) {
      const [section = '', ...lines] = part.trim().split('\n');
      const known = KEYS[section.replace(']', '') as keyof typeof KEYS];
      for (const line of lines) expect(known).toContain(line.split('=')[0]);
    }
  });

  it('labels mounts on hosts with SELinux', () => {
    const mounts = [{ source: '/store', path: '/models' }];
    const text = podmanQuadlet(service({ mounts }), { ...options, selinux: true });
    expect(text).toContain('\nVolume=/store:/models:ro,z\n');
  });

  it('leaves a mount unquoted, as Quadlet reads it, with nothing that systemd expands', () => {
    const mounts = [{ source: '/my store/100%/$HOME', path: '/models' }];
    expect(podmanQuadlet(service({ mounts }), options)).toContain(
      '\nVolume=/my store/100%%/$$HOME:/models:ro\n',
    );
  });

  it('escapes arguments and variables for a command line', () => {
    const each = service({ args: ['a b', '$HOME', '100%', ''], env: { X: 'it is $5' } });
    const text = podmanQuadlet(each, options);
    expect(text).toContain('\nExec="a b" "$$HOME" "100%%" ""\n');
    expect(text).toContain('\nEnvironment="X=it is $$5"\n');
  });

  it('names secrets and holds none', () => {
    const secrets = [{ name: 'stowage-chat-token-1', path: '/run/secrets/token' }];
    const own = podmanQuadlet(service({ secrets, user: '7:8' }), options);
    expect(own).toContain(
      'PodmanArgs=--secret stowage-chat-token-1,type=mount,target=/run/secrets/token,uid=7,gid=8,mode=0400',
    );
    const images = podmanQuadlet(service({ secrets }), options);
    expect(images).toContain('target=/run/secrets/token,mode=0444');
  });

  it('refuses what systemd cannot carry', async () => {
    await expectCode(() => podmanQuadlet(service({ args: ['a\0b'] }), options), 'manifest-invalid');
  });
});
