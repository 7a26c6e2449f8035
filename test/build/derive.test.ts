import { describe, expect, it } from 'vitest';
import { deriveOffline, deriveStartup, portDoubts } from '../../src/build/derive.ts';
import { GIB } from '../../src/core/limits.ts';
import { type DerivedSetting, withDerived } from '../../src/format/derived.ts';
import type { LockedModel } from '../../src/format/locked-content.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { type Service, service } from '../../src/format/service.ts';
import { readYaml } from '../../src/format/yaml-document.ts';

const serving = (server: string, more: object = {}): Service =>
  service.parse({
    name: 'llm',
    image: 'server',
    ports: [{ name: 'http', container: 8000, host: 8000 }],
    health: { server, port: 'http' },
    ...more,
  });

describe('when a manifest does not say how much shared memory a server has', () => {
  it.each<[string, string, object, number | undefined]>([
    ['vLLM', 'vllm', {}, 1],
    ['SGLang', 'sglang', {}, 1],
    ['llama-server', 'llama.cpp', {}, undefined],
    ['vLLM over two GPUs', 'vllm', { args: ['serve', '/m', '--tensor-parallel-size', '2'] }, 2],
    ['vLLM with =', 'vllm', { args: ['--tensor-parallel-size=4'] }, 4],
    ['vLLM in short', 'vllm', { args: ['-tp', '8'] }, 8],
    ['SGLang over two GPUs', 'sglang', { args: ['--tp', '2'] }, 2],
    ['as many as the site says', 'vllm', { args: ['-tp', '${parameters.tp}'], gpus: 4 }, 4],
    ['all GPUs', 'vllm', { gpus: 'all' }, 1],
    ['an absurd number', 'vllm', { args: ['-tp', '100000'] }, 64],
    ['none', 'vllm', { args: ['-tp', '0'] }, 1],
    ['what the manifest says', 'vllm', { sharedMemory: '64MiB' }, undefined],
    ['that of the host', 'vllm', { ipc: 'host' }, undefined],
    ['a mount', 'vllm', { mounts: [{ memory: '2GiB', path: '/dev/shm' }] }, undefined],
  ])('gives %s its share', (_, server, more, gibibytes) => {
    const services = [serving(server, more)];
    const derived = deriveOffline({ services });
    expect(derived.map(({ field, value }) => [field, value])).toEqual(
      gibibytes === undefined ? [] : [['sharedMemory', gibibytes * GIB]],
    );
    const [settled] = withDerived(services, derived);
    expect(settled?.sharedMemory).toBe(
      gibibytes === undefined ? services[0]?.sharedMemory : gibibytes * GIB,
    );
  });
});

describe('when a manifest does not say how long a server loads', () => {
  const models = (size: number): Pick<LockedModel, 'name' | 'files'>[] => [
    { name: 'base', files: [{ path: 'a', size }] as unknown as LockedModel['files'] },
    { name: 'other', files: [{ path: 'b', size: 1e12 }] as unknown as LockedModel['files'] },
  ];
  const services = [serving('vllm', { mounts: [{ model: 'base', path: '/m' }] })];
  const unstated = new Set(['llm']);

  it.each([
    [30_000_000_000, undefined],
    [30_000_000_001, 601],
    [65_000_000_000, 1300],
    [1e15, 86_400],
  ])('with %i bytes of models, allows %s s', (size, seconds) => {
    const derived = deriveStartup({ services }, models(size), unstated);
    expect(derived.map(({ value }) => value)).toEqual(seconds === undefined ? [] : [seconds]);
    const [settled] = withDerived(services, derived);
    expect(settled?.health?.startupSeconds).toBe(seconds ?? 600);
  });

  it('leaves what the manifest states', () => {
    expect(deriveStartup({ services }, models(1e12), new Set())).toEqual([]);
  });
});

describe('when derived settings are applied', () => {
  it('never replaces a variable of the manifest, or a setting of another service', () => {
    const services = [serving('vllm', { env: { HOME: '/home' } })];
    const setting: DerivedSetting = {
      ...{ service: 'llm', field: 'env.HOME', value: '/tmp', reason: '-' },
    };
    expect(withDerived(services, [setting])).toEqual(services);
    expect(withDerived(services, [{ ...setting, field: 'env.USER', service: 'x' }])).toEqual(
      services,
    );
  });
});

function doubts(args: readonly string[], ports: readonly object[], server = 'vllm'): string[] {
  const health = ports.length === 0 ? {} : { health: { server, port: 'http', path: '/' } };
  const manifest = {
    ...{ apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0' },
    images: [{ name: 'server', source: 'r.example/server:1' }],
    services: [{ name: 'llm', image: 'server', args, ports, ...health }],
  };
  if (server !== 'http')
    delete (manifest.services[0] as { health?: { path?: string } }).health?.path;
  return portDoubts(readYaml(manifestKind, Buffer.from(JSON.stringify(manifest))));
}

const http = (container: number): object => ({ name: 'http', container, host: 8000 });

describe('when the arguments of a service name a port', () => {
  it.each<[readonly string[], readonly object[]]>([
    [['serve', '--port', '8000'], [http(8000)]],
    [['serve', '--port=8000'], [http(8000)]],
    [
      ['serve', '--port', '8000'],
      [http(9000), { name: 'other', container: 8000, host: 8001 }],
    ],
    [['serve', '--port', '8000'], []],
    [['serve', '--port', '0'], [http(8000)]],
    [['serve', '--port', '1', '--port', '8000'], [http(8000)]],
    [['serve', '--upstream=--port', '9'], [http(8000)]],
    [['serve', '--portable', '7'], [http(8000)]],
    [['serve', '--port'], [http(8000)]],
    [['serve'], [http(8000)]],
  ])('accepts %j with %j', (args, ports) => {
    expect(doubts(args, ports)).toEqual([]);
  });

  it('accepts any of a program that is no known server: it may be that of another service', () => {
    expect(doubts(['--host', 'llm', '--port', '8000'], [http(8001)], 'http')).toEqual([]);
  });

  it.each<[readonly string[]]>([
    [['serve', '--port', '8000']],
    [['serve', '--port=8000']],
    [['serve', '--port=8001', '--port', '8000']],
  ])('doubts %j where the manifest says another', (args) => {
    expect(doubts(args, [http(8001)])).toEqual([
      'service llm: its arguments say --port 8000, and its ports in the container are 8001 (http)',
    ]);
  });
});
