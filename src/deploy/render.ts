import { join } from 'node:path';
import { digestHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import type { Bundle, BundleImage } from '../format/bundle.ts';
import type {
  DeployedRelease,
  RenderedImage,
  RenderedMount,
  RenderedService,
} from '../format/generation.ts';
import type { Mount, Port, Service } from '../format/service.ts';
import type { ParameterValue, Site } from '../format/site.ts';
import { fillTemplate, parameterValues } from './parameters.ts';
import type { Release } from './release.ts';

/** What rendering knows of the host. */
export interface Place {
  readonly site: Site;
  /** Where the files of this release are laid out for its services: absolute. */
  readonly files: string;
  /** Such as `linux/amd64`. */
  readonly platform: string;
}

/**
 * A release with every value filled in: what a generation keeps, and all that a target needs.
 * @throws StowageError `site-invalid`
 */
export function renderRelease({ id, bundle }: Release, place: Place): DeployedRelease {
  const values = parameterValues(bundle.name, bundle.parameters, place.site);
  return {
    name: bundle.name,
    version: bundle.version,
    seq: bundle.seq,
    bundle: id,
    services: bundle.services.map((service) => renderService(service, bundle, values, place)),
    acceptance: bundle.acceptance,
  };
}

function renderService(
  service: Service,
  bundle: Bundle,
  values: ReadonlyMap<string, ParameterValue>,
  place: Place,
): RenderedService {
  const fill = (text: string): string => fillTemplate(text, values);
  const { image: imageName, mounts, ports, args, env, entrypoint, name, ...rest } = service;
  const image = bundle.images.find((each) => each.name === imageName);
  if (image === undefined) throw new Error(`image ${imageName} passed the schema and is not there`);
  return {
    ...rest,
    release: bundle.name,
    name,
    unit: `stowage-${bundle.name}-${name}`,
    image: renderImage(image, bundle, place.platform),
    ...(entrypoint === undefined ? {} : { entrypoint }),
    args: args.map(fill),
    env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, fill(value)])),
    mounts: mounts.map((mount) => renderMount(mount, bundle, place.files)),
    ports: ports.map((port) => ({
      name: port.name,
      address: place.site.address,
      host: renderPort(port, bundle.name, fill),
      container: port.container,
    })),
  };
}

function renderImage(image: BundleImage, bundle: Bundle, platform: string): RenderedImage {
  const found = image.platforms.find((each) => each.platform === platform) ?? image.platforms[0];
  if (found === undefined) throw new Error(`image ${image.name} has no platform`);
  return {
    repository: `${bundle.name}/${image.name}`,
    manifest: found.manifest,
    config: found.config,
    // The content is in the tag: two releases of one version never share a name for different images.
    tag: `localhost/stowage/${bundle.name}/${image.name}:${bundle.version}-${digestHex(found.config).slice(0, 12)}`,
  };
}

function renderMount(mount: Mount, bundle: Bundle, files: string): RenderedMount {
  if ('memory' in mount) return mount;
  if ('model' in mount) return { source: join(files, 'models', mount.model), path: mount.path };
  const file = bundle.files.find((each) => each.name === mount.files);
  const folder = join(files, 'files', mount.files);
  return { source: file?.kind === 'file' ? join(folder, file.path) : folder, path: mount.path };
}

function renderPort(port: Port, release: string, fill: (text: string) => string): number {
  const value = Number(typeof port.host === 'number' ? port.host : fill(port.host));
  if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
  throw new StowageError('site-invalid', `port ${port.name} of release ${release} is no port`, {
    expected: 'a number from 1 to 65535',
    found: String(value),
    hint: `set the parameter behind ${port.host} in site.yaml under parameters.${release}`,
  });
}
