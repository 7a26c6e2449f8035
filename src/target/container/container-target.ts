import { isIpv6, socketAddress } from '../../core/host-address.ts';
import type { RenderedImage, RenderedNetwork, RenderedService } from '../../format/containers.ts';
import type { DeployedRelease, Generation } from '../../format/plan.ts';
import { controlGroupUse, SHARED_GROUP } from '../host/control-group.ts';
import type { DeployedService, ServiceOf, ServiceState, Target } from '../target.ts';
import { containerConstraints, overridableRules } from './constraints/check.ts';
import { containerDiskUse } from './disk-use.ts';
import {
  type ContainerEngine,
  type ContainerState,
  type EngineFacts,
  isOurs,
  labelOf,
  type NewNetwork,
  ownerInWords,
} from './engine.ts';
import { renderContainers } from './render.ts';
import { containerSteps } from './steps.ts';
import { containerOf, containersOf, imagesOf } from './workload.ts';

/** Services as containers of one engine on this host. */
export function createContainerTarget(engine: ContainerEngine): Target {
  // The probe takes a second, and the engine does not change during one command.
  let known: EngineFacts | undefined;
  const probe = async (signal: AbortSignal): Promise<EngineFacts> => {
    known ??= await engine.probe(signal);
    return known;
  };
  return {
    name: engine.name,
    runsServices: true,
    overridable: overridableRules,
    probe,
    render: renderContainers,
    services: (release) => containersOf(release).services.map(deployed),
    steps: containerSteps,
    async run({ action, release, subject }, site, signal) {
      switch (action) {
        case 'load-image': {
          const image = imageOf(release, subject);
          if (await engine.hasImage(image, signal)) return;
          return site.withDepot(release, (host) => engine.loadImage(image, host, signal));
        }
        case 'unload-image':
          return engine.unloadImage(imageOf(release, subject), signal);
        case 'create-network':
          return engine.createNetwork(
            {
              ...networkOf(release, subject),
              ...egressOf(release, subject),
              // As root, podman lets the kernel forward a port, to an address of the same family.
              ipv6: publishesIpv6(release, subject) && !(await probe(signal)).rootless,
            },
            signal,
          );
        case 'remove-network':
          return engine.removeNetwork(networkOf(release, subject), signal);
        case 'start-service':
          return engine.startService(containerOf(release, subject), signal);
        case 'stop-service':
          return engine.stopService(containerOf(release, subject), signal);
        default:
          throw new Error(`${engine.name} has no action ${action}`);
      }
    },
    async constraints(context) {
      return containerConstraints({ ...context, facts: await probe(context.signal), engine });
    },
    diskUse: async (context) => containerDiskUse(await probe(context.signal), context),
    hasSecret: ({ name }, signal) => engine.hasSecret(name, signal),
    placeSecret: ({ name }, value, signal) => engine.placeSecret(name, value, signal),
    removeSecret: ({ name }, signal) => engine.removeSecret(name, signal),
    async storedSecret(of, name, signal) {
      const service = container(of);
      const path = service.secrets.find((each) => each.name === name)?.path;
      return path === undefined ? undefined : engine.readInside?.(service, path, signal);
    },
    async endpoint({ release, service }, port) {
      return { ...addressOf(containerOf(release, service), port), close: async () => {} };
    },
    async state(of, signal) {
      const service = container(of);
      return stateOf(service, await engine.inspectService(service, signal));
    },
    async resourceUse(of, signal) {
      const { pid, id } = await engine.inspectService(container(of), signal);
      // Without an id, it is not known whose groups they are.
      if (pid === undefined || id === undefined) return undefined;
      const use = await controlGroupUse({ pid, id });
      return use?.unknown === SHARED_GROUP
        ? { ...use, unknown: whyShared(await probe(signal)) }
        : use;
    },
    runInside: (of, command, signal) => engine.runInside(container(of), command, signal),
    logs: (of, lines, signal) => engine.logs(container(of), lines, signal),
    followLogs: (of, lines, write, signal) =>
      engine.followLogs(container(of), lines, write, signal),
    stop: (of, signal) => engine.stopService(container(of), signal),
    forget: (going, staying, signal) => forget(engine, { going, staying, signal }),
  };
}

function container({ release, service }: ServiceOf): RenderedService {
  return containerOf(release, service);
}

function deployed(service: RenderedService): DeployedService {
  const { name, dependsOn, health, adapters } = service;
  return {
    ...{ name, dependsOn },
    ...(health === undefined ? {} : { health }),
    ...(adapters === undefined ? {} : { adapters }),
    addresses: service.ports.map((port) => {
      return { port: port.name, url: `http://${socketAddress(addressOf(service, port.name))}` };
    }),
  };
}

function addressOf(service: RenderedService, name: string): { address: string; port: number } {
  const port = service.ports.find((each) => each.name === name);
  if (port === undefined) throw new Error(`service ${service.name} has no port ${name}`);
  // With the network of the host, ports are not mapped.
  return { address: port.address, port: service.network === 'host' ? port.container : port.host };
}

/** Why the figures of a container are unknown. */
function whyShared({ engine, rootless, cgroups }: EngineFacts): string {
  return rootless && cgroups === 1
    ? `rootless ${engine} gives containers no control groups of their own on cgroups v1`
    : SHARED_GROUP;
}

function stateOf(service: RenderedService, found: ContainerState): ServiceState {
  const {
    image: _,
    specification: __,
    site: ___,
    release: ____,
    pid: _____,
    id: ______,
    ...state
  } = found;
  if (found.state === 'absent' || isOurs(service, found)) return state;
  const owner = { field: 'owner', expected: labelOf(service), found: ownerInWords(found) };
  return {
    ...{ state: 'absent', drift: [owner] },
    detail: `container ${service.unit} belongs to ${ownerInWords(found)}`,
  };
}

function imageOf(release: DeployedRelease, tag: string): RenderedImage {
  const image = imagesOf([release]).find((each) => each.tag === tag);
  if (image === undefined) throw new Error(`release ${release.name} has no image ${tag}`);
  return image;
}

function networkOf(release: DeployedRelease, name: string): RenderedNetwork {
  const network = containersOf(release).networks.find((each) => each.name === name);
  if (network === undefined) throw new Error(`release ${release.name} has no network ${name}`);
  return network;
}

/** Where services on a network may open connections to: the same for all whose first network it is. */
function egressOf(release: DeployedRelease, name: string): Pick<NewNetwork, 'egress'> {
  const service = containersOf(release).services.find(
    ({ networks: [first], egress }) => first === name && egress !== undefined,
  );
  return service?.egress === undefined ? {} : { egress: service.egress };
}

/** Whether a service on this network publishes a port on an IPv6 address. */
function publishesIpv6(release: DeployedRelease, network: string): boolean {
  return containersOf(release).services.some(
    ({ networks, ports }) =>
      networks.includes(network) && ports.some(({ address }) => isIpv6(address)),
  );
}

/** Removes images and networks that only the generations in `going` use. */
async function forget(
  engine: ContainerEngine,
  {
    going,
    staying,
    signal,
  }: { going: readonly Generation[]; staying: readonly Generation[]; signal: AbortSignal },
): Promise<void> {
  const kept = staying.flatMap((each) => each.releases);
  const tags = new Set(imagesOf(kept).map(({ tag }) => tag));
  const names = new Set(
    kept.flatMap((each) => containersOf(each).networks.map(({ name }) => name)),
  );
  for (const release of going.flatMap((each) => each.releases)) {
    for (const image of imagesOf([release]))
      if (!tags.has(image.tag)) await engine.unloadImage(image, signal);
    for (const network of containersOf(release).networks)
      if (!names.has(network.name)) await engine.removeNetwork(network, signal);
  }
}
