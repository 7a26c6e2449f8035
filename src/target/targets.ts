import { join } from 'node:path';
import type { Site } from '../format/site.ts';
import type { TargetName } from '../format/target-name.ts';
import { createContainerTarget } from './container/container-target.ts';
import { createDepotTarget } from './depot/depot.ts';
import { createDocker } from './docker/docker.ts';
import type { Environment } from './host/command.ts';
import { createKubernetesTarget } from './kubernetes/kubernetes.ts';
import { createPodman } from './podman/podman.ts';
import type { Target } from './target.ts';

export interface TargetOptions {
  readonly env: Environment;
  /** The site's folder: docker's secrets are files in it. */
  readonly root: string;
  /** The settings of the site. */
  readonly settings: () => Promise<Site>;
}

/** Every target that `site.yaml` can name. */
const targets: Readonly<Record<TargetName, (options: TargetOptions) => Target>> = {
  podman: ({ env }) => createContainerTarget(createPodman({ env })),
  docker: ({ env, root }) =>
    createContainerTarget(createDocker({ env, secretFolder: join(root, 'secrets') })),
  kubernetes: createKubernetesTarget,
  depot: createDepotTarget,
};

/** The target of this name in `site.yaml`. */
export function createTarget(name: TargetName, options: TargetOptions): Target {
  return targets[name](options);
}
