import { parseDigest } from '../../src/core/digest.ts';
import type {
  DeployedRelease,
  Generation,
  RenderedImage,
  RenderedService,
} from '../../src/format/generation.ts';

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

export function release(values: Partial<DeployedRelease> = {}): DeployedRelease {
  const { name = 'chat' } = values;
  return {
    name,
    version: '1.0.0',
    seq: 1,
    bundle: 'a'.repeat(128),
    networks: [],
    secrets: [],
    texts: [],
    services: [service({ release: name })],
    acceptance: [],
    ...values,
  };
}

export function generation(number: number, ...releases: readonly DeployedRelease[]): Generation {
  return {
    schema: 'stowage/generation/v1',
    number,
    appliedAt: '2026-11-21T10:00:00Z',
    releases,
  };
}
