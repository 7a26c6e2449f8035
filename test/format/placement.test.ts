import { describe, expect, it } from 'vitest';
import { bundleKind } from '../../src/format/bundle.ts';
import {
  checkDocument,
  type DocumentKind,
  readCanonical,
  readJson,
  writeCanonical,
  writeJson,
} from '../../src/format/document.ts';
import { lockKind, sealLock } from '../../src/format/lock.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { fillNodes, programsOf } from '../../src/format/placement.ts';
import { expectCode } from '../support/error.ts';
import { bend } from './bend.ts';
import * as sample from './samples.ts';

const worker = { args: ['--node-rank', '${nodes.rank}', '--master-addr', '${nodes.leader}'] };
const nodes = { count: 2, ports: [29_500], worker };

function manifest(fields: object): object {
  const [first] = (sample.manifest() as { services: object[] }).services;
  return bend(sample.manifest(), 'services.0', { ...first, ...fields });
}

describe('when a service spans several nodes', () => {
  it.each([
    { nodes },
    { nodes: { ...nodes, count: 256 } },
    { nodes, replicas: 1, network: 'bridge', args: ['--nnodes', '${nodes.count}'] },
    {
      nodes: {
        ...nodes,
        worker: { entrypoint: '/bin/sh', args: [], env: { RANK: '${nodes.rank}' } },
      },
    },
  ])('accepts %j', (fields) => {
    const { services } = checkDocument(manifestKind, manifest(fields));
    expect(services[0]).toMatchObject(fields);
  });

  it.each([
    [{ nodes: { ...nodes, count: 1 } }, 'nodes.count'],
    [{ nodes: { ...nodes, count: 257 } }, 'nodes.count'],
    [{ nodes: { ...nodes, count: 2.5 } }, 'nodes.count'],
    [{ nodes: { count: 2, worker } }, 'nodes.ports'],
    [{ nodes: { ...nodes, ports: [] } }, 'nodes.ports'],
    [{ nodes: { ...nodes, ports: [65_536] } }, 'nodes.ports[0]'],
    [{ nodes: { ...nodes, ports: [1, 1] } }, 'nodes.ports'],
    [{ nodes: { count: 2, ports: [1] } }, 'nodes.worker'],
    [{ nodes: { ...nodes, worker: {} } }, 'nodes.worker.args'],
    [{ nodes: { ...nodes, worker: { ...worker, image: 'other' } } }, 'nodes.worker.image'],
    [{ nodes, replicas: 2 }, 'replicas'],
    [{ nodes, network: 'none', ports: [] }, 'network'],
    [{ nodes, network: 'host' }, 'network'],
    [{ nodes, args: ['${nodes.size}'] }, 'args[0]'],
    [{ nodes, env: { A: '${nodes.}' } }, 'env.A'],
    [{ nodes: { ...nodes, worker: { args: ['x', '${nodes.address}'] } } }, 'nodes.worker.args[1]'],
    [{ nodes: { ...nodes, worker: { args: ['${parameters.none}'] } } }, 'nodes.worker.args[0]'],
    [
      { nodes: { ...nodes, worker: { args: [], env: { A: '${parameters.none}' } } } },
      'nodes.worker.env.A',
    ],
  ])('refuses %j at %s', async (fields, path) => {
    const error = await expectCode(
      () => checkDocument(manifestKind, manifest(fields)),
      'manifest-invalid',
    );
    expect(error.defects.join('\n')).toContain(`services[0].${path}`);
  });

  it('leaves the text of a service on one node alone', () => {
    const { services } = checkDocument(manifestKind, manifest({ args: ['${nodes.other}'] }));
    expect(services[0]?.args).toEqual(['${nodes.other}']);
  });

  it('has workers with variables of their own, and its entrypoint unless they have one', () => {
    const service = { entrypoint: '/server', args: ['a'], env: { A: '1', B: '1' } };
    const own = { ...nodes, worker: { args: ['b'], env: { B: '2', C: '2' } } };
    const [leader, other] = programsOf({ ...service, nodes: own });
    expect(leader).toMatchObject(service);
    expect(other).toMatchObject({
      ...{ entrypoint: '/server', args: ['b'], env: { A: '1', B: '2', C: '2' } },
    });
    expect(programsOf(service)).toEqual([service]);
  });

  it('replaces placeholders, and nothing that a value of the site spells like one', () => {
    const values = { count: '2', rank: '$(RANK)', leader: 'server' };
    const other = (text: string): string => text.replace('${parameters.a}', '${nodes.rank}');
    expect(
      fillNodes('${nodes.leader}:1 ${parameters.a} ${nodes.count}${nodes.rank}', values, other),
    ).toBe('server:1 ${nodes.rank} 2$(RANK)');
  });
});

const FIELDS: readonly [string, unknown][] = [
  ['replicas', 1],
  ['requests', { cpus: 0.5 }],
  ['nodes', { count: 2, ports: [29_500], worker: { args: ['worker'] } }],
];

/** The kind as a program had it that knows version 1 alone. */
function firstVersion<T>({ span: _, older: __, ...kind }: DocumentKind<T>): DocumentKind<T> {
  return kind;
}

describe('when a service has a field for clusters', () => {
  const manifest = (fields: object): object => {
    const [first] = (sample.manifest() as { services: object[] }).services;
    return bend(sample.manifest(), 'services.0', { ...first, ...fields });
  };

  it.each([
    { replicas: 1 },
    { replicas: 1000, disruption: 999 },
    { replicas: 2, disruption: 1, spread: ['kubernetes.io/hostname', 'rack'] },
    { requests: { cpus: 0.01 } },
  ])('accepts %j', (fields) => {
    const { services } = checkDocument(manifestKind, manifest(fields));
    expect(services[0]).toMatchObject(fields);
  });

  it.each([
    [{ replicas: 0 }, 'replicas'],
    [{ replicas: 1001 }, 'replicas'],
    [{ replicas: 1.5 }, 'replicas'],
    [{ disruption: 1 }, 'disruption'],
    [{ replicas: 1, disruption: 1 }, 'disruption'],
    [{ replicas: 3, disruption: 3 }, 'disruption'],
    [{ replicas: 3, disruption: 0 }, 'disruption'],
    [{ spread: ['kubernetes.io/hostname'] }, 'spread'],
    [{ replicas: 2, spread: [] }, 'spread'],
    [{ replicas: 2, spread: ['a b'] }, 'spread[0]'],
    [{ replicas: 2, spread: ['rack', 'rack'] }, 'spread'],
    [{ memory: 1024, requests: { memory: 512 } }, 'requests.memory'],
    [{ cpus: 1, requests: { cpus: 2 } }, 'requests.cpus'],
    [{ requests: { gpus: 1 } }, 'requests.gpus'],
  ])('refuses %j at %s', async (fields, path) => {
    const error = await expectCode(
      () => checkDocument(manifestKind, manifest(fields)),
      'manifest-invalid',
    );
    expect(error.defects.join('\n')).toContain(`services[0].${path}`);
  });

  describe.each(FIELDS)('such as %s', (field, value) => {
    const bundle = bend(sample.bundle(), `services.0.${field}`, value);

    it('is in a bundle and a lock of version 2, which older programs refuse as newer', async () => {
      const newer = bend(bundle, 'schema', 'stowage/bundle/v2');
      const bytes = writeCanonical(bundleKind, checkDocument(bundleKind, newer));
      expect(readCanonical(bundleKind, bytes).services[0]).toHaveProperty(field);
      const {
        schema: _,
        digest: __,
        ...rest
      } = readJson(lockKind, Buffer.from(JSON.stringify(sample.lock())));
      const manifest = bend(rest.manifest, `services.0.${field}`, value) as typeof rest.manifest;
      const text = writeJson(lockKind, sealLock({ ...rest, manifest }));
      expect(readJson(lockKind, text).manifest.services[0]).toHaveProperty(field);
      const error = await expectCode(
        () => readCanonical(firstVersion(bundleKind), bytes),
        'format-newer',
      );
      expect(error.hint).toContain('installer in that bundle');
      await expectCode(() => readJson(firstVersion(lockKind), text), 'format-newer');
    });

    it('is in no bundle of version 1', async () => {
      await expectCode(() => checkDocument(bundleKind, bundle), 'index-malformed');
    });
  });

  it('leaves version 1 to bundles without such fields', () => {
    const one = checkDocument(bundleKind, sample.bundle());
    expect(one.schema).toBe('stowage/bundle/v1');
  });
});
