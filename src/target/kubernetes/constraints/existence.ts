import { fieldsOf, listOf, textOf, textsOf } from '../../../core/json.ts';
import type { KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals } from '../../change.ts';
import { type Found, type Named, objectText } from '../api/cluster.ts';
import { clusterWorkload, placeText } from '../workload.ts';
import { podSpecOf } from '../workload-kinds.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/** An object that a release refers to and its site does not make. */
interface Reference extends Named {
  readonly rule: string;
  /** Where site.yaml names it. */
  readonly field: string;
  /** What is wrong with it; undefined if nothing is. */
  readonly defect?: (found: Found) => string | undefined;
}

const READABLE_BY_MANY = ['ReadOnlyMany', 'ReadWriteMany'];
const DOCKER_CONFIG = '.dockerconfigjson';
const MAX_SECRET_CHARACTERS = 2 ** 21;

/** Each class, claim and pull secret that site.yaml names exists, and is what pods need. */
export async function existence(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { change, cluster, settings, signal } = input;
  const references = new Map<string, Reference>();
  for (const { release } of arrivals(change)) {
    const workload = clusterWorkload(release);
    if (workload === undefined) continue;
    for (const each of referencesOf(workload, settings.kubernetes?.images))
      references.set(`${each.kind} ${each.namespace ?? ''} ${each.name}`, each);
  }
  const constraints: Constraint[] = [];
  for (const { rule, field, defect, ...place } of references.values()) {
    const text = objectText({ ...place, apiVersion: '', metadata: place });
    const { object, failure } = await cluster.tryGet(place, signal);
    const wrong = object === undefined ? undefined : defect?.(object);
    constraints.push({
      rule,
      needs: `${text}, which ${field} in site.yaml names`,
      ...(failure?.status === 404
        ? { satisfied: false, found: 'it does not exist' }
        : failure === undefined
          ? { satisfied: wrong === undefined, found: wrong ?? 'it exists' }
          : { satisfied: true, found: `not proven: ${failure.message}` }),
    });
  }
  return constraints;
}

function referencesOf(
  workload: KubernetesWorkload,
  images: { readonly from: string; readonly registry: string } | undefined,
): Reference[] {
  const { namespace, objects, services, pullSecret } = workload;
  const made = new Set(objects.map(placeText));
  const registry = images === undefined || images.from === 'mirror' ? undefined : images.registry;
  const classes = objects.flatMap(({ kind, spec }): Reference[] => {
    const name = textOf(fieldsOf(spec)['storageClassName']) ?? '';
    if (kind !== 'PersistentVolumeClaim' || name === '') return [];
    const field = 'kubernetes.storageClass';
    return [{ rule: 'storage-class', kind: 'StorageClass', name, field }];
  });
  return [
    ...classes,
    ...services.flatMap(({ deployment }): Reference[] => {
      const spec = podSpecOf(deployment);
      const runtime = textOf(spec['runtimeClassName']);
      const priority = textOf(spec['priorityClassName']);
      const claims = listOf(spec['volumes']).flatMap(
        ({ persistentVolumeClaim: claim }) => textOf(fieldsOf(claim)['claimName']) ?? [],
      );
      const secrets = listOf(spec['imagePullSecrets']).flatMap(({ name }) => textOf(name) ?? []);
      return [
        ...(runtime === undefined
          ? []
          : [
              {
                ...({ rule: 'runtime-class', kind: 'RuntimeClass', name: runtime } as const),
                field: 'kubernetes.runtimeClass',
              },
            ]),
        ...(priority === undefined
          ? []
          : [
              {
                ...({ rule: 'priority-class', kind: 'PriorityClass', name: priority } as const),
                field: 'kubernetes.priorityClass',
              },
            ]),
        ...claims
          .filter((name) => !made.has(`PersistentVolumeClaim ${namespace} ${name}`))
          .map((name): Reference => {
            const kind = 'PersistentVolumeClaim';
            return {
              ...{ rule: 'claim', kind, namespace, name, field: 'kubernetes.claim' },
              defect: claimDefect,
            };
          }),
        ...secrets
          .filter((name) => name !== pullSecret?.name)
          .map((name): Reference => {
            return {
              ...{ rule: 'pull-secret', kind: 'Secret', namespace, name },
              field: 'kubernetes.images.pullSecret',
              defect: (found) => pullSecretDefect(found, registry),
            };
          }),
      ];
    }),
  ];
}

function claimDefect(found: Found): string | undefined {
  const modes = textsOf(fieldsOf(found['spec'])['accessModes']);
  if (!modes.some((each) => READABLE_BY_MANY.includes(each)))
    return `its access modes are ${modes.join(', ')}, and it needs ReadOnlyMany`;
  const phase = textOf(fieldsOf(found['status'])['phase']);
  return phase === 'Lost' ? 'its volume is lost' : undefined;
}

/** Never shows a value. */
function pullSecretDefect(found: Found, registry: string | undefined): string | undefined {
  const type = textOf(found['type']) ?? '';
  if (type !== 'kubernetes.io/dockerconfigjson')
    return `its type is ${type}, and it needs kubernetes.io/dockerconfigjson`;
  const auths = fieldsOf(authsIn(fieldsOf(found['data'])[DOCKER_CONFIG]));
  if (registry === undefined || registry in auths || `https://${registry}` in auths)
    return undefined;
  const others = Object.keys(auths).slice(0, 10).join(', ');
  return `it is for ${others || 'no registry'}, and not for ${registry}`;
}

function authsIn(data: unknown): unknown {
  const text = textOf(data, MAX_SECRET_CHARACTERS) ?? '';
  try {
    return fieldsOf(JSON.parse(Buffer.from(text, 'base64').toString('utf8')))['auths'];
  } catch {
    return undefined;
  }
}
