import { describe, expect, it } from 'vitest';
import { bundleKind } from '../../src/format/bundle.ts';
import { checkDocument, readJson } from '../../src/format/document.ts';
import { ulimitValues } from '../../src/format/isolation.ts';
import { lockKind, sealLock } from '../../src/format/lock.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { expectCode } from '../support/error.ts';
import { bend } from './bend.ts';
import * as sample from './samples.ts';

const manifest = (fields: object): object => {
  const [first] = (sample.manifest() as { services: object[] }).services;
  return bend(sample.manifest(), 'services.0', { ...first, ...fields });
};

describe('when a service has limits of processes, or shares memory with its host', () => {
  it.each<[object, [string, number][]]>([
    [{ ulimits: { memlock: 'unlimited' } }, [['memlock', -1]]],
    [
      { ulimits: { stack: '64MiB', nofile: 65_536, memlock: 1024 }, ipc: 'host' },
      [
        ['memlock', 1024],
        ['nofile', 65_536],
        ['stack', 67_108_864],
      ],
    ],
    [{ ipc: 'private' }, []],
  ])('accepts %j', (fields, values) => {
    const [first] = checkDocument(manifestKind, manifest(fields)).services;
    expect(ulimitValues(first ?? {})).toEqual(values);
  });

  it.each<[object, string]>([
    [{ ulimits: {} }, 'ulimits'],
    [{ ulimits: { nofile: 'unlimited' } }, 'ulimits.nofile'],
    [{ ulimits: { nofile: 15 } }, 'ulimits.nofile'],
    [{ ulimits: { nproc: 1 } }, 'ulimits.nproc'],
    [{ ulimits: { memlock: -1 } }, 'ulimits.memlock'],
    [{ ipc: 'container:other' }, 'ipc'],
    [{ ipc: 'host', sharedMemory: '1GiB' }, 'sharedMemory'],
  ])('refuses %j at %s', async (fields, path) => {
    const { defects } = await expectCode(
      () => checkDocument(manifestKind, manifest(fields)),
      'manifest-invalid',
    );
    expect(defects.join('\n')).toContain(`services[0].${path}: `);
  });

  it('is a bundle and a lock of version 3', async () => {
    const [first] = (sample.bundle() as unknown as { services: object[] }).services;
    const bundle = bend(sample.bundle(), 'services.0', { ...first, ipc: 'host' });
    await expectCode(() => checkDocument(bundleKind, bundle), 'index-malformed');
    const newer = checkDocument(bundleKind, bend(bundle, 'schema', 'stowage/bundle/v3'));
    expect(newer.services[0]?.ipc).toBe('host');
  });
});

describe('when a service opens connections', () => {
  const place = { to: '10.20.0.5', ports: [5432], reason: 'the index' };

  it.each(['10.20.0.5', '0.0.0.0/0', '10.20.0.0/16', 'fd00::5', 'fd00::/8', '${parameters.port}'])(
    'accepts %s',
    (to) => {
      const [first] = checkDocument(
        manifestKind,
        manifest({ egress: [{ ...place, to }] }),
      ).services;
      expect(first?.egress).toEqual([{ ...place, to, protocol: 'tcp' }]);
    },
  );

  it.each<[object, string]>([
    [{ egress: [] }, 'egress'],
    ...[
      'database',
      'db.site',
      '10.20.0',
      '10.20.0.5:80',
      '10.0.0.0/33',
      '10.0.0.0/08',
      'fd00::/129',
    ]
      .concat('fe80::1%eth0', '${parameters.port}/16', '')
      .map((to): [object, string] => [{ egress: [{ ...place, to }] }, 'egress[0].to']),
    [{ egress: [{ ...place, ports: [] }] }, 'egress[0].ports'],
    [{ egress: [{ ...place, ports: [0] }] }, 'egress[0].ports[0]'],
    [{ egress: [{ ...place, protocol: 'icmp' }] }, 'egress[0].protocol'],
    [{ egress: [{ ...place, reason: ' ' }] }, 'egress[0].reason'],
    [{ egress: [{ to: place.to, ports: [1] }] }, 'egress[0].reason'],
    [{ egress: [{ ...place, to: '${parameters.unknown}' }] }, 'egress[0].to'],
    [{ egress: [place], network: 'host', ports: [], health: undefined }, 'egress'],
  ])('refuses %j at %s', async (fields, path) => {
    const { defects } = await expectCode(
      () => checkDocument(manifestKind, manifest(fields)),
      'manifest-invalid',
    );
    expect(defects.join('\n')).toContain(`services[0].${path}: `);
  });
});

describe('when a lock has derived settings', () => {
  it('is a lock of version 3', () => {
    const {
      schema: _,
      digest: __,
      ...rest
    } = readJson(lockKind, Buffer.from(JSON.stringify(sample.lock())));
    const derived = [
      { service: 'api', field: 'sharedMemory', value: 1024, reason: 'a test' },
    ] as const;
    const sealed = sealLock({ ...rest, derived });
    expect(sealed.schema).toBe('stowage/lock/v3');
    expect(readJson(lockKind, Buffer.from(JSON.stringify(sealed))).derived).toEqual(derived);
  });
});
