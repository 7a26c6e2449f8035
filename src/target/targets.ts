import { join } from 'node:path';
import type { Site } from '../format/site.ts';
import type { TargetName } from '../format/target-name.ts';
import { createContainerTarget } from './container/container-target.ts';
import { createDepotTarget } from './depot/depot.ts';
import type { Environment } from './host/command.ts';
import { createPodman } from './podman/podman.ts';
import type { Target } from './target.ts';

export interface TargetOptions {
  readonly env: Environment;
  /** The site's folder: docker's secrets are files in it. */
  readonly root: string;
  /** The settings of the site. */
  readonly settings: () => Promise<Site>;
}

/** Every target that `site.yaml` can name; the larger ones are loaded only where they are named. */
const targets: Readonly<Record<TargetName, (options: TargetOptions) => Promise<Target>>> = {
  podman: async ({ env }) => createContainerTarget(createPodman({ env })),
  docker: async ({ env, root }) => {
    const { createDocker } = await import('./docker/docker.ts');
    return createContainerTarget(createDocker({ env, secretFolder: join(root, 'secrets') }));
  },
  kubernetes: async (options) => {
    const { createKubernetesTarget } = await import('./kubernetes/kubernetes.ts');
    return createKubernetesTarget(options);
  },
  depot: async () => createDepotTarget(),
};

/** The target of this name in `site.yaml`. */
export function createTarget(name: TargetName, options: TargetOptions): Promise<Target> {
  return targets[name](options);
}
