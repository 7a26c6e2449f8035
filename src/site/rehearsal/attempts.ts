import { counted } from '../../core/text.ts';
import { momentOf } from '../../format/field.ts';
import { type KnownEgress, knownFor } from '../../format/known-egress.ts';
import { MAX_ATTEMPTS, type RehearsedAttempt } from '../../format/rehearsal.ts';
import type { Tried } from '../../target/sealed/sealed-network.ts';
import type { Seen } from '../../target/sealed/sink.ts';
import { purposeOf } from './purposes.ts';

/** What kernel and sink know together. */
export interface Evidence {
  readonly tried: readonly (Tried & { readonly at: Date })[];
  readonly seen: readonly Seen[];
  /** The name for which the sink gave out an address. */
  readonly nameOf: (address: string) => string | undefined;
  /** Addresses of the rehearsal itself, such as the gateways of its networks. */
  readonly own: ReadonlySet<string>;
  /** The service of a container, by its name; of an address of a container. */
  readonly serviceOf: (container: string) => string | undefined;
  readonly serviceAt: (address: string) => string | undefined;
  readonly known: readonly KnownEgress[];
}

const MAX_LISTED = 10;

/** One attempt, before those with the same destination are grouped. */
export interface Single {
  readonly protocol: RehearsedAttempt['protocol'];
  readonly name?: string | undefined;
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly sni?: string | undefined;
  readonly host?: string | undefined;
  readonly path?: string | undefined;
  readonly service?: string | undefined;
  readonly process?: string | undefined;
  readonly at: Date;
}

/** Every attempt to reach out, in {@link groupAttempts}. */
export function attemptsOf(evidence: Evidence): readonly RehearsedAttempt[] {
  return groupAttempts(singles(evidence), evidence.known);
}

/** Attempts with the same destination and service as one, in the order of their first. */
export function groupAttempts(
  all: readonly Single[],
  known: readonly KnownEgress[],
): readonly RehearsedAttempt[] {
  const groups = new Map<string, Single[]>();
  for (const each of all) {
    const { protocol, name, address, port, service } = each;
    // A name has one address for each family: what is told apart is the name.
    const key = JSON.stringify([protocol, name ?? address, port, service]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return [...groups.values()]
    .map((group) => grouped(group, known))
    .toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
    .slice(0, MAX_ATTEMPTS);
}

function singles({ tried, seen, nameOf, own, serviceOf, serviceAt }: Evidence): readonly Single[] {
  const unmatched = new Map<string, Seen[]>();
  const all: Single[] = [];
  const serviceBehind = ({ container, source }: Seen): string | undefined =>
    (container === undefined ? undefined : serviceOf(container)) ?? serviceAt(source);
  for (const each of seen) {
    if (each.protocol === 'dns') {
      const { name, process, at } = each;
      all.push({ protocol: 'dns', name, service: serviceBehind(each), process, at });
    }
    const key = keyOf(each.protocol, each);
    unmatched.set(key, [...(unmatched.get(key) ?? []), each]);
  }
  for (const each of tried) {
    const { protocol, source, address, port } = each;
    if (own.has(address)) continue;
    const lookups = unmatched.get(keyOf('dns', each));
    const match = unmatched.get(keyOf(protocol, each))?.shift() ?? lookups?.[0];
    const connection = match?.protocol === 'dns' ? undefined : match;
    all.push({
      protocol,
      name: connection?.sni ?? nameOf(address) ?? connection?.host,
      address,
      ...(protocol === 'other' ? {} : { port }),
      sni: connection?.sni,
      host: connection?.host,
      path: connection?.path,
      service: match === undefined ? serviceAt(source) : serviceBehind(match),
      process: match?.process,
      at: match?.at ?? each.at,
    });
  }
  return all;
}

function keyOf(
  protocol: string,
  { source, sourcePort }: { readonly source: string; readonly sourcePort: number },
): string {
  return `${protocol} ${source} ${sourcePort}`;
}

function grouped(group: readonly Single[], known: readonly KnownEgress[]): RehearsedAttempt {
  const [first] = group as readonly [Single];
  const last = <K extends 'sni' | 'host' | 'address'>(field: K): Single[K] =>
    group.find((each) => each[field] !== undefined)?.[field];
  const listed = (field: 'path' | 'process'): string[] =>
    [...new Set(group.flatMap((each) => each[field] ?? []))].toSorted().slice(0, MAX_LISTED);
  const times = group.map(({ at }) => at.getTime());
  const paths = listed('path');
  const { protocol, name, port, service } = first;
  const about = present({ name, address: last('address'), port });
  const purpose = purposeOf({ ...about, paths });
  const allowed = knownFor(about, known);
  return {
    protocol,
    ...about,
    ...present({ sni: last('sni'), host: last('host'), service }),
    paths,
    processes: listed('process'),
    count: group.length,
    first: momentOf(new Date(Math.min(...times))),
    last: momentOf(new Date(Math.max(...times))),
    ...(purpose ?? {}),
    ...(allowed === undefined ? {} : { known: allowed.reason }),
  };
}

function present<T extends object>(
  value: T,
): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(kept) as { readonly [K in keyof T]?: Exclude<T[K], undefined> };
}

/** An attempt in words, for people and for the failure of a rehearsal. */
export function attemptInWords(attempt: RehearsedAttempt): string {
  const { protocol, name, address, port, paths, service, processes, count } = attempt;
  const where =
    protocol === 'dns'
      ? `looked up ${name || '.'}`
      : `tried ${name ?? address ?? 'an unknown address'}${port === undefined ? '' : ` port ${port}`}${protocol === 'tcp' ? '' : `, ${protocol === 'udp' ? 'UDP' : 'neither TCP nor UDP'}`}`;
  const asked = paths.length === 0 ? '' : `, ${paths.slice(0, 3).join(', ')}`;
  const by = processes.length === 0 ? '' : ` (${processes.slice(0, 3).join(', ')})`;
  const often = count === 1 ? '' : `, ${counted(count, 'time')}`;
  return `${service ?? 'something'}${by} ${where}${asked}${often}`;
}
