import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldsOf, listOf } from '../../../src/core/json.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../../src/format/kubernetes.ts';
import { applySetId, objectName } from '../../../src/target/kubernetes/labels.ts';
import { expectCode } from '../../support/error.ts';
import { bundleFrom, clusterSite, twoServices, worked, workload } from './rendered.ts';

const names = ['demo', 'nemotron-vllm', 'gpt-oss-llamacpp', 'nim-local-model'] as const;

function podOf({ spec }: KubernetesObject): ReturnType<typeof fieldsOf> {
  return fieldsOf(fieldsOf(fieldsOf(spec)['template'])['spec']);
}

function containerOf(object: KubernetesObject): ReturnType<typeof fieldsOf> {
  return listOf(podOf(object)['containers'])[0] ?? {};
}

function objectsOf({ objects, services }: KubernetesWorkload): KubernetesObject[] {
  return [
    ...objects,
    ...services.flatMap((each) => [each.deployment, ...(each.service ? [each.service] : [])]),
  ];
}

describe.each(names)('when manifests/%s.yaml is rendered for a cluster', (name) => {
  const rendered = workload(worked(`${name}.yaml`), clusterSite({ clients: ['apps'] }));

  it('gives the objects that it always gave', async () => {
    await expect(`${JSON.stringify(rendered, null, 2)}\n`).toMatchFileSnapshot(
      `golden/${name}.json`,
    );
  });

  // https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
  it('gives pods that PodSecurity restricted admits', () => {
    for (const { deployment } of rendered.services) {
      const pod = podOf(deployment);
      expect(pod['securityContext']).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
      for (const one of listOf(pod['containers']))
        expect(one['securityContext']).toMatchObject({
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
        });
      for (const volume of listOf(pod['volumes'])) expect(volume).not.toHaveProperty('hostPath');
    }
  });

  it('keeps servers offline, names images by digest, and never pulls what is there', () => {
    for (const { deployment } of rendered.services) {
      const one = containerOf(deployment);
      expect(one['env']).toContainEqual({ name: 'HF_HUB_OFFLINE', value: '1' });
      expect(one['image']).toMatch(/^10\.0\.0\.5:5443\/[a-z0-9/-]+@sha256:[0-9a-f]{64}$/);
      expect(one['imagePullPolicy']).toBe('IfNotPresent');
    }
  });
});

describe('when a release is rendered for a cluster', () => {
  it('gives equal input equal names, and a changed pod another name', () => {
    const one = workload(bundleFrom(twoServices.replace('dependsOn: [back]', '')));
    expect(workload(bundleFrom(twoServices.replace('dependsOn: [back]', '')))).toEqual(one);
    const changed = workload(bundleFrom(twoServices.replace('cpus: 1.5', 'cpus: 2')));
    const name = (each: KubernetesWorkload): unknown =>
      each.services.map(({ deployment }) => deployment.metadata.name);
    expect(name(changed)).not.toEqual(name(one));
    expect(objectsOf(changed).filter((each) => each.kind === 'NetworkPolicy')).toEqual(
      objectsOf(one).filter((each) => each.kind === 'NetworkPolicy'),
    );
  });

  it('keeps the name of a service whose version alone changed', () => {
    const single =
      twoServices.slice(0, twoServices.indexOf('  - name: front')) +
      twoServices.slice(twoServices.indexOf('  - name: back'));
    const one = workload(bundleFrom(single));
    const two = workload(bundleFrom(single.replace('version: 1.0.0', 'version: 1.1.0')));
    expect(two.services[0]?.deployment).toEqual(one.services[0]?.deployment);
  });

  it('tells each service of a generation which Services its peers are', () => {
    const [back, front] = workload(bundleFrom(twoServices)).services;
    expect(front?.peers).toEqual({ back: back?.deployment.metadata.name });
    expect(front?.dependsOn).toEqual(['back']);
  });

  it('opens the ports of a peer that others name, also those that nobody declared', () => {
    const manifest = twoServices
      .replace('http://back:9000', 'http://back:9000, back:9100 and notback:9200 or back:99999')
      .replace(
        '    ports: [{ name: inner, container: 9000, host: 9000 }]\n    health',
        '    health',
      )
      .replace('server: http, path: /health, port: inner', 'server: command, command: [/bin/ok]');
    const { objects, services } = workload(bundleFrom(manifest));
    const name = services[0]?.deployment.metadata.name;
    const service = objects.find(
      ({ kind, metadata }) => kind === 'Service' && metadata.name === name,
    );
    const ports = listOf(fieldsOf(service?.['spec'])['ports']);
    expect(ports.map(({ port }) => port)).toEqual([9000, 9100]);
  });

  it('means $(NAME) literally', () => {
    const [, front] = workload(bundleFrom(twoServices)).services;
    const env = front === undefined ? [] : containerOf(front.deployment)['env'];
    expect(env).toContainEqual({ name: 'ODD', value: '$$(NOT_A_VARIABLE)' });
  });

  it('writes quantities as the server keeps them', () => {
    const [, front] = workload(bundleFrom(twoServices)).services;
    const resources = front === undefined ? {} : containerOf(front.deployment)['resources'];
    const same = { cpu: '1500m', memory: '1Gi' };
    expect(resources).toEqual({ requests: same, limits: same });
    const [, whole] = workload(bundleFrom(twoServices.replace('cpus: 1.5', 'cpus: 2'))).services;
    expect(whole && containerOf(whole.deployment)['resources']).toMatchObject({
      limits: { cpu: '2' },
    });
  });

  it.each([
    ['direct', {}, '10.0.0.5:5443/chat/server@'],
    ['mirror', { from: 'mirror' }, 'registry.example/server@'],
    ['push', { from: 'push', prefix: 'ai/' }, '10.0.0.5:5443/ai/chat/server@'],
  ])('names images by way of %s', (_, images, start) => {
    const settings = clusterSite({ images: { registry: '10.0.0.5:5443', ...images } });
    const [one] = workload(bundleFrom(twoServices), settings).services;
    expect(one && containerOf(one.deployment)['image']).toMatch(
      new RegExp(`^${start.replaceAll('.', '\\.')}`),
    );
  });

  it('mounts weights as an image, from a claim, or from the store on the node', () => {
    const volumes = (settings: object): unknown => {
      const [back] = workload(bundleFrom(twoServices), clusterSite(settings)).services;
      return (
        back &&
        listOf(podOf(back.deployment)['volumes']).find((each) =>
          /^content/.test(String(each['name'])),
        )
      );
    };
    expect(volumes({})).toMatchObject({
      image: {
        reference: expect.stringContaining('/chat/tiny-car@sha256:'),
        pullPolicy: 'IfNotPresent',
      },
    });
    expect(volumes({ weights: 'volume', claim: 'models' })).toMatchObject({
      persistentVolumeClaim: { claimName: 'models', readOnly: true },
    });
    const local = { weights: 'local', node: 'n1' };
    expect(volumes(local)).toMatchObject({ persistentVolumeClaim: { readOnly: true } });
    const { objects } = workload(bundleFrom(twoServices), clusterSite(local));
    expect(objects.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['PersistentVolume', 'PersistentVolumeClaim']),
    );
    expect(objects.find(({ kind }) => kind === 'PersistentVolume')).toMatchObject({
      spec: { local: { path: '/site/layouts/one' }, persistentVolumeReclaimPolicy: 'Retain' },
    });
  });

  it('mounts a single file as an object, and refuses one that is too large for it', async () => {
    const manifest = twoServices
      .replace('services:', 'files:\n  - { name: code, source: ./code.mjs }\nservices:')
      .replace('mounts: [{ model', 'mounts: [{ files: code, path: /srv/code.mjs }, { model');
    const { objects, services } = workload(bundleFrom(manifest));
    const file = objects.find(({ kind }) => kind === 'ConfigMap');
    expect(file).toMatchObject({ immutable: true, binaryData: { content: expect.any(String) } });
    expect(services[0] && listOf(podOf(services[0].deployment)['volumes'])).toContainEqual({
      name: expect.stringMatching(/^file-/),
      configMap: { name: file?.metadata.name },
    });
    const large = async (): Promise<unknown> =>
      workload(bundleFrom(manifest), clusterSite(), { contents: new Map() });
    await expectCode(large, 'site-invalid');
  });

  it('begins names with the release in a namespace of the owner, and makes no namespace', () => {
    const shared = workload(bundleFrom(twoServices), clusterSite({ namespace: 'models' }));
    expect(shared).toMatchObject({ namespace: 'models', ownsNamespace: false });
    for (const each of objectsOf(shared)) {
      expect(each.metadata.name).toMatch(/^chat-/);
      expect(each.metadata.namespace).toBe('models');
    }
  });

  it('gives every object the labels of its site, its release and its ApplySet', () => {
    const rendered = workload(
      bundleFrom(twoServices),
      clusterSite({ weights: 'local', node: 'n1' }),
    );
    for (const { metadata } of objectsOf(rendered))
      expect(metadata.labels).toMatchObject({
        'app.kubernetes.io/managed-by': 'stowage',
        'stowage.dev/site': '0a1b2c3d',
        'stowage.dev/release': 'chat',
        'applyset.kubernetes.io/part-of': applySetId(rendered),
      });
  });

  it('asks for the number of GPUs by the resource name of the site', () => {
    const manifest = twoServices.replace('    cpus: 1.5', '    gpus: 2');
    const [, front] = workload(
      bundleFrom(manifest),
      clusterSite({ gpus: { nvidia: 'nvidia.com/mig-3g.40gb' } }),
    ).services;
    expect(front && containerOf(front.deployment)['resources']).toMatchObject({
      limits: { 'nvidia.com/mig-3g.40gb': '2' },
    });
  });

  it('refuses all GPUs of a host whose number nobody gave', async () => {
    const manifest = twoServices.replace('    cpus: 1.5', '    gpus: all');
    await expectCode(async () => workload(bundleFrom(manifest)), 'site-invalid');
    const counted = `${manifest}requires: { host: { gpu: { count: 4 } } }\n`;
    const [, front] = workload(bundleFrom(counted)).services;
    expect(front && containerOf(front.deployment)['resources']).toMatchObject({
      limits: { 'nvidia.com/gpu': '4' },
    });
  });

  it('lets OpenShift choose the user', () => {
    const [one] = workload(bundleFrom(twoServices), clusterSite({ user: 'namespace' })).services;
    const security = one && podOf(one.deployment)['securityContext'];
    expect(security).toEqual({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
  });

  it('opens ports to the namespaces of clients alone', () => {
    const closed = workload(bundleFrom(twoServices));
    expect(closed.objects.filter(({ kind }) => kind === 'NetworkPolicy')).toHaveLength(1);
    const open = workload(bundleFrom(twoServices), clusterSite({ clients: ['apps', 'web'] }));
    expect(JSON.stringify(open.objects)).toContain('"values":["apps","web"]');
  });

  it('opens ports to the networks of clients, in a policy that names no namespace for them', () => {
    const ingress = (clients: readonly string[]): unknown[] =>
      workload(bundleFrom(twoServices), clusterSite({ clients })).objects.flatMap(
        ({ metadata, spec }) =>
          metadata.name.startsWith('clients-')
            ? fieldsOf(listOf(fieldsOf(spec)['ingress'])[0])['from']
            : [],
      );
    const inside = {
      namespaceSelector: {
        matchExpressions: [
          { key: 'kubernetes.io/metadata.name', operator: 'In', values: ['apps'] },
        ],
      },
    };
    const block = (cidr: string): object => ({ ipBlock: { cidr } });
    const given = ['10.20.0.0/16', 'apps', '10.0.0.5', 'fd00::7'];
    const outside = [block('10.20.0.0/16'), block('10.0.0.5/32'), block('fd00::7/128')];
    expect(ingress(given).slice(0, 4)).toEqual([inside, ...outside]);
    expect(ingress(['10.0.0.5']).slice(0, 1)).toEqual([block('10.0.0.5/32')]);
  });
});

describe('when an object is named', () => {
  const label = fc.stringMatching(/^[a-z0-9]+(-[a-z0-9]+){0,6}$/, { maxLength: 63 });

  it('has a name that Services may have, whatever its release and service are called', () => {
    fc.assert(
      fc.property(label, label, fc.boolean(), (release, base, ownsNamespace) => {
        const owner = { site: '0a1b2c3d', release, namespace: 'n', ownsNamespace };
        expect(objectName(owner, base, '01234567')).toMatch(/^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
      }),
    );
  });

  it('has another name than another service', () => {
    fc.assert(
      fc.property(label, label, (one, two) => {
        fc.pre(one !== two);
        const owner = {
          site: '0a1b2c3d',
          release: 'r'.repeat(60),
          namespace: 'n',
          ownsNamespace: false,
        };
        expect(objectName(owner, one)).not.toBe(objectName(owner, two));
      }),
    );
  });

  it('computes the id of an ApplySet as KEP-3659 does', () => {
    const owner = {
      site: '0a1b2c3d',
      release: 'chat',
      namespace: 'stowage-chat',
      ownsNamespace: true,
    };
    // printf 'stowage.stowage-chat.ConfigMap.' | openssl dgst -sha256 -binary | basenc --base64url | tr -d =
    expect(applySetId(owner)).toBe('applyset-tGirc1VXR75G5RxA10QjxTrUKB3QR_wyUq7eNnTjsVc-v1');
  });
});
