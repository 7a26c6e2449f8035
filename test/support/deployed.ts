import { parseDigest } from '../../src/core/digest.ts';
import type {
  ContainerWorkload,
  RenderedImage,
  RenderedNetwork,
  RenderedService,
} from '../../src/format/containers.ts';
import { type DeployedRelease, type Generation, noWorkload } from '../../src/format/plan.ts';

/** An image whose content is a number. */
export function image(content: number, name = 'server'): RenderedImage {
  const digest = parseDigest(`sha256:${content.toString(16).padStart(64, '0')}`);
  const tag = `localhost/stowage/${name}:${content}`;
  return { repository: `chat/${name}`, manifest: digest, config: digest, tag };
}

export function service(values: Partial<RenderedService> = {}): RenderedService {
  const { release = 'chat', name = 'server' } = values;
  return {
    release,
    name,
    unit: `stowage-${release}-${name}`,
    image: image(1),
    args: [],
    env: {},
    dependsOn: [],
    mounts: [],
    secrets: [],
    ports: [],
    network: 'bridge',
    networks: [],
    readOnlyRoot: true,
    capabilities: [],
    pids: 4096,
    ...values,
  };
}

/** What a release of the tests is made of: its own members, and those of its workload. */
export interface ReleaseValues extends Partial<Omit<DeployedRelease, 'workload'>> {
  readonly networks?: readonly RenderedNetwork[];
  readonly services?: readonly RenderedService[];
}

/** A release whose services are containers; without services it has no workload. */
export function release(values: ReleaseValues = {}): DeployedRelease {
  const { name = 'chat', networks = [], services = [service({ release: name })], ...rest } = values;
  const workload: ContainerWorkload = { kind: 'containers', networks, services };
  return {
    name,
    version: '1.0.0',
    seq: 1,
    bundle: 'a'.repeat(128),
    secrets: [],
    texts: [],
    acceptance: [],
    workload: services.length === 0 ? noWorkload : workload,
    ...rest,
  };
}

export function generation(number: number, ...releases: readonly DeployedRelease[]): Generation {
  return {
    schema: 'stowage/generation/v2',
    number,
    appliedAt: '2026-11-21T10:00:00Z',
    releases,
  };
}
