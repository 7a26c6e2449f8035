import { describe, expect, it } from 'vitest';
import { fieldsOf } from '../../../../src/core/json.ts';
import { renderKubernetes } from '../../../../src/target/kubernetes/render.ts';
import { bundleFrom, clusterSite, inputOf, twoServices } from '../rendered.ts';

const seal = { address: '10.1.0.9', namespace: 'stowage-rehearsal-0a1b2c3d-sink' };
const opened = twoServices.replace(
  '    mounts: [{ model: tiny, path: /models/tiny }]\n',
  '    mounts: [{ model: tiny, path: /models/tiny }]\n    egress: [{ to: 10.20.0.0/16, ports: [443], reason: r }]\n',
);

describe('when the pods of a rehearsal are sealed', () => {
  const input = inputOf(bundleFrom(opened), clusterSite({ clients: ['default'] }));
  const policies = (sealed?: typeof seal) =>
    renderKubernetes(input, sealed).objects.filter(({ kind }) => kind === 'NetworkPolicy');

  it('asks the sink for every name', () => {
    for (const { deployment } of renderKubernetes(input, seal).services) {
      const { template } = fieldsOf(deployment['spec']);
      expect(fieldsOf(template)['spec']).toMatchObject({
        dnsPolicy: 'None',
        dnsConfig: { nameservers: [seal.address] },
      });
    }
  });

  it('lets them reach each other and the sink, and opens neither egress nor ports for clients', () => {
    expect(policies().map(({ metadata }) => metadata.name.replace(/-[0-9a-f]{8}$/, ''))).toEqual(
      expect.arrayContaining(['isolated', 'egress-back']),
    );
    const sealed = policies(seal);
    expect(sealed.map(({ metadata }) => metadata.name.replace(/-[0-9a-f]{8}$/, ''))).toEqual([
      'isolated',
      'sink',
    ]);
    expect(JSON.stringify(sealed)).not.toContain('10.20.0.0');
    expect(JSON.stringify(sealed[1])).toContain(seal.namespace);
  });
});
