import { isIpv6, socketAddress } from '../../../core/host-address.ts';
import type { Constraint, DeployedRelease } from '../../../format/plan.ts';
import { arrivals, type Change, isStopped, type ServiceName } from '../../change.ts';
import type { HostProbe } from '../../host/host-probe.ts';
import { type Listener, listeners, ownerOf } from '../../host/listeners.ts';
import type { EngineFacts } from '../engine.ts';
import { containersOf } from '../workload.ts';
import type { ContainerConstraintInput } from './constraint.ts';

interface Place {
  readonly address: string;
  readonly port: number;
  /** `service x of release y`. */
  readonly holder: string;
  readonly of: ServiceName;
  /** Whether the engine publishes it; otherwise the container itself listens there, on the network of the host. */
  readonly published: boolean;
}

/** Each port that a release publishes is free or held by its predecessor; otherwise the owner is named. */
export async function ports(input: ContainerConstraintInput): Promise<Constraint[]> {
  const coming = arrivals(input.change);
  const names = new Set(coming.map(({ release }) => release.name));
  const wanted = coming.flatMap(({ release }) => placesOf(release));
  if (wanted.length === 0) return [];
  // Releases that change or leave give up their ports.
  const leaving = input.change.from.releases.filter(
    ({ name }) => names.has(name) || !input.change.to.releases.some((each) => each.name === name),
  );
  const ours = leaving.flatMap(placesOf).filter(({ of }) => !isIdle(input.change, of));
  const staying = input.change.to.releases.filter(({ name }) => !names.has(name)).flatMap(placesOf);
  const listening = await listeners(input.host);
  const constraints: Constraint[] = [];
  for (const [index, place] of wanted.entries()) {
    const rival = [...wanted.slice(0, index), ...staying].find((each) => overlap(each, place));
    const problem =
      rival === undefined
        ? await problemWith(place, ours, listening, input)
        : `in use by ${rival.holder}`;
    constraints.push({
      rule: 'port',
      satisfied: problem === undefined,
      needs: `${socketAddress(place)} is free for ${place.holder}`,
      found: problem ?? 'free',
    });
  }
  return constraints;
}

/** Why the port cannot be used, in words; undefined when it is free or given up by this change. */
async function problemWith(
  place: Place,
  ours: readonly Place[],
  listening: readonly Listener[],
  { host, facts }: ContainerConstraintInput,
): Promise<string | undefined> {
  const unpublishable = place.published ? cannotPublish(place.address, facts) : undefined;
  if (unpublishable !== undefined) return unpublishable;
  const ownNow = ours.filter((each) => overlap(each, place));
  const rivals = listening.filter(
    (each) => overlap(each, place) && !ownNow.some((own) => isListenerOf(own, each)),
  );
  // A port of our own predecessor cannot be tried.
  const state = ownNow.length > 0 ? 'untried' : await host.listen(place.address, place.port);
  if (state === 'free') return undefined;
  if (state === 'no-address') return noAddress(place.address, host);
  if (state === 'forbidden') return 'this user may not listen on ports below 1024';
  const [rival] = rivals;
  if (rival === undefined)
    return state === 'untried' ? undefined : 'in use by another program on this host';
  const owner = await ownerOf(rival.inode, host);
  const where = rival.address === place.address ? '' : ` on ${socketAddress(rival)}`;
  return `in use by ${owner ?? 'a program that this user cannot see'}${where}`;
}

/** Whether a listener on the port of a service may be the service: on the network of the host, it may listen on every address. */
function isListenerOf({ published, address }: Place, listener: Listener): boolean {
  if (listener.address === address || listener.address.includes(':')) return true;
  return !published && covers(listener.address, address);
}

/** As root, podman lets the kernel forward ports, which forwards nothing that was sent to or from the address `::1`. */
function cannotPublish(address: string, { engine, rootless }: EngineFacts): string | undefined {
  if (engine !== 'podman' || rootless || !['::', '::1'].includes(address)) return undefined;
  return `podman as root cannot publish ports on ${address}: set address in site.yaml to 127.0.0.1 or an IPv6 address of an interface`;
}

async function noAddress(address: string, host: HostProbe): Promise<string> {
  const without = `no interface of this host has ${address}`;
  if (!isIpv6(address) || ((await host.read('/proc/net/if_inet6')) ?? '').trim() !== '')
    return without;
  return `${without}: IPv6 is off on this host; set address in site.yaml to an IPv4 address`;
}

/** Whether a service of this site does not run and so does not hold its ports. */
function isIdle(change: Change, { release, service }: ServiceName): boolean {
  const repair = change.repairs?.find(
    (each) => each.release === release && each.service === service,
  );
  return repair?.running === false || isStopped(change, { release, service });
}

/** A listener on all addresses holds the port on each: `0.0.0.0` on those of IPv4, `::` possibly on those as well. */
function overlap(
  a: { readonly address: string; readonly port: number },
  b: { readonly address: string; readonly port: number },
): boolean {
  if (a.port !== b.port) return false;
  return a.address === b.address || covers(a.address, b.address) || covers(b.address, a.address);
}

function covers(every: string, address: string): boolean {
  return every === '::' || (every === '0.0.0.0' && !isIpv6(address));
}

/** Where a release listens on this host; with the network of the host, that is the container's port. */
function placesOf(release: DeployedRelease): Place[] {
  return containersOf(release).services.flatMap((service) =>
    service.ports.map((port) => ({
      address: port.address,
      port: service.network === 'host' ? port.container : port.host,
      holder: `service ${service.name} of release ${release.name}`,
      of: { release: release.name, service: service.name },
      published: service.network === 'bridge',
    })),
  );
}
