import { fieldsOf } from '../../core/json.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../format/kubernetes.ts';
import { type Owner, releaseLabels } from './labels.ts';

/** The key of the value in the object of a secret. */
export const SECRET_KEY = 'value';

/** A secret of a release as an immutable object: its name depends on its value. */
export function secretObject(
  workload: KubernetesWorkload,
  name: string,
  value: Uint8Array,
): KubernetesObject {
  const { pullSecret, namespace } = workload;
  const metadata = { name, namespace, labels: releaseLabels(workload satisfies Owner) };
  if (pullSecret?.name === name) return pullSecretObject(metadata, pullSecret.registry, value);
  return {
    ...{ apiVersion: 'v1', kind: 'Secret', metadata },
    ...{ immutable: true, type: 'Opaque', data: { [SECRET_KEY]: base64(value) } },
  };
}

/** The value in an object that {@link secretObject} made. */
export function secretValue(found: Readonly<Record<string, unknown>>): Uint8Array | undefined {
  const text = fieldsOf(found['data'])[SECRET_KEY];
  return typeof text === 'string' ? Buffer.from(text, 'base64') : undefined;
}

/** The secret with which nodes pull from a registry. @param credentials `name:token`, or a token alone */
export function pullSecretObject(
  metadata: KubernetesObject['metadata'],
  registry: string,
  credentials: Uint8Array,
): KubernetesObject {
  return {
    ...{ apiVersion: 'v1', kind: 'Secret', metadata },
    ...{ immutable: true, type: 'kubernetes.io/dockerconfigjson' },
    data: { '.dockerconfigjson': base64(dockerConfig(registry, credentials)) },
  };
}

function dockerConfig(registry: string, credentials: Uint8Array): Buffer {
  const text = Buffer.from(credentials).toString('utf8');
  const colon = text.indexOf(':');
  const [username, password] =
    colon < 0 ? ['stowage', text] : [text.slice(0, colon), text.slice(colon + 1)];
  const auth = base64(Buffer.from(`${username}:${password}`));
  return Buffer.from(JSON.stringify({ auths: { [registry]: { username, password, auth } } }));
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
