import { join } from 'node:path';
import type { TargetName } from '../format/site.ts';
import type { Environment } from './host/command.ts';
import { createDepotTarget } from './depot/depot.ts';
import { createDocker } from './docker/docker.ts';
import { createPodman } from './podman/podman.ts';
import type { Engine, Target } from './target.ts';

export interface TargetOptions {
  readonly env: Environment;
  /** The site's root, where docker's services find their secrets. */
  readonly root: string;
}

/** What `site.yaml` names as its target. */
export function createTarget(name: TargetName, options: TargetOptions): Target {
  return probedOnce(makeTarget(name, options));
}

// An engine takes a second to describe itself, and does not change while one command runs.
function probedOnce(target: Target): Target {
  let known: Engine | undefined;
  return {
    ...target,
    probe: async (signal) => {
      known ??= await target.probe(signal);
      return known;
    },
  };
}

function makeTarget(name: TargetName, { env, root }: TargetOptions): Target {
  switch (name) {
    case 'podman':
      return createPodman({ env });
    case 'docker':
      return createDocker({ env, secretFolder: join(root, 'secrets') });
    case 'depot':
      return createDepotTarget();
  }
}
