import { type Fields, fieldsOf, type Json } from '../../../core/json.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import { type ObjectPath, rewrite } from '../../../format/rendered-objects.ts';
import { apiGroup } from '../api/object-api.ts';

/** Where operators of `object-images.ts` take the pull secrets of the pods that they make, after their documentation. */
interface SecretField {
  readonly group: string;
  readonly kind: RegExp;
  /** The object that has the list; `*` matches every member. */
  readonly within: string;
  readonly member: 'imagePullSecrets' | 'pullSecrets';
  /** Lists of pods have `{name}`, those of NVIDIA's operators have names. */
  readonly as: 'reference' | 'name';
}

const OPERATORS: readonly SecretField[] = [
  ...['spec.predictor', 'spec.transformer', 'spec.explainer'].map(
    (within): SecretField => ({
      ...{ group: 'serving.kserve.io', kind: /^InferenceService$/, within },
      ...{ member: 'imagePullSecrets', as: 'reference' },
    }),
  ),
  {
    ...{ group: 'serving.kserve.io', kind: /^(?:Cluster)?ServingRuntime$/, within: 'spec' },
    ...{ member: 'imagePullSecrets', as: 'reference' },
  },
  {
    ...{ group: 'apps.nvidia.com', kind: /^(?:NIMService|Nemo[A-Z][a-z]+)$/, within: 'spec.image' },
    ...{ member: 'pullSecrets', as: 'name' },
  },
  {
    ...{ group: 'nvidia.com', kind: /^ClusterPolicy$/, within: 'spec.*' },
    ...{ member: 'imagePullSecrets', as: 'name' },
  },
];

/**
 * An object whose pods in the namespace of the release pull as those of services do: its own pods, and those that an operator makes
 * of it. Pure.
 * @param within the namespace of the release
 */
export function withPullSecret(
  object: KubernetesObject,
  within: string,
  pullSecret: string | undefined,
): KubernetesObject {
  const { namespace = within } = object.metadata;
  if (pullSecret === undefined || namespace !== within) return object;
  const group = apiGroup(object.apiVersion);
  const ofOperators = OPERATORS.filter(
    (each) => each.group === group && each.kind.test(object.kind),
  );
  const hasPods = ['', 'apps', 'batch'].includes(group);
  if (!hasPods && ofOperators.length === 0) return object;
  const copy = rewrite(object as unknown as Json, (value, path) => {
    const fields = fieldsOf(value);
    if (hasPods && path.at(-1) === 'spec' && Array.isArray(fields['containers']))
      return withSecret(value, 'imagePullSecrets', { name: pullSecret });
    const field = ofOperators.find((each) => isAt(path, each.within));
    // Other objects of a ClusterPolicy run no image.
    if (field === undefined || !runsImage(fields, field)) return value;
    return withSecret(value, field.member, field.as === 'name' ? pullSecret : { name: pullSecret });
  });
  return copy as unknown as KubernetesObject;
}

function isAt(path: ObjectPath, within: string): boolean {
  const names = within.split('.');
  return (
    path.length === names.length &&
    names.every((name, index) => name === '*' || name === String(path[index]))
  );
}

function runsImage(fields: Fields, { within }: SecretField): boolean {
  return !within.endsWith('*') || 'repository' in fields || 'image' in fields;
}

function withSecret(value: Json, member: string, secret: Json): Json {
  const list = fieldsOf(value)[member];
  const others = (Array.isArray(list) ? list : []).filter(
    (each: Json) => JSON.stringify(each) !== JSON.stringify(secret),
  );
  return { ...(value as Record<string, Json>), [member]: [...others, secret] };
}
