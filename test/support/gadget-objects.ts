import type { RenderedObject } from '../../src/format/rendered-objects.ts';
import { plain } from './objects-release.ts';

// Objects that a cluster of the lab can run: its nodes have this image, with a shell.
const IMAGE = 'stowage.lab/pod:1';

const pod = (command: string) => ({
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  terminationGracePeriodSeconds: 0,
  containers: [
    {
      ...{ name: 'main', image: IMAGE, imagePullPolicy: 'Never' },
      command: ['sh', '-c', command],
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
});

export const deployment = (
  image: string = IMAGE,
  command = 'busybox sleep 3600',
): RenderedObject => {
  const spec = pod(command);
  const [container] = spec.containers;
  return plain({
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'worker' } },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'worker' } },
      template: {
        metadata: { labels: { app: 'worker' } },
        spec: {
          ...spec,
          containers: [
            {
              ...container,
              image,
              imagePullPolicy: image === IMAGE ? 'Never' : 'IfNotPresent',
              resources: { requests: { cpu: '0.01', memory: '1048576' } },
            },
          ],
        },
      },
    },
  });
};

export const hook = (
  name: string,
  event: 'pre-install' | 'pre-upgrade' | 'post-upgrade' | 'pre-delete' | 'test',
  command: string,
  weight = 0,
): RenderedObject =>
  plain(
    {
      ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name } },
      spec: {
        backoffLimit: 0,
        template: { spec: { ...pod(command), restartPolicy: 'Never' } },
      },
    },
    { hook: { events: [event], weight } },
  );

export const config = (data: Record<string, string>, name = 'settings'): RenderedObject =>
  plain({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });

export const definition = (properties: object): RenderedObject =>
  plain({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'gadgets.demo.example' },
    spec: {
      ...{ group: 'demo.example', scope: 'Namespaced' },
      names: { kind: 'Gadget', plural: 'gadgets' },
      versions: [
        {
          ...{ name: 'v1', served: true, storage: true },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: { spec: { type: 'object', properties } },
            },
          },
        },
      ],
    },
  });

export const gadget = (size: number): RenderedObject =>
  plain({
    ...{ apiVersion: 'demo.example/v1', kind: 'Gadget', metadata: { name: 'first' } },
    spec: { size },
  });

export const SIZE = { size: { type: 'integer' } };

/** A server that has the programs of its image as files, and a Service that names its port. */
export const server: readonly RenderedObject[] = [
  plain({
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'door' } },
    spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 'http' }] },
  }),
  plain({
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'server' } },
    spec: {
      selector: { matchLabels: { app: 'server' } },
      template: {
        metadata: { labels: { app: 'server' } },
        spec: {
          ...pod('exec busybox httpd -f -p 8000 -h /bin'),
          containers: pod('exec busybox httpd -f -p 8000 -h /bin').containers.map((each) => {
            return { ...each, ports: [{ name: 'http', containerPort: 8000 }] };
          }),
        },
      },
    },
  }),
];
