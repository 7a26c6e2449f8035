import type { DeployedRelease } from '../../../format/generation.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals } from '../../change.ts';
import { type Listener, listeners, ownerOf } from '../../host/listeners.ts';
import { containersOf } from '../workload.ts';
import type { ContainerConstraintInput } from './constraint.ts';

interface Place {
  readonly address: string;
  readonly port: number;
  /** `service x of release y`. */
  readonly holder: string;
}

/** Each port that a release publishes is free, or its own predecessor's; who has it otherwise is named. */
export async function ports(input: ContainerConstraintInput): Promise<Constraint[]> {
  const coming = arrivals(input.change);
  const names = new Set(coming.map(({ wanted }) => wanted.name));
  const wanted = coming.flatMap((each) => placesOf(each.wanted));
  if (wanted.length === 0) return [];
  // What changes gives up the ports that it has now.
  const leaving = input.change.from.releases.filter(
    ({ name }) => names.has(name) || !input.change.to.releases.some((each) => each.name === name),
  );
  const ours = leaving.flatMap(placesOf);
  const staying = input.change.to.releases.filter(({ name }) => !names.has(name)).flatMap(placesOf);
  const listening = await listeners(input.host);
  const constraints: Constraint[] = [];
  for (const [index, place] of wanted.entries()) {
    const rival = [...wanted.slice(0, index), ...staying].find((each) => overlap(each, place));
    const taken = rival === undefined ? await takenBy(place, ours, listening, input) : rival.holder;
    constraints.push({
      rule: 'port',
      satisfied: taken === undefined,
      needs: `${place.address}:${place.port} is free for ${place.holder}`,
      found: taken === undefined ? 'free' : `taken by ${taken}`,
    });
  }
  return constraints;
}

/** Who has the place, in words; undefined when it is free or given up. */
async function takenBy(
  place: Place,
  ours: readonly Place[],
  listening: readonly Listener[],
  { host }: ContainerConstraintInput,
): Promise<string | undefined> {
  const ownNow = ours.filter((each) => overlap(each, place));
  const rivals = listening.filter(
    (each) =>
      overlap(each, place) &&
      !ownNow.some((own) => own.address === each.address || each.address.includes(':')),
  );
  // Where our own predecessor listens, nobody else can try.
  const state = ownNow.length > 0 ? 'unasked' : await host.listen(place.address, place.port);
  if (state === 'free') return undefined;
  if (state === 'no-address') return `nobody: no interface of this host has ${place.address}`;
  if (state === 'forbidden') return 'the system: this user may not listen below port 1024';
  const [rival] = rivals;
  if (rival === undefined) return state === 'unasked' ? undefined : 'another program on this host';
  const owner = await ownerOf(rival.inode, host);
  const where = rival.address === place.address ? '' : ` on ${rival.address}:${rival.port}`;
  return `${owner ?? 'another program, which this user may not see'}${where}`;
}

/** A listener on every address has the port on each. */
function overlap(
  a: { readonly address: string; readonly port: number },
  b: { readonly address: string; readonly port: number },
): boolean {
  if (a.port !== b.port) return false;
  return a.address === b.address || [a.address, b.address].some(isEvery);
}

function isEvery(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** Where a release listens on this host. On the host's own network that is where the container does. */
function placesOf(release: DeployedRelease): Place[] {
  return containersOf(release).services.flatMap((service) =>
    service.ports.map((port) => ({
      address: port.address,
      port: service.network === 'host' ? port.container : port.host,
      holder: `service ${service.name} of release ${release.name}`,
    })),
  );
}
