import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fieldsOf } from '../../../src/core/json.ts';
import type { KubernetesSite } from '../../../src/format/kubernetes-site.ts';
import { siteKind } from '../../../src/format/site.ts';
import { readYaml } from '../../../src/format/yaml-document.ts';
import { REGISTRY_SECRET } from '../../../src/target/kubernetes/render.ts';
import { worked, workload } from './rendered.ts';

const manifests = new URL('../../../manifests/', import.meta.url);
const page = readFileSync(new URL('KUBERNETES.md', manifests), 'utf8');

const sites: readonly [string, Partial<KubernetesSite>][] = [
  ['rke2', { runtimeClass: 'nvidia', weights: 'auto' }],
  ['k3s', { weights: 'local', switch: 'stop-first' }],
  ['openshift', { user: 'namespace', namespace: 'models' }],
  ['kubeadm', { service: 'NodePort', priorityClass: 'production' }],
];

describe.each(sites)('when a site is made of site-%s.example.yaml', (name, fields) => {
  const file = `site-${name}.example.yaml`;
  const site = readYaml(siteKind, readFileSync(new URL(file, manifests)));
  const own = site.kubernetes?.images.credentials === undefined ? [] : [REGISTRY_SECRET];
  const secrets = new Map(
    ['api-key', ...own].map((each) => [each, `stowage-gpt-oss-${each}-0123456789ab`]),
  );
  const rendered = workload(worked('gpt-oss-llamacpp.yaml'), site, { secretNames: secrets });

  it('is valid, and is what the page calls it', () => {
    expect(site.kubernetes).toMatchObject(fields);
    expect(page).toContain(`[${file}](${file})`);
    for (const field of Object.keys(fields)) expect(page).toContain(`\`${field}`);
  });

  // The API server is asked about these objects in test/e2e/kubernetes.test.ts.
  it('gives the objects that it always gave', async () => {
    await expect(`${JSON.stringify(rendered, null, 2)}\n`).toMatchFileSnapshot(
      `golden/site-${name}.json`,
    );
  });

  it('has pods whose user its cluster accepts', () => {
    for (const { deployment } of rendered.services) {
      const pod = fieldsOf(fieldsOf(fieldsOf(deployment['spec'])['template'])['spec']);
      const assigned = fieldsOf(pod['securityContext'])['runAsUser'];
      expect(assigned === undefined).toBe(fields.user === 'namespace');
    }
  });
});
