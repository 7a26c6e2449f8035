import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../lab/kubernetes/cluster.ts';

/** Writes the kubeconfig of the lab's administrator with another user, and other members of its server. @returns its path */
export function kubeconfigOf(
  cluster: Pick<Cluster, 'kubeconfig'>,
  {
    user,
    server,
    path,
  }: { readonly user: object; readonly server?: object; readonly path: string },
): string {
  const config = JSON.parse(readFileSync(cluster.kubeconfig, 'utf8'));
  config.users[0].user = user;
  Object.assign(config.clusters[0].cluster, server);
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}

/** A token of the lab's own issuer that expired yesterday. */
export function expiredToken({ folder }: Pick<Cluster, 'folder'>): string {
  const encode = (value: object): string =>
    Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const text = `${encode({ alg: 'ES256' })}.${encode({
    ...{ iss: 'https://kubernetes.default.svc', aud: ['https://kubernetes.default.svc'] },
    ...{ sub: 'system:serviceaccount:default:default', iat: now - 90_000, exp: now - 86_400 },
  })}`;
  const key = createPrivateKey(readFileSync(join(folder, 'certificates/service-accounts.key')));
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** A user whose credential a shell script prints. */
export function credentialPlugin(script: string): object {
  return {
    exec: {
      ...{ apiVersion: 'client.authentication.k8s.io/v1', interactiveMode: 'Never' },
      ...{ command: '/bin/sh', args: ['-c', script] },
    },
  };
}
