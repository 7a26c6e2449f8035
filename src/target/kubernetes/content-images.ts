import { type Fields, fieldsOf, listOf, textOf } from '../../core/json.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { KubernetesObject } from '../../format/kubernetes.ts';
import { podSpecOf } from './workload-kinds.ts';

/** The images that a pod of a service runs and mounts, by their references. */
export function imagesOf(deployment: KubernetesObject): string[] {
  const spec = podSpecOf(deployment);
  const references = [
    ...listOf(spec['containers']).map(({ image }) => textOf(image)),
    ...listOf(spec['volumes']).map(({ image }) => textOf(fieldsOf(image)['reference'])),
  ];
  return [...new Set(references.flatMap((each) => each ?? []))];
}

/** The images in the pod template of a workload, or in a pod; none for any other kind, whose fields only its operator knows. */
export function templateImages(object: KubernetesObject): string[] {
  const { initContainers, containers } = templateSpec(object) ?? {};
  return [...listOf(initContainers), ...listOf(containers)].flatMap(
    ({ image }) => textOf(image) ?? [],
  );
}

/** The pods that a workload makes, or that an object is; undefined for any other kind. */
export function templateSpec({ apiVersion, kind, spec }: KubernetesObject): Fields | undefined {
  if (!['v1', 'apps/v1', 'batch/v1'].includes(apiVersion)) return undefined;
  if (kind === 'Pod') return fieldsOf(spec);
  const { template, jobTemplate } = fieldsOf(spec);
  const made = template ?? fieldsOf(fieldsOf(jobTemplate)['spec'])['template'];
  return made === undefined ? undefined : fieldsOf(fieldsOf(made)['spec']);
}

/** Models and files, which can be images, with their sizes in bytes. */
export function contentImages({ models, files }: Bundle): { name: string; size: number }[] {
  return [
    ...models.map(({ name, files: own }) => ({
      name,
      size: own.reduce((sum, { size }) => sum + size, 0),
    })),
    ...files.map(({ name, size }) => ({ name, size })),
  ];
}
