import { join } from 'node:path';
import { digestHex, digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { canonicalAddress, isIpv6 } from '../../core/host-address.ts';
import { canonicalBytes } from '../../core/json.ts';
import type { BundleImage } from '../../format/bundled-content.ts';
import type {
  ContainerWorkload,
  RenderedImage,
  RenderedMount,
  RenderedNetwork,
  RenderedService,
} from '../../format/containers.ts';
import type { RenderedEgress } from '../../format/egress.ts';
import { withoutScaling } from '../../format/placement.ts';
import { inOrder, type Mount, type Port, type Service } from '../../format/service.ts';
import { adapterArguments, adapterPath, type RenderInput, renderEgress } from '../render-input.ts';

/**
 * The services of a release as containers, with every value filled in.
 * @throws StowageError `site-invalid`
 */
export function renderContainers(input: RenderInput): ContainerWorkload {
  const services = inOrder(input.bundle.services) ?? [];
  const placed = services.map((service) => ({ service, ...networksOf(service, services, input) }));
  return {
    kind: 'containers',
    networks: distinct(placed.flatMap(({ networks }) => networks)),
    services: placed.map(({ service, networks, egress }) => ({
      ...renderService(service, input),
      networks: networks.map(({ name }) => name),
      ...(egress === undefined ? {} : { egress }),
    })),
  };
}

function renderService(
  service: Service,
  input: RenderInput,
): Omit<RenderedService, 'networks' | 'egress'> {
  const { bundle, settings, siteId, files, fill } = input;
  const { image: imageName, mounts, adapters, secrets, user, ...plain } = withoutScaling(service);
  const { ports, args, env, entrypoint, name, egress: _, optional: __, ...rest } = plain;
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

interface Networks {
  /** The one that leads outside first. */
  readonly networks: readonly RenderedNetwork[];
  readonly egress?: readonly RenderedEgress[];
}

/**
 * The networks that a service joins. All services of a release have an internal one in common. Engines do not publish ports of
 * internal networks, so services with ports also join a second network, which leads outside; one with `egress` joins a network of
 * its own instead. What a network lets out is part of its name, since containers of two generations may be on it: so a network never
 * changes. That for an IPv6 address has another name too: a network keeps the families that it was created with. Names of
 * releases never contain two hyphens in a row, so names of networks are unique.
 */
function networksOf(service: Service, services: readonly Service[], input: RenderInput): Networks {
  if (service.network !== 'bridge') return { networks: [] };
  const { bundle, siteId, settings } = input;
  const joined = services.filter(({ network }) => network === 'bridge');
  const about = { release: bundle.name, site: siteId };
  const name = `stowage-${siteId}-${bundle.name}`;
  const family = isIpv6(settings.address) ? '-ipv6' : '';
  const egress = renderEgress(service, input);
  const leadsOut = service.ports.length > 0 || egress.length > 0;
  const within = joined.length > 1 || !leadsOut ? [{ name, ...about, internal: true }] : [];
  if (!leadsOut) return { networks: within };
  const own = egress.length === 0 ? 'clients' : `${service.name}-${shortHash(egress)}`;
  return {
    networks: [{ name: `${name}--${own}${family}`, ...about, internal: false }, ...within],
    egress,
  };
}

function shortHash(egress: readonly RenderedEgress[]): string {
  return digestHex(digestOf(canonicalBytes(egress))).slice(0, 8);
}

/** Each network once, the internal one first. */
function distinct(networks: readonly RenderedNetwork[]): RenderedNetwork[] {
  const byName = new Map(networks.map((each) => [each.name, each]));
  return [...byName.values()].toSorted((a, b) => Number(b.internal) - Number(a.internal));
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
