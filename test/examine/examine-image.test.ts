import { describe, expect, it } from 'vitest';
import type { Digest } from '../../src/core/digest.ts';
import {
  derivedVariables,
  type ExaminedImage,
  examineImage,
} from '../../src/examine/examine-image.ts';
import { type Service, service } from '../../src/format/service.ts';
import { expectCode } from '../support/error.ts';

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
const layer = { digest: `sha256:${'a'.repeat(64)}` as Digest, size: 3, mediaType: GZIP };

function image(
  layers: number,
  config: object = {},
  more: Partial<ExaminedImage> = {},
): ExaminedImage {
  return {
    name: 'server',
    repository: 'r.io/server',
    platform: 'linux/amd64',
    assumed: false,
    layers: Array(layers).fill(layer),
    config: { rootfs: { diff_ids: Array(layers).fill('sha256:x') }, config },
    services: [],
    ...more,
  };
}

const rules = (examined: ExaminedImage): string[] => examineImage(examined).map(({ rule }) => rule);

describe('when an image is examined', () => {
  it.each([
    [1, []],
    [125, []],
    [126, ['image-layers']],
    [500, ['image-layers']],
  ])('with %i layers, finds %j', (layers, found) => {
    expect(rules(image(layers))).toEqual(found);
  });

  it.each([
    ['more layers than the kernel stacks', image(501)],
    ['a config that lists fewer layers', { ...image(2), layers: [layer, layer, layer] }],
    ['a config without layers', { ...image(1), config: { os: 'linux' } }],
    ['a config that is none', { ...image(1), config: undefined }],
  ])('refuses %s', async (_, examined) => {
    await expectCode(() => examineImage(examined), 'source-unsupported');
  });

  it.each([
    ['application/vnd.oci.image.layer.v1.tar+zstd', ['image-zstd']],
    ['application/vnd.docker.image.rootfs.diff.tar.zstd', ['image-zstd']],
    [GZIP, []],
  ])('with layers of %s, finds %j', (mediaType, found) => {
    expect(rules({ ...image(1), layers: [{ ...layer, mediaType }] })).toEqual(found);
  });

  it('tells that the platform was assumed', () => {
    expect(rules(image(1, {}, { assumed: true }))).toEqual(['image-platform']);
  });
});

describe('when a Python server runs an image', () => {
  const python = { Env: ['PYTHON_VERSION=3.12'] };
  const settled = (config: object, wanted: object = {}): string[] => {
    const one: Service = service.parse({ name: 'llm', image: 'server', ...wanted });
    const examined = image(1, config, { services: [one] });
    return [
      ...examineImage(examined).map(({ offer }) => `offers ${offer?.split('\n')[2]?.trim()}`),
      ...derivedVariables(examined).map(({ field, value }) => `${field} ${value}`),
    ];
  };

  it.each<[string, object, object, string[]]>([
    ['neither home nor user', python, {}, ['env.HOME /tmp', 'env.USER stowage']],
    ['both in the manifest', python, { env: { HOME: '/tmp', USER: 'x' } }, []],
    ['both in the image', { Env: ['PYTHON_VERSION=3', 'HOME=/tmp/x', 'LOGNAME=y'] }, {}, []],
    ['the user of the image by number', { ...python, User: '10001' }, {}, ['env.HOME /tmp']],
    [
      'a home in memory',
      { ...python, User: '10001:10001' },
      { env: { HOME: '/cache/a' }, mounts: [{ memory: '1GiB', path: '/cache' }] },
      [],
    ],
    [
      'a home beside memory',
      { ...python, User: '10001' },
      { env: { HOME: '/cached' }, mounts: [{ memory: '1GiB', path: '/cache' }] },
      ['offers env: { HOME: /tmp }'],
    ],
    [
      'a home in a volume of the image',
      { ...python, User: '10001', Volumes: { '/data': {} } },
      { env: { HOME: '/data' } },
      [],
    ],
    ['the user of the image, on a read-only root', python, { user: 'image' }, ['env.HOME /tmp']],
    [
      'root on a writable root',
      { Env: ['PYTHON_VERSION=3', 'HOME=/root'] },
      { user: 'image', readOnlyRoot: false },
      [],
    ],
    ['a server that is not Python', {}, { entrypoint: '/app/llama-server' }, []],
    [
      'python by its entrypoint',
      { Entrypoint: ['python3'] },
      {},
      ['env.HOME /tmp', 'env.USER stowage'],
    ],
  ])('with %s, derives what is open and offers what is wrong', (_, config, wanted, found) => {
    expect(settled(config, wanted)).toEqual(found);
  });
});
