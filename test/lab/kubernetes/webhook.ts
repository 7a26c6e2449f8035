import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Cluster } from './cluster.ts';

export interface WebhookOptions {
  /** The name under which the cluster has it. */
  readonly name: string;
  /** The reason with which it refuses everything; absent for one that never answers. */
  readonly refuses?: string;
  /** Resources in the API group `group`, such as `services`. */
  readonly resources: readonly string[];
  readonly group?: string;
  /** A CEL expression: what it is asked about. */
  readonly when?: string;
  /** Only this namespace. */
  readonly namespace: string;
}

/** A validating admission webhook of a cluster. @returns what removes it */
export async function startWebhook(
  cluster: Cluster,
  options: WebhookOptions,
): Promise<() => Promise<void>> {
  const { name, refuses, resources, group = '', when, namespace } = options;
  const { certificate, key } = await cluster.serverCertificate(`webhook-${name}`);
  const server = createServer(
    { cert: readFileSync(certificate), key: readFileSync(key) },
    async (incoming, response) => {
      let text = '';
      for await (const chunk of incoming) text += String(chunk);
      if (refuses === undefined) return;
      const { uid } = JSON.parse(text).request;
      const status = { code: 403, message: refuses };
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          apiVersion: 'admission.k8s.io/v1',
          kind: 'AdmissionReview',
          response: { uid, allowed: false, status },
        }),
      );
    },
  );
  server.listen(0, cluster.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await cluster.apply({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name },
    webhooks: [
      {
        name: `${name}.lab.example`,
        clientConfig: {
          url: `https://${cluster.host}:${port}/`,
          caBundle: readFileSync(cluster.ca.certificate).toString('base64'),
        },
        rules: [
          {
            ...{ apiGroups: [group], apiVersions: ['*'], resources, scope: '*' },
            operations: ['CREATE', 'UPDATE'],
          },
        ],
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        ...(when === undefined ? {} : { matchConditions: [{ name: 'when', expression: when }] }),
        ...{ sideEffects: 'None', admissionReviewVersions: ['v1'], timeoutSeconds: 1 },
        failurePolicy: 'Fail',
      },
    ],
  });
  return async () => {
    await cluster.kubectl('delete', 'validatingwebhookconfiguration', name);
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
}
