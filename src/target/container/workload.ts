import {
  type ContainerWorkload,
  containerWorkloadKind,
  type RenderedImage,
  type RenderedService,
} from '../../format/containers.ts';
import { checkDocument } from '../../format/document.ts';
import type { DeployedRelease } from '../../format/plan.ts';

const read = new WeakMap<object, ContainerWorkload>();

/**
 * The containers and networks of a release; none for one without a workload.
 * @throws StowageError `state-damaged` for a workload of another kind
 */
export function containersOf({ workload }: DeployedRelease): Omit<ContainerWorkload, 'kind'> {
  if (workload.kind === 'none') return { networks: [], services: [] };
  const known = read.get(workload) ?? checkDocument(containerWorkloadKind, workload);
  read.set(workload, known);
  return known;
}

/** The container of one service. */
export function containerOf(release: DeployedRelease, name: string): RenderedService {
  const service = containersOf(release).services.find((each) => each.name === name);
  if (service === undefined) throw new Error(`release ${release.name} has no service ${name}`);
  return service;
}

/** Each image of some releases, once. */
export function imagesOf(releases: readonly DeployedRelease[]): RenderedImage[] {
  const images = releases.flatMap((each) => containersOf(each).services.map(({ image }) => image));
  return [...new Map(images.map((image) => [image.tag, image])).values()];
}
