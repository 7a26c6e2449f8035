import { StowageError } from '../../../core/error.ts';
import type { Bundle } from '../../../format/bundle.ts';
import type {
  KubernetesHook,
  KubernetesObject,
  KubernetesSet,
} from '../../../format/kubernetes.ts';
import { MAX_POWERS, powersOf, type RenderedObject } from '../../../format/rendered-objects.ts';
import type { RenderInput } from '../../render-input.ts';
import { objectKey } from '../api/object-api.ts';
import { imageReference, modelAddress, settingsOf } from '../content.ts';
import { applySetId, labels, MANAGER, type Owner } from '../labels.ts';
import { keptJob } from './ended-jobs.ts';
import { fillObjects, type ObjectValues } from './fill-objects.ts';
import { withPullSecret } from './pull-secrets.ts';
import { inInstallOrder, isDefinition, isNamespace } from './sets.ts';

/** The charts and objects of a release, with the values of the site. @throws StowageError `document-invalid` */
export function renderSets(
  input: RenderInput,
  owner: Owner,
  pullSecret: string | undefined,
): KubernetesSet[] {
  const { bundle, objects: documents } = input;
  const values = valuesFor(input, owner);
  const all = setItems(bundle).flatMap(({ name }) => documents?.get(name)?.objects ?? []);
  const sets = setItems(bundle).map(({ name, readyWhen, adopt, powers, endpoint }) => {
    const document = documents?.get(name);
    if (document === undefined) throw new Error(`${name} has no rendered objects`);
    const filled = fillObjects(document.objects, values).map((object) =>
      owned(withPullSecret(keptJob(object), owner.namespace, pullSecret), owner, name),
    );
    const hooks = document.objects.flatMap(({ hook }, index): KubernetesHook[] => {
      const object = filled[index];
      return hook === undefined || object === undefined ? [] : [{ ...hook, object }];
    });
    const isOwn = (each: KubernetesObject): boolean =>
      owner.ownsNamespace && isNamespace(each) && each.metadata.name === owner.namespace;
    return {
      name,
      // The site makes the namespace of the release itself.
      objects: inInstallOrder(
        filled.filter((each, index) => document.objects[index]?.hook === undefined && !isOwn(each)),
      ),
      ...(hooks.length === 0 ? {} : { hooks }),
      ...(readyWhen === undefined ? {} : { readyWhen }),
      ...(adopt === undefined ? {} : { adopt }),
      ...(endpoint === undefined ? {} : { endpoint }),
      powers: powersHere(filled, document.objects, { all, stated: powers }),
    };
  });
  requireUnique(sets, owner);
  const same = sets.find(({ name }) => bundle.services.some((each) => each.name === name));
  if (same !== undefined)
    throw new StowageError('document-invalid', `release ${owner.release} has two ${same.name}`, {
      expected: 'other names for charts and objects than for services',
      found: `${same.name}, which is a service too`,
      hint: 'ask the release engineer to rename one of them',
    });
  return sets;
}

/** What the objects may do with the values of the site, and what else the bundle states: a newer program may know more. */
function powersHere(
  filled: readonly KubernetesObject[],
  rendered: readonly RenderedObject[],
  { all, stated }: { readonly all: readonly RenderedObject[]; readonly stated: readonly string[] },
): string[] {
  const contents = (some: readonly RenderedObject[]) => some.map(({ object }) => object);
  const known = new Set(powersOf(contents(rendered), contents(all)));
  const found = powersOf(filled as readonly object[] as RenderedObject['object'][], contents(all));
  return [...new Set([...found, ...stated.filter((each) => !known.has(each))])]
    .toSorted()
    .slice(0, MAX_POWERS);
}

/** The items of a bundle that have objects, in the order in which they are applied. */
function setItems({ charts = [], objects = [] }: Bundle) {
  return [...charts, ...objects];
}

function valuesFor(input: RenderInput, owner: Owner): ObjectValues {
  const { bundle, platform, fill } = input;
  const place = { release: bundle.name, images: settingsOf(input).images };
  return {
    namespace: owner.namespace,
    parameters: fill,
    image: (name) => {
      const found = bundle.images.find((each) => each.name === name);
      return found === undefined ? undefined : imageReference(found, platform, place);
    },
    model: (name) => {
      const found = bundle.models.find((each) => each.name === name);
      return found === undefined ? undefined : modelAddress(found, input, owner);
    },
  };
}

/**
 * Labels of the object alone: those of its pods may be in selectors, which cannot change. A definition is of the whole site:
 * releases that contain the same one must apply the same labels.
 */
function owned(object: KubernetesObject, owner: Owner, set: string): KubernetesObject {
  const { metadata } = object;
  return {
    ...object,
    metadata: {
      ...metadata,
      labels: {
        ...metadata.labels,
        [labels.managedBy]: MANAGER,
        [labels.site]: owner.site,
        ...(isDefinition(object)
          ? {}
          : {
              [labels.release]: owner.release,
              [labels.service]: set,
              // KEP-3659: what has this label may be pruned.
              [labels.partOf]: applySetId(owner),
            }),
      },
    },
  };
}

function requireUnique(sets: readonly KubernetesSet[], owner: Owner): void {
  const seen = new Map<string, string>();
  for (const { name: set, objects, hooks = [] } of sets)
    for (const object of [...objects, ...hooks.map((each) => each.object)]) {
      const { kind, apiVersion, metadata } = object;
      const { name, namespace = owner.namespace } = metadata;
      const key = objectKey({ apiVersion, kind, namespace, name });
      const before = seen.get(key);
      if (before !== undefined)
        throw new StowageError('document-invalid', `release ${owner.release} has an object twice`, {
          expected: 'each object once in all charts and objects of a release',
          found: `${kind} ${name}, in ${before} and in ${set}`,
          hint: 'ask the release engineer to leave one of them out with without:',
        });
      seen.set(key, set);
    }
}
