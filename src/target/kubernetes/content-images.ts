import { fieldsOf, listOf, textOf } from '../../core/fields.ts';
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
