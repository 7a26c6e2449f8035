import { join } from 'node:path';
import { digestHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { canonicalAddress, isIpv6 } from '../../core/host-address.ts';
import type { BundleImage } from '../../format/bundled-content.ts';
import type {
  ContainerWorkload,
  RenderedImage,
  RenderedMount,
  RenderedNetwork,
  RenderedService,
} from '../../format/containers.ts';
import { withoutScaling } from '../../format/placement.ts';
import { inOrder, type Mount, type Port, type Service } from '../../format/service.ts';
import { adapterArguments, adapterPath, type RenderInput } from '../render-input.ts';

/**
 * The services of a release as containers, with every value filled in.
 * @throws StowageError `site-invalid`
 */
export function renderContainers(input: RenderInput): ContainerWorkload {
  const services = inOrder(input.bundle.services) ?? [];
  const networks = networksOf(input, services);
  return {
    kind: 'containers',
    networks,
    services: services.map((service) => ({
      ...renderService(service, input),
      networks: joins(service, networks),
    })),
  };
}

function renderService(service: Service, input: RenderInput): Omit<RenderedService, 'networks'> {
  const { bundle, settings, siteId, files, fill } = input;
  const { image: imageName, mounts, adapters, secrets, user, ...plain } = withoutScaling(service);
  const { ports, args, env, entrypoint, name, ...rest } = plain;
  const adapted = adapterArguments(service, bundle);
  const image = bundle.images.find((each) => each.name === imageName);
  if (image === undefined)
    throw new Error(`image ${imageName} passed the schema but does not exist`);
  return {
    ...rest,
    release: bundle.name,
    name,
    site: siteId,
    unit: `stowage-${siteId}-${bundle.name}-${name}`,
    image: renderImage(image, input),
    ...(entrypoint === undefined ? {} : { entrypoint }),
    args: [...args.map(fill), ...adapted.args],
    env: {
      ...Object.fromEntries(Object.entries(env).map(([key, value]) => [key, fill(value)])),
      ...adapted.env,
    },
    mounts: [
      ...mounts.map((mount) => renderMount(mount, input)),
      ...adapters.map((each) => ({
        source: join(files, 'models', each.model),
        path: adapterPath(each),
      })),
    ],
    ...(adapters.length === 0 ? {} : { adapters }),
    secrets: secrets.map(({ secret, path }) => ({ name: secretName(secret, input), path })),
    ...(user === 'image' ? {} : { user }),
    ports: ports.map((port) => ({
      name: port.name,
      address: canonicalAddress(settings.address),
      host: renderPort(port, bundle.name, fill),
      container: port.container,
    })),
  };
}

function renderImage(image: BundleImage, { bundle, siteId, platform }: RenderInput): RenderedImage {
  const found = image.platforms.find((each) => each.platform === platform) ?? image.platforms[0];
  if (found === undefined) throw new Error(`image ${image.name} has no platform`);
  return {
    repository: `${bundle.name}/${image.name}`,
    manifest: found.manifest,
    config: found.config,
    // Names are unique for each site and content.
    tag: `localhost/stowage/${siteId}/${bundle.name}/${image.name}:${bundle.version}-${digestHex(found.config).slice(0, 12)}`,
  };
}

/**
 * One internal network for the services of a release. Engines do not publish ports of internal networks, so services
 * with ports also join a second network, which is not internal. That for an IPv6 address has another name: a network keeps
 * the families that it was created with. Names of releases never contain two hyphens in a row, so names of networks are
 * unique.
 */
function networksOf(
  { bundle, siteId, settings }: RenderInput,
  services: readonly Service[],
): RenderedNetwork[] {
  const joined = services.filter((each) => each.network === 'bridge');
  const about = { release: bundle.name, site: siteId };
  const name = `stowage-${siteId}-${bundle.name}`;
  const family = isIpv6(settings.address) ? '-ipv6' : '';
  const within = { name, ...about, internal: true };
  const outward = { name: `${name}--published${family}`, ...about, internal: false };
  const peers = joined.length > 1 || joined.some((each) => !publishes(each));
  return [...(peers ? [within] : []), ...(joined.some(publishes) ? [outward] : [])];
}

/** The networks of a service, the one that publishes its ports first. */
function joins(service: Service, networks: readonly RenderedNetwork[]): string[] {
  if (service.network !== 'bridge') return [];
  const own = networks.filter((each) => each.internal || publishes(service));
  return own.toSorted((a, b) => Number(a.internal) - Number(b.internal)).map((each) => each.name);
}

function publishes(service: Service): boolean {
  return service.network === 'bridge' && service.ports.length > 0;
}

function secretName(secret: string, { secretNames }: RenderInput): string {
  const name = secretNames.get(secret);
  if (name === undefined) throw new Error(`secret ${secret} passed the schema but has no name`);
  return name;
}

function renderMount(mount: Mount, { bundle, files, rendered }: RenderInput): RenderedMount {
  if ('memory' in mount) return mount;
  if ('template' in mount) {
    const text = rendered.get(mount.template);
    if (text === undefined) throw new Error(`template ${mount.template} was not rendered`);
    return { source: join(files, 'rendered', text.sha256), path: mount.path };
  }
  if ('model' in mount) return { source: join(files, 'models', mount.model), path: mount.path };
  const file = bundle.files.find((each) => each.name === mount.files);
  const folder = join(files, 'files', mount.files);
  return { source: file?.kind === 'file' ? join(folder, file.path) : folder, path: mount.path };
}

function renderPort(port: Port, release: string, fill: (text: string) => string): number {
  const value = Number(typeof port.host === 'number' ? port.host : fill(port.host));
  if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
  throw new StowageError('site-invalid', `port ${port.name} of release ${release} is not valid`, {
    expected: 'a number from 1 to 65535',
    found: String(value),
    hint: `set the parameter behind ${port.host} in site.yaml under parameters.${release}`,
  });
}
