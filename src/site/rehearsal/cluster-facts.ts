import { counted, oneLine } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { SinkLine } from '../../target/kubernetes/sealed/sink-log.ts';
import type { WatchedPods } from '../../target/kubernetes/sealed/watch-pods.ts';
import { readQuestion } from '../../target/sealed/dns-message.ts';
import { readFirstBytes } from '../../target/sealed/first-bytes.ts';
import type { Single } from './attempts.ts';
import { type Ran, unaskedOf } from './facts.ts';

/** How long after a lookup a connection without a name of its own counts as one to what was looked up. */
const LOOKED_UP_MS = 60_000;

/**
 * Every attempt that the sink of a cluster saw. All names have the same address there, so a connection that names nobody is one to what its
 * pod looked up last.
 * @param serviceAt the service whose pod has an address
 */
export function sinkAttempts(
  lines: readonly SinkLine[],
  serviceAt: (address: string) => string | undefined,
): Single[] {
  const lookups = new Map<string, { readonly name: string; readonly at: number }>();
  return lines.flatMap(({ kind, at, source, port, bytes }): Single[] => {
    const service = serviceAt(source);
    if (kind === 'dns') {
      const name = readQuestion(bytes)?.name;
      if (name === undefined) return [];
      lookups.set(source, { name, at: at.getTime() });
      return [{ protocol: 'dns', name, service, at }];
    }
    const told = kind === 'tcp' ? (readFirstBytes(bytes) ?? {}) : {};
    const last = lookups.get(source);
    const recent =
      last !== undefined && at.getTime() - last.at <= LOOKED_UP_MS ? last.name : undefined;
    return [{ protocol: kind, name: told.sni ?? told.host ?? recent, port, ...told, service, at }];
  });
}

/** What a rehearsal on a cluster could not see, in words. */
export function unseenOnCluster(
  bundle: Bundle,
  {
    ran,
    watched,
    leaks,
    more,
    ports,
  }: {
    readonly ran: Ran;
    readonly watched: WatchedPods;
    readonly leaks: boolean | string;
    readonly more: number;
    readonly ports: readonly number[];
  },
): string[] {
  const { charts = [], objects = [] } = bundle;
  const nameless = 'connections to addresses without a name';
  return [
    ...unaskedOf(bundle, ran),
    leaks === false
      ? `${nameless}: the network plugin of the cluster stops them, and tells nobody`
      : leaks === true
        ? `${nameless}: this cluster does not enforce NetworkPolicies for outgoing connections, so they left the pods and may have reached their destination`
        : `${nameless}, which may have left the pods: whether the cluster stops them was not shown, because ${leaks}`,
    `ports other than ${ports.length} common ones: of a connection to a name at such a port, only the lookup is seen`,
    'which process of a service made an attempt, which programs ran, and what they wrote outside of their mounts',
    ...(watched.unmeasured === undefined
      ? []
      : [`the memory that the services used: ${watched.unmeasured}`]),
    ...(charts.length + objects.length === 0
      ? []
      : [
          'what the charts and objects try, and how services work with them: they were left out, because they would change the cluster',
        ]),
    ...(more === 0 ? [] : [`the details of ${counted(more, 'further attempt')}`]),
  ].map((each) => oneLine(each, 500));
}
