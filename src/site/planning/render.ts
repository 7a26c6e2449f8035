import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { digestHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Bundle, BundleImage } from '../../format/bundle.ts';
import type {
  DeployedRelease,
  RenderedImage,
  RenderedMount,
  RenderedNetwork,
  RenderedService,
  RenderedText,
} from '../../format/generation.ts';
import { inOrder, type Mount, type Port, type Service } from '../../format/service.ts';
import type { ParameterValue, Site } from '../../format/site.ts';
import type { Release } from '../release/release.ts';
import { adapterArguments, adapterPath } from '../../target/container/adapters.ts';
import { fillTemplate, parameterValues } from './parameters.ts';

/** What rendering knows of the host. */
export interface Place {
  readonly site: Site;
  /** Where the files of this release are laid out for its services: absolute. */
  readonly files: string;
  /** Such as `linux/amd64`. */
  readonly platform: string;
  /** The text of each file that a service uses as a template, by its name. */
  readonly templates: ReadonlyMap<string, string>;
  /** The engine's name of each secret of the release. */
  readonly secretNames: ReadonlyMap<string, string>;
}

/**
 * A release with every value filled in: what a generation keeps, and all that a target needs.
 * @throws StowageError `site-invalid`
 */
export function renderRelease({ id, bundle }: Release, place: Place): DeployedRelease {
  const values = parameterValues(bundle.name, bundle.parameters, place.site);
  const serves = place.site.target === 'depot';
  const services = serves ? [] : (inOrder(bundle.services) ?? []);
  const networks = networksOf(bundle.name, services);
  return {
    name: bundle.name,
    version: bundle.version,
    seq: bundle.seq,
    bundle: id,
    networks,
    secrets: secretsUsed(services).map((secret) => ({ name: secretName(secret, place), secret })),
    texts: textsUsed(services, values, place),
    services: services.map((service) => ({
      ...renderService(service, bundle, values, place),
      networks: joins(service, networks),
    })),
    acceptance: serves ? [] : bundle.acceptance,
  };
}

function renderService(
  service: Service,
  bundle: Bundle,
  values: ReadonlyMap<string, ParameterValue>,
  place: Place,
): Omit<RenderedService, 'networks'> {
  const fill = (text: string): string => fillTemplate(text, values);
  const { image: imageName, mounts, adapters, secrets, user, ...plain } = service;
  const { ports, args, env, entrypoint, name, ...rest } = plain;
  const adapted = adapterArguments(service, bundle);
  const image = bundle.images.find((each) => each.name === imageName);
  if (image === undefined) throw new Error(`image ${imageName} passed the schema and is not there`);
  return {
    ...rest,
    release: bundle.name,
    name,
    unit: `stowage-${bundle.name}-${name}`,
    image: renderImage(image, bundle, place.platform),
    ...(entrypoint === undefined ? {} : { entrypoint }),
    args: [...args.map(fill), ...adapted.args],
    env: {
      ...Object.fromEntries(Object.entries(env).map(([key, value]) => [key, fill(value)])),
      ...adapted.env,
    },
    mounts: [
      ...mounts.map((mount) => renderMount(mount, bundle, values, place)),
      ...adapters.map((each) => ({
        source: join(place.files, 'models', each.model),
        path: adapterPath(each),
      })),
    ],
    ...(adapters.length === 0 ? {} : { adapters }),
    secrets: secrets.map(({ secret, path }) => ({ name: secretName(secret, place), path })),
    ...(user === 'image' ? {} : { user }),
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

/**
 * One internal network for the release's services among themselves. Engines publish no port of a network that is
 * internal, so that those with ports join another one as well, which leads out. No name of a release holds two
 * hyphens, so that no two networks share a name.
 */
function networksOf(release: string, services: readonly Service[]): RenderedNetwork[] {
  const joined = services.filter((each) => each.network === 'bridge');
  const within = { name: `stowage-${release}`, release, internal: true };
  const outward = { name: `stowage-${release}--published`, release, internal: false };
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

function secretsUsed(services: readonly Service[]): string[] {
  const names = services.flatMap((each) => each.secrets.map(({ secret }) => secret));
  return [...new Set(names)].toSorted();
}

function secretName(secret: string, { secretNames }: Place): string {
  const name = secretNames.get(secret);
  if (name === undefined) throw new Error(`secret ${secret} passed the schema and has no name`);
  return name;
}

function textsUsed(
  services: readonly Service[],
  values: ReadonlyMap<string, ParameterValue>,
  place: Place,
): RenderedText[] {
  const texts = new Map<string, string>();
  for (const mount of services.flatMap((each) => each.mounts)) {
    if (!('template' in mount)) continue;
    const text = renderText(mount.template, values, place);
    texts.set(text.sha256, text.text);
  }
  return [...texts].map(([sha256, text]) => ({ sha256, text }));
}

function renderText(
  template: string,
  values: ReadonlyMap<string, ParameterValue>,
  { templates }: Place,
): RenderedText {
  const text = templates.get(template);
  if (text === undefined) throw new Error(`template ${template} was not read`);
  const filled = fillTemplate(text, values);
  return { sha256: createHash('sha256').update(filled).digest('hex'), text: filled };
}

function renderMount(
  mount: Mount,
  bundle: Bundle,
  values: ReadonlyMap<string, ParameterValue>,
  place: Place,
): RenderedMount {
  const { files } = place;
  if ('memory' in mount) return mount;
  if ('template' in mount) {
    const { sha256 } = renderText(mount.template, values, place);
    return { source: join(files, 'rendered', sha256), path: mount.path };
  }
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
