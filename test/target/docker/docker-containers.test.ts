import { describe, expect, it } from 'vitest';
import { digestHex } from '../../../src/core/digest.ts';
import { dockerCreateArguments } from '../../../src/target/docker/docker-containers.ts';
import { expectCode } from '../../support/error.ts';
import { service, services } from '../container/services.ts';

const plain = {
  image: digestHex(service().image.config),
  volumes: [],
  imageUser: '',
  secretFolder: '/site/secrets',
  selinux: false,
  gpus: 'runtime',
} as const;

/** The values that follow each occurrence of an option. */
function valuesOf(args: readonly string[], option: string): string[] {
  return args.flatMap((each, index) => (each === option ? [args[index + 1] ?? ''] : []));
}

describe('when a service is rendered for docker', () => {
  it.each(Object.entries(services))(
    'gives the arguments of golden/%s.docker',
    async (name, each) => {
      const args = dockerCreateArguments(each, plain);
      const text = `${args.map((arg) => JSON.stringify(arg)).join('\n')}\n`;
      await expect(text).toMatchFileSnapshot(`golden/${name}.docker`);
    },
  );

  it('makes memory of the volumes of the image, for the user who writes there', () => {
    const options = { ...plain, volumes: ['/data'], imageUser: '33' };
    const own = dockerCreateArguments(service({ user: '7:8', readOnlyRoot: false }), options);
    expect(valuesOf(own, '--tmpfs')).toEqual(['/data:rw,exec,nosuid,nodev,mode=1777,uid=7,gid=8']);
    const images = dockerCreateArguments(service({ readOnlyRoot: false }), options);
    expect(valuesOf(images, '--tmpfs')[0]).toMatch(/,uid=33,gid=0$/);
    const named = { ...options, imageUser: 'www-data' };
    const unknown = dockerCreateArguments(service({ readOnlyRoot: false }), named);
    expect(valuesOf(unknown, '--tmpfs')[0]).toMatch(/,mode=1777$/);
  });

  it('requests GPUs in the form that this docker supports', () => {
    const two = service({ gpus: 2 });
    expect(valuesOf(dockerCreateArguments(two, plain), '--gpus')).toEqual(['"device=0,1"']);
    const all = dockerCreateArguments(service({ gpus: 'all' }), plain);
    expect(valuesOf(all, '--gpus')).toEqual(['all']);
    const cdi = dockerCreateArguments(two, { ...plain, gpus: 'cdi' });
    expect(valuesOf(cdi, '--device')).toEqual(['nvidia.com/gpu=0', 'nvidia.com/gpu=1']);
  });

  it('gives mounts and secrets the shared label where the host has SELinux', () => {
    const mounts = [{ source: '/store', path: '/models' }];
    const secrets = [{ name: 'token', path: '/run/secrets/token' }];
    const args = dockerCreateArguments(service({ mounts, secrets }), { ...plain, selinux: true });
    expect(valuesOf(args, '--volume')).toEqual([
      '/store:/models:ro,z',
      '/site/secrets/token:/run/secrets/token:ro,z',
    ]);
    expect(args).not.toContain('--mount');
  });

  it('quotes a source for the list that it stands in', () => {
    const mounts = [{ source: '/my "store", 2', path: '/models' }];
    const args = dockerCreateArguments(service({ mounts }), plain);
    expect(valuesOf(args, '--mount')).toEqual([
      'type=bind,"source=/my ""store"", 2",target=/models,readonly',
    ]);
  });

  it('keeps the proxies of the client from a service, unless it has its own', () => {
    const args = dockerCreateArguments(service({ env: { HTTPS_PROXY: 'http://p' } }), plain);
    const env = valuesOf(args, '--env');
    expect(env).toContain('HTTP_PROXY=');
    expect(env).toContain('HTTPS_PROXY=http://p');
    expect(env).not.toContain('HTTPS_PROXY=');
  });

  it('publishes nothing without a bridge', () => {
    const ports = [{ name: 'http', address: '127.0.0.1', host: 1, container: 2 }];
    for (const network of ['host', 'none'] as const)
      expect(dockerCreateArguments(service({ ports, network }), plain)).not.toContain('--publish');
  });

  it.each(['/store:rw', '/a\n/b'])('refuses to mount %j', async (source) => {
    const mounts = [{ source, path: '/models' }];
    await expectCode(() => dockerCreateArguments(service({ mounts }), plain), 'path-unsafe');
  });
});
