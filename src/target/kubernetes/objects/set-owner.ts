import { StowageError } from '../../../core/error.ts';
import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { Found } from '../api/cluster.ts';
import { type Placed, placedText } from '../api/object-api.ts';
import { labels as ownLabels } from '../labels.ts';
import { ownerOf } from '../namespace.ts';
import { metadataOf } from '../pods.ts';
import { CLUSTER_NAMESPACES, isDefinition, isNamespace } from './sets.ts';

/** Whether an object is of this release. A definition is of the whole site: releases that contain the same one share it. */
export function isOurs(
  found: Found,
  { site, release }: Pick<KubernetesWorkload, 'site' | 'release'>,
  object: KubernetesObject,
): boolean {
  if (ownerOf(found) !== site) return false;
  const { labels } = metadataOf(found);
  return isDefinition(object) || textOf(fieldsOf(labels)[ownLabels.release]) === release;
}

/**
 * Whether `adopt` is for an object that exists: for none of another release of Stowage, for no namespace of the cluster itself, and
 * for no Secret, whose content the site would have to keep.
 */
export function isAdoptable(found: Found, object: KubernetesObject): boolean {
  if (isSecret(object)) return false;
  if (isNamespace(object) && CLUSTER_NAMESPACES.has(object.metadata.name)) return false;
  return ownerOf(found) === undefined || isDefinition(object);
}

export function isSecret({ apiVersion, kind }: Found | KubernetesObject): boolean {
  return apiVersion === 'v1' && kind === 'Secret';
}

/** Who made an object that is not this release's, in words. */
export function makerOf(found: Found): string {
  const { labels, annotations, managedFields } = metadataOf(found);
  const release = fieldsOf(annotations)['meta.helm.sh/release-name'];
  if (typeof release === 'string') {
    const namespace = fieldsOf(annotations)['meta.helm.sh/release-namespace'];
    return `Helm release ${release} in namespace ${String(namespace)}`;
  }
  const own = fieldsOf(labels);
  const site = own[ownLabels.site];
  const owner = own[ownLabels.release];
  if (typeof site === 'string')
    return typeof owner === 'string' ? `release ${owner} of site ${site}` : `site ${site}`;
  const managers = new Set(listOf(managedFields).map(({ manager }) => String(manager)));
  return managers.size === 0 ? 'another owner' : [...managers].slice(0, 5).join(', ');
}

/** The error for an object of another owner in the place of one of a set. @param isHook whether that is a hook, which is never adopted */
export function foreignObject(placed: Placed, found: Found, isHook = false): StowageError {
  const adopted =
    'remove it, or ask the release engineer for a release with adopt: true, which adopts it and restores it when it is uninstalled';
  const secret =
    'remove it, or ask the release engineer to leave it out with without:; a Secret is not adopted, because the site would have to keep its content';
  return new StowageError('engine-failed', `${placedText(placed)} belongs to another owner`, {
    expected: isHook
      ? 'no object with the name of a hook, or one of this release'
      : 'no such object, or one of this release',
    found: makerOf(found),
    hint: isHook
      ? 'check with kubectl what made it, and remove it'
      : isSecret(found)
        ? secret
        : adopted,
  });
}
